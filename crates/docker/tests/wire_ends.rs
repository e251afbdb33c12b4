//! What the end of a task on a scripted engine proves, and what is done until it has come: an engine
//! that goes may have ended it itself, tells late, or fails at a kill.

#[path = "support/stage.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod stage;
#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use longshore_docker::DockerConfig;
use longshore_driver_api::{
    DriverExt as _, Exit, OomEvidence, Outcome, Running, Signal, State, TaskSpec, TaskSpecBuilder,
};
use stage::Stage;
use support::{Request, Script, Step, chunk, chunked, empty, json, quiet, waited};
use tokio::sync::Notify;

/// The kernel's own bounds aside, whatever is tested here takes no longer.
const BOUND: Duration = Duration::from_secs(20);

fn event(nanos: i64, action: &str, attributes: &str) -> Step {
    let text = format!(
        r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"c1","Attributes":{{{attributes}}}}},"timeNano":{nanos}}}"#
    );
    chunk(format!("{text}\n").as_bytes())
}

fn stream(events: Vec<Step>) -> Script {
    let mut script = chunked();
    script.extend(events);
    script.push(Step::Hold);
    script
}

fn exited(state: &str) -> Script {
    json(200, &format!(r#"{{"Id":"c1","State":{{"Status":"exited","ExitCode":0{state}}}}}"#))
}

fn task() -> TaskSpecBuilder {
    TaskSpec::builder("x")
}

async fn ended(running: &dyn Running) -> Exit {
    tokio::time::timeout(BOUND, running.wait()).await.expect("its end is known")
}

async fn run(stage: &Stage, spec: TaskSpecBuilder) -> Exit {
    let run = stage.driver.run_task(spec.build().unwrap());
    tokio::time::timeout(BOUND, run).await.expect("it does not wait").unwrap()
}

/// An engine that is gone from a word on: what it held is cut, and it takes nothing, for a while. The
/// next says that the task has ended with 0.
struct Restart {
    gone: Arc<AtomicUsize>,
    /// Of those streams and waits that are open.
    cut: Arc<Notify>,
}

impl Restart {
    async fn stage(
        first: Vec<Step>,
        answer: Vec<Step>,
        later: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
    ) -> (Self, Stage) {
        let (gone, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (state, ends) = (Arc::clone(&gone), Arc::clone(&cut));
        // A wait and a stream of events, each until the engine goes.
        let held = move |steps: &[Step], request: &Request| {
            let mut script = chunked();
            script.extend_from_slice(steps);
            script.push(Step::Until(Arc::clone(&ends)));
            let _ = request;
            script
        };
        let special = move |request: &Request| {
            let gone = state.load(Ordering::SeqCst);
            if gone == 0 {
                if request.is("GET /events") {
                    return Some(held(&first, request));
                }
                if request.is("POST /containers/c1/wait") {
                    return Some(held(&answer, request));
                }
                return None;
            }
            if gone < 4 {
                // Cut without an answer.
                state.fetch_add(1, Ordering::SeqCst);
                return Some(Script::new());
            }
            later(request).or_else(|| request.is("GET /containers/c1/json").then(|| exited("")))
        };
        let stage = Stage::brief(special).await;
        (Self { gone, cut }, stage)
    }

    /// Runs a task under which the engine goes, once `ready` was given the time.
    async fn ends(self, stage: &Stage) -> Exit {
        let container = stage.prepared().await;
        let running = container.start().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.gone.store(1, Ordering::SeqCst);
        self.cut.notify_waiters();
        let exit = ended(&*running).await;
        container.close().await.unwrap();
        exit
    }
}

fn start() -> Step {
    event(1, "start", r#""longshore.task":"t""#)
}

fn answer_of(code: i64) -> Vec<Step> {
    vec![
        chunk(format!("{{\"StatusCode\":{code},\"Error\":null}}\n").as_bytes()),
        Step::Send(b"0\r\n\r\n".to_vec()),
    ]
}

#[tokio::test]
async fn a_success_that_an_engine_says_after_another_was_there_is_none() {
    let (restart, stage) = Restart::stage(vec![start()], Vec::new(), |_| None).await;
    let exit = restart.ends(&stage).await;
    assert_eq!((exit.outcome, exit.code), (Outcome::Lost, None), "{exit:?}");
    let why = exit.engine_error.unwrap();
    assert!(why.contains("may have ended the task itself"), "{why}");
    assert!(why.contains("says 0"), "{why}");
}

#[tokio::test]
async fn a_success_that_an_engine_tells_as_it_goes_is_none() {
    // The signal of its own, and what the task made of it.
    for (what, answer) in [("told", Vec::new()), ("answered", answer_of(0))] {
        let mut events = vec![start()];
        if what == "told" {
            events.extend([
                Step::Pause(Duration::from_millis(100)),
                event(6, "kill", r#""signal":"15""#),
                event(7, "die", r#""exitCode":"0""#),
            ]);
        }
        let going = Arc::new(AtomicBool::new(false));
        let is_gone = Arc::clone(&going);
        let asked = AtomicUsize::new(0);
        let stage = Stage::brief(move |request| {
            if request.is("GET /events") && !is_gone.swap(true, Ordering::SeqCst) {
                let mut script = chunked();
                script.extend(events.clone());
                script.push(Step::Pause(Duration::from_millis(200)));
                return Some(script);
            }
            if request.is("POST /containers/c1/wait") {
                let mut script = chunked();
                script.push(Step::Pause(Duration::from_millis(150)));
                script.extend(answer.clone());
                script.push(Step::Pause(Duration::from_millis(50)));
                return Some(script);
            }
            // It takes nothing any more until the next is there.
            let inspect = request.is("GET /containers/c1/json");
            if inspect && asked.fetch_add(1, Ordering::SeqCst) < 6 {
                return Some(Script::new());
            }
            inspect.then(|| exited(""))
        })
        .await;
        let exit = run(&stage, task()).await;
        assert_eq!((exit.outcome, exit.code), (Outcome::Lost, None), "{what}: {exit:?}");
    }
}

#[tokio::test]
async fn a_success_is_one_if_the_engine_remembers_the_start_or_its_tasks_outlive_it() {
    let remembers = |request: &Request| request.is("GET /events").then(|| stream(vec![start()]));
    let (restart, stage) = Restart::stage(vec![start()], Vec::new(), remembers).await;
    assert_eq!(restart.ends(&stage).await.outcome, Outcome::Code(0));
    let lives_on = |request: &Request| {
        request.is("GET /info").then(|| json(200, r#"{"LiveRestoreEnabled":true}"#))
    };
    let (restart, stage) = Restart::stage(vec![start()], Vec::new(), lives_on).await;
    assert_eq!(restart.ends(&stage).await.outcome, Outcome::Code(0));
}

#[tokio::test]
async fn a_strangers_signal_makes_no_success_of_an_engine_that_stays_a_loss() {
    let kill = event(6, "kill", r#""signal":"15""#);
    let die = event(7, "die", r#""exitCode":"0""#);
    let stage = Stage::brief(move |request| {
        if request.is("GET /events") {
            return Some(stream(vec![
                start(),
                Step::Pause(Duration::from_millis(100)),
                kill.clone(),
                die.clone(),
            ]));
        }
        request.is("POST /containers/c1/wait").then(|| waited(Duration::from_millis(300), 0))
    })
    .await;
    assert_eq!(run(&stage, task()).await.outcome, Outcome::Code(0));
}

#[tokio::test]
async fn memory_that_ran_out_unheard_is_asked_for() {
    let streams = AtomicUsize::new(0);
    let stage = Stage::brief(move |request| {
        if request.is("GET /events") {
            return Some(match streams.fetch_add(1, Ordering::SeqCst) {
                // What happens between the two is not told.
                0 => {
                    let mut script = chunked();
                    script.extend([start(), Step::Pause(Duration::from_millis(200))]);
                    script
                }
                1 => stream(vec![
                    Step::Pause(Duration::from_millis(200)),
                    event(7, "die", r#""exitCode":"1""#),
                ]),
                _ => quiet(),
            });
        }
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_millis(900), 1));
        }
        let inspect = request.is("GET /containers/c1/json");
        inspect.then(|| exited(r#","OOMKilled":true"#))
    })
    .await;
    let exit = run(&stage, task()).await;
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(1), OomEvidence::Seen), "{exit:?}");
}

#[tokio::test]
async fn an_end_that_is_told_and_answered_at_once_costs_no_question() {
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    let stage = Stage::brief(move |request| {
        if request.is("GET /events") {
            let told = Arc::clone(&told);
            return Some(stream(vec![
                Step::Until(told),
                start(),
                event(7, "die", r#""exitCode":"3""#),
            ]));
        }
        if request.is("POST /containers/c1/start") {
            // Both are there by the time that somebody looks.
            begun.notify_one();
            let mut script = vec![Step::Pause(Duration::from_millis(400))];
            script.extend(empty(204));
            return Some(script);
        }
        request.is("POST /containers/c1/wait").then(|| waited(Duration::ZERO, 3))
    })
    .await;
    let exit = run(&stage, task()).await;
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(3), OomEvidence::None), "{exit:?}");
    assert_eq!(stage.engine.count("GET /containers/c1/json"), 0, "{:?}", stage.engine.lines());
}

/// An engine that fails at the first few kills; the task ends by the next.
async fn fails_at_kills(times: usize) -> Stage {
    let (kills, dead) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let change = |config: &mut DockerConfig| {
        stage::brief(config);
        config.timeouts.work = Duration::from_secs(120);
    };
    Stage::new(change, move |request| {
        if request.is("POST /containers/c1/wait") {
            let mut script = chunked();
            script.push(Step::Until(Arc::clone(&dead)));
            script.extend(answer_of(137));
            script.push(Step::Hold);
            return Some(script);
        }
        let kill = request.is("POST /containers/c1/kill?signal=SIGKILL");
        if kill && kills.fetch_add(1, Ordering::SeqCst) >= times {
            dead.notify_one();
        } else if kill {
            return Some(json(500, r#"{"message":"connection error: desc = \"transport\""}"#));
        }
        let runs = r#"{"Id":"c1","State":{"Status":"running","Running":true}}"#;
        request.is("GET /containers/c1/json").then(|| json(200, runs))
    })
    .await
}

#[tokio::test]
async fn a_kill_that_the_engine_fails_at_is_sent_again() {
    let begun = Instant::now();
    let stage = fails_at_kills(2).await;
    let container = stage.prepared().await;
    let running = container.start().await.unwrap();
    running.cancel();
    let exit = ended(&*running).await;
    assert_eq!((exit.outcome, exit.code), (Outcome::Cancelled, Some(137)), "{exit:?}");
    assert_eq!(stage.engine.count("POST /containers/c1/kill"), 3);

    let stage = fails_at_kills(1).await;
    let spec = task().timeout(Duration::from_millis(300)).stop_grace(Duration::ZERO);
    let exit = run(&stage, spec).await;
    assert_eq!((exit.outcome, exit.code), (Outcome::TimedOut, Some(137)), "{exit:?}");

    let stage = fails_at_kills(1).await;
    let container = stage.prepared().await;
    let running = container.start().await.unwrap();
    // Whoever asked is told of the failure at once.
    running.stop(Some(Duration::ZERO)).await.unwrap_err();
    let exit = ended(&*running).await;
    assert_eq!((exit.outcome, exit.code), (Outcome::Stopped, Some(137)), "{exit:?}");
    assert!(begun.elapsed() < BOUND);
}

#[tokio::test]
async fn a_grace_that_is_longer_than_any_call_may_take_is_given() {
    let (term, dead) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (was_sent, ends) = (Arc::clone(&term), Arc::clone(&dead));
    let change = |config: &mut DockerConfig| {
        stage::brief(config);
        config.timeouts.call = Duration::from_millis(500);
        config.timeouts.work = Duration::from_millis(500);
        config.timeouts.stream_idle = Duration::from_millis(500);
    };
    let stage = Stage::new(change, move |request| {
        if request.is("POST /containers/c1/wait") {
            let mut script = chunked();
            script.push(Step::Until(Arc::clone(&ends)));
            script.extend(answer_of(0));
            script.push(Step::Hold);
            return Some(script);
        }
        if request.is("POST /containers/c1/kill?signal=SIGTERM") {
            was_sent.notify_one();
        }
        let runs = r#"{"Id":"c1","State":{"Status":"running","Running":true}}"#;
        request.is("GET /containers/c1/json").then(|| json(200, runs))
    })
    .await;
    let container = stage.prepared().await;
    let running = container.start().await.unwrap();
    let ends = async {
        term.notified().await;
        // Several times as long as any call may take.
        tokio::time::sleep(Duration::from_secs(3)).await;
        dead.notify_one();
        Instant::now()
    };
    let stop = running.stop(Some(Duration::from_secs(15)));
    let (stopped, at) = tokio::join!(stop, ends);
    stopped.unwrap();
    assert!(at.elapsed() < Duration::from_secs(5), "it is known as soon as it has ended");
    let exit = ended(&*running).await;
    assert_eq!((exit.outcome, exit.code), (Outcome::Stopped, Some(0)), "{exit:?}");
    assert_eq!(stage.engine.count("POST /containers/c1/kill"), 1, "no kill followed");
}

#[tokio::test]
async fn a_signal_is_kept_while_the_task_is_frozen_and_its_time_stands_still() {
    let usr1 = Signal::from_number(10).unwrap();
    let stage =
        Stage::brief(|request| request.is("POST /containers/c1/wait").then(|| waited(BOUND, 0)))
            .await;
    let container = stage.driver.prepare(task().build().unwrap()).await.unwrap();
    let running = container.start().await.unwrap();
    container.freeze().await.unwrap();
    running.signal(usr1).await.unwrap();
    running.signal(Signal::TERM).await.unwrap();
    assert_eq!(
        (container.state(), stage.engine.count("POST /containers/c1/kill")),
        (State::Frozen, 0)
    );
    container.unfreeze().await.unwrap();
    let sent: Vec<String> =
        stage.engine.calls("POST /containers/c1").into_iter().map(|call| call.line).collect();
    let after = sent.iter().position(|line| line.ends_with("/unpause")).unwrap();
    let [one, other] = &sent[after + 1..] else { panic!("{sent:?}") };
    assert!(one.ends_with("signal=SIGUSR1") && other.ends_with("signal=SIGTERM"), "{sent:?}");
    // One that runs gets it at once, and none comes twice.
    running.signal(usr1).await.unwrap();
    assert_eq!(stage.engine.count("POST /containers/c1/kill"), 3);
    // Nothing can wait for what ends it.
    container.freeze().await.unwrap();
    running.signal(Signal::KILL).await.unwrap();
    assert_eq!(stage.engine.count("POST /containers/c1/kill"), 4);
}
