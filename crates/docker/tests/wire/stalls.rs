//! Connections that fall silent, or end without an answer: what they carried is found out or said
//! to be lost, and nothing happens twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::stage::Stage;
use crate::support::{Request, Script, Step, chunked, event, frame, json, upgrade, waited};
use longshore_docker::DockerConfig;
use longshore_driver_api::{
    Captured, Driver, DriverExt as _, ErrorKind, Exit, Outcome, Signal, StreamEnd, TaskSpec,
};
use tokio::sync::Notify;

/// Opens a driver on an engine that answers with `special`, where it gives anything, and remembers that
/// it has started the task.
async fn stage(special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static) -> Stage {
    let change = |config: &mut DockerConfig| {
        config.timeouts.call = Duration::from_millis(300);
        config.timeouts.engine_gone = Duration::from_millis(300);
    };
    let special = move |request: &Request| {
        special(request).or_else(|| request.is("GET /events").then(remembered))
    };
    Stage::new(change, special).await
}

/// That the container was started.
fn remembered() -> Script {
    [chunked(), vec![event(1, "start", ""), Step::Hold]].concat()
}

/// Runs a task on such an engine.
async fn run(
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> (Exit, Captured) {
    let stage = stage(special).await;
    let ran = stage.run().await;
    stage.driver.close().await.unwrap();
    ran
}

/// The head of an answer to a wait, and then nothing.
fn silent_wait(request: &Request) -> Option<Script> {
    request.is("POST /containers/c1/wait").then(|| {
        let mut script = chunked();
        script.push(Step::Hold);
        script
    })
}

#[tokio::test]
async fn an_end_that_a_wait_does_not_tell_is_found_out() {
    let (exit, _) = run(|request| {
        silent_wait(request).or_else(|| {
            let ended = r#"{"Id":"c1","State":{"Status":"exited","Running":false,"ExitCode":5}}"#;
            request.is("GET /containers/c1/json").then(|| json(200, ended))
        })
    })
    .await;
    assert_eq!(exit.outcome, Outcome::Code(5));
}

/// Podman 4.3 goes on saying so of some tasks that it has started, and that have ended.
#[tokio::test]
async fn a_task_that_the_engine_says_it_never_started_has_no_code() {
    let (exit, _) = run(|request| {
        silent_wait(request).or_else(|| {
            let unstarted =
                r#"{"Id":"c1","State":{"Status":"created","Running":false,"Pid":7,"ExitCode":0}}"#;
            request.is("GET /containers/c1/json").then(|| json(200, unstarted))
        })
    })
    .await;
    assert_eq!((exit.outcome, exit.code), (Outcome::Lost, None));
    let why = exit.engine_error.unwrap();
    assert!(why.contains("never started"), "{why}");
}

#[tokio::test]
async fn a_connection_that_an_ended_task_leaves_open_is_no_cut() {
    let attached = AtomicUsize::new(0);
    let (exit, captured) = run(move |request| {
        if request.is("POST /containers/c1/attach") {
            let mut script = upgrade(&frame(1, b"all of it"));
            if attached.fetch_add(1, Ordering::Relaxed) > 0 {
                script = upgrade(b"");
                script.push(Step::Hold);
            }
            return Some(script);
        }
        request.is("POST /containers/c1/wait").then(|| waited(Duration::from_millis(2500), 0))
    })
    .await;
    assert_eq!(captured.stdout(), b"all of it");
    assert_eq!(exit.output.stdout.end, StreamEnd::Unverified);
}

#[tokio::test]
async fn a_start_that_is_closed_under_way_fails_as_closed() {
    let closing = Arc::new(Notify::new());
    let told = Arc::clone(&closing);
    let stage = stage(move |request| {
        let start = request.is("POST /containers/c1/start");
        start.then(|| {
            told.notify_one();
            let mut script = vec![Step::Pause(Duration::from_millis(200))];
            script.extend(json(404, r#"{"message":"No such container: c1"}"#));
            script
        })
    })
    .await;
    let spec = TaskSpec::builder("x").build().unwrap();
    let container = stage.driver.prepare(spec).await.unwrap();
    let close = async {
        closing.notified().await;
        container.close().await.unwrap();
    };
    let (started, ()) = tokio::join!(container.start(), close);
    assert_eq!(started.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_task_of_an_engine_that_hangs_is_lost() {
    let (exit, _) = run(|request| {
        let inspect = request.is("GET /containers/c1/json");
        silent_wait(request).or_else(|| inspect.then(|| vec![Step::Hold]))
    })
    .await;
    assert_eq!(exit.outcome, Outcome::Lost);
    // Its output ended between two frames, but nothing says that the task had ended too.
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut);
}

#[tokio::test]
async fn output_that_ends_because_the_engine_goes_is_cut_though_the_end_of_the_task_is_seen() {
    let attached = AtomicUsize::new(0);
    let (exit, captured) = run(move |request| {
        if request.is("POST /containers/c1/attach") {
            let first = attached.fetch_add(1, Ordering::Relaxed) == 0;
            return Some(if first { upgrade(&frame(1, b"first half")) } else { Script::new() });
        }
        request.is("POST /containers/c1/wait").then(|| waited(Duration::from_millis(2500), 0))
    })
    .await;
    assert_eq!(captured.stdout(), b"first half");
    assert_eq!((exit.outcome, exit.output.stdout.end), (Outcome::Code(0), StreamEnd::Cut));
}

#[tokio::test]
async fn output_that_falls_silent_inside_a_frame_is_cut() {
    let (exit, captured) = run(|request| {
        request.is("POST /containers/c1/attach").then(|| {
            let whole = frame(1, b"all of it");
            let mut script = upgrade(&whole[..whole.len() - 3]);
            script.push(Step::Hold);
            script
        })
    })
    .await;
    assert_eq!(captured.stdout(), b"all of");
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut);
    assert!(exit.output.is_incomplete());
}

#[tokio::test]
async fn a_signal_of_the_callers_whose_answer_is_lost_is_not_sent_again() {
    let stage = stage(|request| {
        if request.is("POST /containers/c1/kill") {
            return Some(Script::new());
        }
        request.is("POST /containers/c1/wait").then(|| waited(Duration::from_millis(600), 0))
    })
    .await;
    let spec = TaskSpec::builder("x").build().unwrap();
    let container = stage.driver.prepare(spec).await.unwrap();
    let running = container.start().await.unwrap();
    let error = running.signal(Signal::TERM).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    let sent = stage.engine.seen().iter().filter(|call| call.line.contains("/kill?")).count();
    assert_eq!(sent, 1);
}
