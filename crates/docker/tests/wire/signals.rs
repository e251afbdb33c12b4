//! The signals that a task on a scripted engine gets: those of its caller, and those that end it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::stage::{self, Stage};
use crate::support::{Request, Script, Step, frame, json, upgrade, waited_until};
use crate::until::until;
use longshore_docker::DockerConfig;
use longshore_driver_api::{
    Container, DriverExt as _, Exit, Outcome, Running, SentFor, SentSignal, Signal, State, Task,
    TaskIo, TaskSpec,
};
use tokio::sync::Notify;
use tokio::time::timeout;

/// The kernel's own bounds aside, whatever is tested here takes no longer.
const BOUND: Duration = Duration::from_secs(20);

async fn ended(running: &dyn Running) -> Exit {
    timeout(BOUND, running.wait()).await.expect("its end is known")
}

/// What an engine says of a container that runs.
fn runs(request: &Request) -> Option<Script> {
    let runs = r#"{"Id":"c1","State":{"Status":"running","Running":true}}"#;
    request.is("GET /containers/c1/json").then(|| json(200, runs))
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
            return Some(waited_until(&dead, 137));
        }
        let kill = request.is("POST /containers/c1/kill?signal=SIGKILL");
        if kill && kills.fetch_add(1, Ordering::SeqCst) >= times {
            dead.notify_one();
        } else if kill {
            return Some(json(500, r#"{"message":"connection error: desc = \"transport\""}"#));
        }
        runs(request)
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
    let spec = TaskSpec::builder("x").timeout(Duration::from_millis(300));
    let spec = spec.stop_grace(Duration::ZERO).build().unwrap();
    let container = stage.driver.prepare(spec).await.unwrap();
    let running = container.start().await.unwrap();
    let exit = ended(&*running).await;
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
            return Some(waited_until(&ends, 0));
        }
        if request.is("POST /containers/c1/kill?signal=SIGTERM") {
            was_sent.notify_one();
        }
        runs(request)
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

/// A container that runs until it is told to end, frozen, and its task.
async fn frozen(
    end: &Arc<Notify>,
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> (Stage, Arc<dyn Container>, Arc<dyn Running>) {
    let end = Arc::clone(end);
    let stage = Stage::brief(move |request| {
        let wait = request.is("POST /containers/c1/wait").then(|| waited_until(&end, 0));
        wait.or_else(|| special(request))
    })
    .await;
    let container = stage.prepared().await;
    let running = container.start().await.unwrap();
    container.freeze().await.unwrap();
    (stage, container, running)
}

#[tokio::test]
async fn signals_are_kept_while_the_task_is_frozen_and_come_once_in_their_order() {
    let (stage, container, running) = frozen(&Arc::default(), |_| None).await;
    let usr1 = Signal::from_number(10).unwrap();
    running.signal(usr1).await.unwrap();
    running.signal(Signal::TERM).await.unwrap();
    assert_eq!(container.state(), State::Frozen);
    assert_eq!(stage.engine.count("POST /containers/c1/kill"), 0);
    container.unfreeze().await.unwrap();
    let calls = stage.engine.calls("POST /containers/c1").into_iter();
    let calls: Vec<String> = calls.map(|call| call.line).collect();
    let after = calls.iter().position(|line| line.ends_with("/unpause")).unwrap();
    let [one, other] = &calls[after + 1..] else { panic!("{calls:?}") };
    assert!(one.ends_with("signal=SIGUSR1") && other.ends_with("signal=SIGTERM"), "{calls:?}");
    // One that runs gets it at once, and none comes twice.
    running.signal(usr1).await.unwrap();
    assert_eq!(stage.engine.count("POST /containers/c1/kill"), 3);
    // Nothing can wait for what ends it.
    container.freeze().await.unwrap();
    running.signal(Signal::KILL).await.unwrap();
    assert_eq!(stage.engine.count("POST /containers/c1/kill"), 4);
}

#[tokio::test]
async fn a_signal_that_a_frozen_task_never_got_is_not_told_as_sent() {
    let end = Arc::new(Notify::new());
    // It ends before it goes on.
    let (_stage, _container, running) = frozen(&end, |_| None).await;
    running.signal(Signal::TERM).await.unwrap();
    end.notify_one();
    assert_eq!(ended(&*running).await.sent, []);

    for (status, words, is_fine) in
        [(409, "Container c1 is not running", true), (500, "no such signal here", false)]
    {
        let refused = format!(r#"{{"message":"{words}"}}"#);
        let (_stage, container, running) = frozen(&end, move |request| {
            request.is("POST /containers/c1/kill").then(|| json(status, &refused))
        })
        .await;
        running.signal(Signal::TERM).await.unwrap();
        assert_eq!(container.unfreeze().await.is_ok(), is_fine, "{words}");
        end.notify_one();
        assert_eq!(ended(&*running).await.sent, [], "{words}");
    }
}

#[tokio::test]
async fn a_signal_that_came_as_a_task_went_on_is_told_as_sent() {
    let end = Arc::new(Notify::new());
    let (_stage, container, running) = frozen(&end, |_| None).await;
    running.signal(Signal::TERM).await.unwrap();
    container.unfreeze().await.unwrap();
    end.notify_one();
    let sent = ended(&*running).await.sent;
    assert_eq!(sent, [SentSignal::new(Signal::TERM, SentFor::Signal)]);
}

#[tokio::test]
async fn a_stop_that_is_asked_for_as_the_task_ends_does_not_wait_for_its_reader() {
    let dead = Arc::new(Notify::new());
    let end = Arc::clone(&dead);
    let stage = Stage::brief(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(waited_until(&end, 0));
        }
        // An answer that is missing at the end is waited for.
        if request.is("POST /containers/c1/kill") {
            return Some(vec![Step::Hold]);
        }
        let wrote = frame(1, &[b'x'; 100_000]);
        request.is("POST /containers/c1/attach").then(|| upgrade(&wrote))
    })
    .await;
    let (writer, _reader) = tokio::io::duplex(16);
    let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(TaskIo::none().stdout(writer));
    let container = stage.driver.prepare(task).await.unwrap();
    let running = container.start().await.unwrap();
    let stop = |running: &Arc<dyn Running>| {
        let running = Arc::clone(running);
        tokio::spawn(async move { running.stop(Some(Duration::from_secs(30))).await })
    };
    let first = stop(&running);
    until("it is asked to end", async || stage.engine.count("POST /containers/c1/kill") > 0).await;
    dead.notify_one();
    let mut stops = vec![first];
    // Until it is known to have ended, whenever that is.
    while container.state() != State::Exited {
        stops.push(stop(&running));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for stop in stops {
        timeout(Duration::from_secs(10), stop).await.expect("it returns").unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_task_that_is_killed_already_is_not_asked_to_end_any_more_and_a_kill_counts_once() {
    let (kills, dead) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let change = |config: &mut DockerConfig| {
        stage::brief(config);
        config.timeouts.work = BOUND;
        config.timeouts.call = Duration::from_secs(1);
    };
    let stage = Stage::new(change, move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(waited_until(&dead, 137));
        }
        if request.is("POST /containers/c1/kill?signal=SIGKILL") {
            // The first two are not answered.
            if kills.fetch_add(1, Ordering::SeqCst) < 2 {
                return Some(vec![Step::Hold]);
            }
            dead.notify_one();
        }
        // By which signal it is to be asked is known too late.
        runs(request).map(|says| [vec![Step::Pause(Duration::from_millis(800))], says].concat())
    })
    .await;
    let spec = TaskSpec::builder("x").timeout(Duration::from_millis(200));
    let spec = spec.stop_grace(Duration::from_millis(200)).build().unwrap();
    let container = stage.driver.prepare(spec).await.unwrap();
    let running = container.start().await.unwrap();
    let exit = ended(&*running).await;
    assert_eq!((exit.outcome, exit.code), (Outcome::TimedOut, Some(137)), "{exit:?}");
    assert_eq!(exit.sent, [SentSignal::new(Signal::KILL, SentFor::Timeout)]);
    assert_eq!(stage.engine.count("POST /containers/c1/kill"), 3);
}
