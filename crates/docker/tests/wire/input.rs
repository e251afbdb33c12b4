//! A task's input on a scripted engine: it reaches the task whole, or somebody is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::stage::Stage;
use crate::support::{Request, Step, frame, json, upgrade, waited, waited_until};
use crate::until::until;
use longshore_driver_api::{
    Captured, Container, ContainerExt as _, Driver as _, DriverExt as _, ErrorKind, ExecSpec, Task,
    TaskIo, TaskSpec, TaskSpecBuilder, TtySize,
};
use serde_json::Value;
use tokio::sync::Notify;

/// An engine that ends the first so many attachments without an answer. It calls its containers c1, c2
/// and so on, sends their input back, and lets them end when it is told to.
async fn cuts(attachments: usize, end: &Arc<Notify>) -> Stage {
    let (made, attached) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let end = Arc::clone(end);
    let answer = move |request: &Request| {
        if request.is("POST /containers/create") {
            let number = made.fetch_add(1, SeqCst) + 1;
            return Some(json(201, &format!(r#"{{"Id":"c{number}"}}"#)));
        }
        if request.line.contains("/attach?") {
            if attached.fetch_add(1, SeqCst) < attachments {
                return Some(Vec::new());
            }
            let mut script = upgrade(b"");
            script.push(Step::EchoToEnd);
            return Some(script);
        }
        if request.line.contains("/wait?") {
            return Some(waited_until(&end, 0));
        }
        let status = if attached.load(SeqCst) > attachments { "exited" } else { "created" };
        let state = format!(r#"{{"Id":"c1","State":{{"Status":"{status}","ExitCode":0}}}}"#);
        request.is("GET /containers/c").then(|| json(200, &state))
    };
    Stage::brief(answer).await
}

fn with_input(input: Vec<u8>) -> (Task, Captured) {
    let (io, captured) = TaskIo::captured();
    let spec = TaskSpec::builder("x").build().unwrap();
    (Task::new(spec).io(io.stdin(std::io::Cursor::new(input))), captured)
}

/// Calls of one kind, each with the container that it is about.
fn about(stage: &Stage, call: &str) -> Vec<String> {
    let lines = stage.engine.lines().into_iter();
    let about = lines.filter(|line| line.contains(call)).map(|line| {
        let (_, rest) = line.split_once("/containers/").unwrap();
        rest.split(['/', '?']).next().unwrap().to_owned()
    });
    about.collect()
}

fn removed(stage: &Stage) -> Vec<String> {
    about(stage, "DELETE ")
}

#[tokio::test]
async fn an_input_whose_first_connection_was_lost_is_another_containers() {
    let end = Arc::new(Notify::new());
    let stage = cuts(2, &end).await;
    let (task, captured) = with_input(frame(1, b"in"));
    let (ran, ()) = tokio::join!(stage.driver.run_task(task), async {
        until("the input has come back", async || captured.stdout() == b"in").await;
        end.notify_one();
    });
    assert!(ran.unwrap().is_success());
    // Never twice to one; whether output was cut is asked without the input.
    assert_eq!(about(&stage, "/attach?stream=1&stdin=1"), ["c1", "c2", "c3"]);
    assert_eq!(about(&stage, "/start"), ["c3"]);
    assert_eq!(removed(&stage), ["c1", "c2", "c3"]);
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_input_that_is_lost_again_and_again_is_an_error_that_can_be_tried_again() {
    let stage = cuts(usize::MAX, &Arc::default()).await;
    let error = stage.driver.run_task(with_input(b"in".to_vec()).0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
    assert!(error.is_retryable() && error.to_string().contains("run the task again"), "{error}");
    assert_eq!(about(&stage, "/attach?"), ["c1", "c2", "c3", "c4"]);
    assert_eq!(about(&stage, "/start"), [""; 0]);
    assert_eq!(removed(&stage), ["c1", "c2", "c3", "c4"]);
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn what_holds_files_of_the_callers_is_not_made_anew_for_its_input() {
    let stage = cuts(1, &Arc::default()).await;
    let container = stage.driver.container(with_input(b"in".to_vec()).0).unwrap();
    container.create().await.unwrap();
    container.write_file("/tmp/a", b"a", 0o644).await.unwrap();
    let error = container.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
    assert!(error.to_string().contains("run the task again"), "{error}");
    assert_eq!(about(&stage, "/attach?"), ["c1"]);
    assert_eq!(removed(&stage), [""; 0]);
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn output_alone_is_attached_to_again() {
    let end = Arc::new(Notify::new());
    end.notify_one();
    let stage = cuts(2, &end).await;
    let (io, _captured) = TaskIo::captured();
    let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
    assert!(stage.driver.run_task(task).await.unwrap().is_success());
    assert_eq!(about(&stage, "/attach?"), ["c1", "c1", "c1"]);
    stage.driver.close().await.unwrap();
}

/// A container whose task has a terminal and runs for a minute, and in which a process can be run.
async fn with_terminal(version: &'static str) -> (Stage, Arc<dyn Container>) {
    let stage = Stage::brief(move |request| {
        if request.is("GET /version") {
            return Some(json(200, version));
        }
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_secs(60), 0));
        }
        let mut held = upgrade(b"");
        held.push(Step::Hold);
        if request.is("POST /containers/c1/attach") || request.is("POST /exec/e1/start") {
            return Some(held);
        }
        if request.is("GET /exec/e1/json") {
            return Some(json(200, r#"{"Running":true,"ExitCode":null,"Pid":1}"#));
        }
        request.is("POST /containers/c1/exec").then(|| json(201, r#"{"Id":"e1"}"#))
    })
    .await;
    let task: TaskSpecBuilder = TaskSpec::builder("x").tty(true);
    let task = Task::new(task.build().unwrap()).io(TaskIo::none().stdin(tokio::io::empty()));
    let container = stage.driver.container(task).unwrap();
    container.create().await.unwrap();
    (stage, container)
}

const DOCKER: &str = r#"{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#;
const PODMAN: &str = r#"{"Version":"5.4.2","ApiVersion":"1.41","Os":"linux","Arch":"amd64",
    "Components":[{"Name":"Podman Engine","Version":"5.4.2"}]}"#;

#[tokio::test]
async fn no_keys_in_the_input_let_an_engine_go() {
    for (version, expected) in [(DOCKER, "ctrl-^%2Cctrl-%40%2C"), (PODMAN, "")] {
        let (stage, container) = with_terminal(version).await;
        let _running = container.start().await.unwrap();
        let attach = stage.engine.calls("POST /containers/c1/attach");
        let (_, keys) = attach[0].line.split_once("detachKeys=").unwrap();
        assert!(keys.replace("%5E", "^").starts_with(expected), "{keys}");
        assert_eq!(keys.is_empty(), expected.is_empty());

        let io = TaskIo::none().stdin(tokio::io::empty());
        let _exec = container.exec(ExecSpec::new(["p"]).tty(true), io).await.unwrap();
        let made = stage.engine.calls("POST /containers/c1/exec");
        let body: Value = serde_json::from_slice(&made[0].body).unwrap();
        // An empty value would mean the engine's own keys here.
        assert!(body["DetachKeys"].as_str().unwrap().starts_with("ctrl-^,ctrl-@,"), "{body}");
        container.close().await.unwrap();
        stage.driver.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_terminals_rows_are_its_height_and_its_columns_its_width() {
    let (stage, container) = with_terminal(DOCKER).await;
    let running = container.start().await.unwrap();
    running.resize(TtySize { rows: 31, columns: 97 }).await.unwrap();
    let exec = container.exec(ExecSpec::new(["p"]).tty(true), TaskIo::none()).await.unwrap();
    exec.resize(TtySize { rows: 7, columns: 213 }).await.unwrap();
    for (call, expected) in
        [("POST /containers/c1/resize", "h=31&w=97"), ("POST /exec/e1/resize", "h=7&w=213")]
    {
        let calls = stage.engine.calls(call);
        assert_eq!(calls.len(), 1, "{call}");
        assert_eq!(calls[0].line.split_once('?').unwrap().1, expected);
    }
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}
