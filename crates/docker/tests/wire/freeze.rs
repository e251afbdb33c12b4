//! Freezing over a connection that fails: whatever becomes of the calls, a task that goes on has its
//! timeout, and one that has ended is not waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::stage::{self, Stage};
use crate::support::{Request, Script, Step, empty, frame, json, upgrade, waited_until};
use longshore_docker::DockerConfig;
use longshore_driver_api::{
    Driver as _, DriverExt as _, Exit, Outcome, Running, Signal, State, StreamEnd, Task, TaskIo,
    TaskSpec,
};
use tokio::sync::Notify;

const BOUND: Duration = Duration::from_secs(15);

async fn ended(running: &dyn Running) -> Exit {
    tokio::time::timeout(BOUND, running.wait()).await.expect("its end is known")
}

/// A task that runs until it is killed, on an engine that answers with `unfreezing` when it lets the task
/// go on, and with `special` where that gives anything. What the engine says of it is right.
async fn scene(
    unfreezing: impl Fn(&AtomicBool) -> Script + Send + Sync + 'static,
    special: impl Fn(&Request, bool) -> Option<Script> + Send + Sync + 'static,
) -> Stage {
    let (frozen, dead) = (AtomicBool::new(false), Arc::new(Notify::new()));
    let over = AtomicBool::new(false);
    let change = |config: &mut DockerConfig| {
        stage::brief(config);
        config.timeouts.call = Duration::from_millis(500);
    };
    Stage::new(change, move |request| {
        if let Some(script) = special(request, frozen.load(Ordering::SeqCst)) {
            return Some(script);
        }
        if request.is("POST /containers/c1/pause") {
            frozen.store(true, Ordering::SeqCst);
        } else if request.is("POST /containers/c1/unpause") {
            return Some(unfreezing(&frozen));
        } else if request.is("POST /containers/c1/kill") {
            over.store(true, Ordering::SeqCst);
            dead.notify_one();
        } else if request.is("POST /containers/c1/wait") {
            return Some(waited_until(&dead, 137));
        } else if request.is("GET /containers/c1/json") {
            let (running, paused) = (!over.load(Ordering::SeqCst), frozen.load(Ordering::SeqCst));
            let state = serde_json::json!({"Running": running, "Paused": paused, "ExitCode": 137});
            return Some(json(200, &serde_json::json!({"Id": "c1", "State": state}).to_string()));
        }
        None
    })
    .await
}

fn unfrozen(frozen: &AtomicBool) {
    frozen.store(false, Ordering::SeqCst);
}

fn brief(seconds: u64) -> TaskSpec {
    let spec = TaskSpec::builder("x").timeout(Duration::from_secs(seconds));
    spec.stop_grace(Duration::ZERO).build().unwrap()
}

#[tokio::test]
async fn a_task_that_goes_on_without_a_word_has_its_timeout() {
    let failures: [fn(&AtomicBool) -> Script; 4] = [
        // Its answer is lost, never comes, or says that the engine has failed.
        |frozen| {
            unfrozen(frozen);
            vec![]
        },
        |frozen| {
            unfrozen(frozen);
            vec![Step::Hold]
        },
        |frozen| {
            unfrozen(frozen);
            json(500, r#"{"message":"boom"}"#)
        },
        // It comes too late for the one who has asked.
        |frozen| {
            unfrozen(frozen);
            [vec![Step::Pause(Duration::from_millis(300))], empty(204)].concat()
        },
    ];
    for (number, failure) in failures.into_iter().enumerate() {
        let stage = scene(failure, |_, _| None).await;
        let container = stage.driver.prepare(brief(1)).await.unwrap();
        let running = container.start().await.unwrap();
        container.freeze().await.unwrap();
        assert_eq!(container.state(), State::Frozen);
        let unfreeze = container.unfreeze();
        if number == 3 {
            let given_up = tokio::time::timeout(Duration::from_millis(100), unfreeze).await;
            given_up.expect_err("the answer comes later");
        } else {
            unfreeze.await.expect_err("the answer says nothing good");
        }
        let exit = ended(&*running).await;
        assert_eq!(exit.outcome, Outcome::TimedOut, "{number}: {exit:?}");
        container.close().await.unwrap();
        stage.driver.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_task_that_the_engine_did_not_let_go_on_stays_frozen() {
    let stage = scene(|_| json(500, r#"{"message":"boom"}"#), |_, _| None).await;
    let container = stage.driver.prepare(brief(1)).await.unwrap();
    let running = container.start().await.unwrap();
    container.freeze().await.unwrap();
    container.unfreeze().await.unwrap_err();
    assert_eq!(container.state(), State::Frozen);
    // Its time stands still.
    let wait = tokio::time::timeout(Duration::from_secs(2), running.wait()).await;
    wait.expect_err("it has not gone on");
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_task_that_was_killed_while_frozen_is_not_held_by_its_reader() {
    let stage = scene(
        |_| empty(204),
        |request, _| {
            let wrote = frame(1, &[b'x'; 200_000]);
            request.is("POST /containers/c1/attach").then(|| upgrade(&wrote))
        },
    )
    .await;
    // Nobody reads the other end.
    let (writer, _reader) = tokio::io::duplex(16);
    let task = Task::new(brief(2)).io(TaskIo::none().stdout(writer));
    let container = stage.driver.prepare(task).await.unwrap();
    let running = container.start().await.unwrap();
    container.freeze().await.unwrap();
    running.signal(Signal::KILL).await.unwrap();
    let begun = Instant::now();
    let exit = ended(&*running).await;
    assert_eq!(exit.output.stdout.end, StreamEnd::Abandoned, "{exit:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_cut_of_a_frozen_tasks_output_is_told() {
    let attached = AtomicUsize::new(0);
    let stage = scene(
        |frozen| {
            unfrozen(frozen);
            empty(204)
        },
        move |request, frozen| {
            if !request.is("POST /containers/c1/attach") {
                return None;
            }
            if frozen {
                return Some(json(409, r#"{"message":"container c1 is paused"}"#));
            }
            // The second one stays open, so it was not the task that closed the first.
            let first = attached.fetch_add(1, Ordering::SeqCst) == 0;
            let end = if first { Step::Pause(Duration::from_millis(300)) } else { Step::Hold };
            Some([upgrade(&frame(1, b"half")), vec![end]].concat())
        },
    )
    .await;
    let (io, captured) = TaskIo::captured();
    let container = stage.driver.prepare(Task::new(brief(3)).io(io)).await.unwrap();
    let running = container.start().await.unwrap();
    container.freeze().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    container.unfreeze().await.unwrap();
    let exit = ended(&*running).await;
    assert_eq!(captured.stdout(), b"half");
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut, "{exit:?}");
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}
