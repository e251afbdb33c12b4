//! What the end of a task on a scripted engine proves: an engine that goes may have ended it itself, and
//! tells late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::stage::{self, Stage};
use crate::support::{Request, Script, Step, chunk, chunked, empty, event, json, quiet, waited};
use crate::until::until;
use longshore_docker::DockerConfig;
use longshore_driver_api::{Exit, OomEvidence, Outcome, Running};
use tokio::sync::Notify;

/// The kernel's own bounds aside, whatever is tested here takes no longer.
const BOUND: Duration = Duration::from_secs(20);

fn start() -> Step {
    event(1, "start", r#""longshore.task":"t""#)
}

/// A stream that tells of the start once it is asked for, and then this: what is told before anybody
/// follows a container is nobody's.
fn stream(started: &Arc<Notify>, then: &[Step]) -> Script {
    [chunked(), vec![Step::Until(Arc::clone(started)), start()], then.to_vec()].concat()
}

/// Tells `started` of a start.
fn look_for_start(request: &Request, started: &Notify) {
    if request.is("POST /containers/c1/start") {
        started.notify_one();
    }
}

fn exited(state: &str) -> Script {
    json(200, &format!(r#"{{"Id":"c1","State":{{"Status":"exited","ExitCode":0{state}}}}}"#))
}

async fn ended(running: &dyn Running) -> Exit {
    tokio::time::timeout(BOUND, running.wait()).await.expect("its end is known")
}

async fn run(stage: &Stage) -> Exit {
    let container = stage.prepared().await;
    let running = container.start().await.unwrap();
    ended(&*running).await
}

/// An engine that goes, and takes nothing until the next is there, which begins with the stream of its
/// events. That one says that the task has ended with 0.
struct Restart {
    gone: Arc<AtomicBool>,
    /// The end of the events, and of the wait.
    cut: [Arc<Notify>; 2],
}

impl Restart {
    /// The first engine tells this after the start, and answers the wait so, before it goes.
    async fn stage(
        told: Vec<Step>,
        answer: Vec<Step>,
        next: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
    ) -> (Self, Stage) {
        let restart = Self { gone: Arc::default(), cut: Default::default() };
        let [end_of_events, end_of_wait] = restart.cut.clone().map(Step::Until);
        let started = Arc::new(Notify::new());
        let events = [stream(&started, &told), vec![end_of_events]].concat();
        let wait = [chunked(), answer, vec![end_of_wait]].concat();
        let (gone, is_next) = (Arc::clone(&restart.gone), AtomicBool::new(false));
        let special = move |request: &Request| {
            let begins = request.is("GET /events");
            if gone.load(Ordering::SeqCst) {
                if !is_next.load(Ordering::SeqCst) && !begins {
                    return Some(Script::new());
                }
                is_next.store(true, Ordering::SeqCst);
                let inspect = request.is("GET /containers/c1/json");
                return next(request).or_else(|| inspect.then(|| exited("")));
            }
            look_for_start(request, &started);
            if begins {
                return Some(events.clone());
            }
            if request.is("POST /containers/c1/wait") {
                return Some(wait.clone());
            }
            // One that is about to go takes no questions any more.
            request.is("GET /containers/c1/json").then(Script::new)
        };
        let change = |config: &mut DockerConfig| {
            stage::brief(config);
            // However long the next one takes.
            config.timeouts.engine_gone = BOUND / 2;
        };
        let stage = Stage::new(change, special).await;
        (restart, stage)
    }

    /// Runs a task under which the engine goes: where it tells the end, once somebody has heard that.
    async fn ends(self, stage: &Stage, is_heard: bool) -> Exit {
        let container = stage.prepared().await;
        let running = container.start().await.unwrap();
        let awaited = if is_heard { "GET /containers/c1/json" } else { "GET /events" };
        until(awaited, async || stage.engine.count(awaited) > 0).await;
        self.gone.store(true, Ordering::SeqCst);
        for cut in self.cut {
            cut.notify_one();
        }
        let exit = ended(&*running).await;
        container.close().await.unwrap();
        exit
    }
}

fn answer_of(code: i64) -> Vec<Step> {
    vec![
        chunk(format!("{{\"StatusCode\":{code},\"Error\":null}}\n").as_bytes()),
        Step::Send(b"0\r\n\r\n".to_vec()),
    ]
}

/// Fails unless the end is lost because the engine may have made it.
fn assert_doubted(exit: &Exit) {
    assert_eq!((&exit.outcome, exit.code), (&Outcome::Lost, None), "{exit:?}");
    let why = exit.engine_error.as_deref().unwrap();
    assert!(why.contains("may have ended the task itself") && why.contains("says 0"), "{why}");
}

#[tokio::test]
async fn a_success_that_an_engine_says_after_another_was_there_is_none() {
    let (restart, stage) = Restart::stage(Vec::new(), Vec::new(), |_| None).await;
    assert_doubted(&restart.ends(&stage, false).await);
}

#[tokio::test]
async fn a_success_that_an_engine_tells_as_it_goes_is_none() {
    // The signal of its own, and what the task made of it.
    let kill = event(6, "kill", r#""signal":"15""#);
    let die = event(7, "die", r#""exitCode":"0""#);
    for (told, answer) in [(vec![kill, die], Vec::new()), (Vec::new(), answer_of(0))] {
        let (restart, stage) = Restart::stage(told, answer, |_| None).await;
        assert_doubted(&restart.ends(&stage, true).await);
    }
}

#[tokio::test]
async fn a_success_is_one_if_the_engine_remembers_the_start_or_its_tasks_outlive_it() {
    let remembers = |request: &Request| {
        request.is("GET /events").then(|| [chunked(), vec![start(), Step::Hold]].concat())
    };
    let (restart, stage) = Restart::stage(Vec::new(), Vec::new(), remembers).await;
    assert_eq!(restart.ends(&stage, false).await.outcome, Outcome::Code(0));
    let lives_on = |request: &Request| {
        request.is("GET /info").then(|| json(200, r#"{"LiveRestoreEnabled":true}"#))
    };
    let (restart, stage) = Restart::stage(Vec::new(), Vec::new(), lives_on).await;
    assert_eq!(restart.ends(&stage, false).await.outcome, Outcome::Code(0));
}

#[tokio::test]
async fn a_strangers_signal_makes_no_success_of_an_engine_that_stays_a_loss() {
    let started = Arc::new(Notify::new());
    let stage = Stage::brief(move |request| {
        look_for_start(request, &started);
        if request.is("GET /events") {
            let kill = event(6, "kill", r#""signal":"15""#);
            let die = event(7, "die", r#""exitCode":"0""#);
            return Some(stream(&started, &[kill, die, Step::Hold]));
        }
        request.is("POST /containers/c1/wait").then(|| waited(Duration::from_millis(300), 0))
    })
    .await;
    assert_eq!(run(&stage).await.outcome, Outcome::Code(0));
}

#[tokio::test]
async fn memory_that_ran_out_unheard_is_asked_for() {
    let (streams, started) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let stage = Stage::brief(move |request| {
        look_for_start(request, &started);
        if request.is("GET /events") {
            return Some(match streams.fetch_add(1, Ordering::SeqCst) {
                // What happens between the two is not told.
                0 => stream(&started, &[]),
                1 => [chunked(), vec![event(7, "die", r#""exitCode":"1""#), Step::Hold]].concat(),
                _ => quiet(),
            });
        }
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_millis(500), 1));
        }
        let inspect = request.is("GET /containers/c1/json");
        inspect.then(|| exited(r#","OOMKilled":true"#))
    })
    .await;
    let exit = run(&stage).await;
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(1), OomEvidence::Seen), "{exit:?}");
}

#[tokio::test]
async fn an_end_that_is_told_and_answered_at_once_costs_no_question() {
    let started = Arc::new(Notify::new());
    let stage = Stage::brief(move |request| {
        look_for_start(request, &started);
        if request.is("GET /events") {
            return Some(stream(&started, &[event(7, "die", r#""exitCode":"3""#), Step::Hold]));
        }
        if request.is("POST /containers/c1/start") {
            // Both are there by the time that somebody looks.
            return Some([vec![Step::Pause(Duration::from_millis(400))], empty(204)].concat());
        }
        request.is("POST /containers/c1/wait").then(|| waited(Duration::ZERO, 3))
    })
    .await;
    let exit = run(&stage).await;
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(3), OomEvidence::None), "{exit:?}");
    assert_eq!(stage.engine.count("GET /containers/c1/json"), 0, "{:?}", stage.engine.lines());
}
