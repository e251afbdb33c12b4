//! Connections that stay open and fall silent: what they carried is found out or said to be lost.

#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::time::Duration;

use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    Captured, Driver, DriverExt as _, Exit, Outcome, StreamEnd, Task, TaskIo, TaskSpec,
};
use support::{Request, Script, ScriptedEngine, Step, chunked, frame, json, upgrade, usual};

/// Runs a task on an engine that answers with `special`, where it gives anything.
async fn run(
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> (Exit, Captured) {
    let engine =
        ScriptedEngine::start(move |request| special(request).unwrap_or_else(|| usual(request)));
    let folder = tempfile::tempdir().unwrap();
    let mut config = DockerConfig::default();
    config.host = Some(engine.address());
    config.run_dir = Some(folder.path().join("run"));
    config.reap_on_open = false;
    config.timeouts.call = Duration::from_millis(300);
    config.timeouts.engine_gone = Duration::from_millis(300);
    let driver = DockerDriver::open(config).await.unwrap();
    let (io, captured) = TaskIo::captured();
    let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
    let bound = Duration::from_secs(30);
    let ran = tokio::time::timeout(bound, driver.run_task(task)).await;
    let exit = ran.expect("a silent connection does not hold the task").unwrap();
    driver.close().await.unwrap();
    (exit, captured)
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

#[tokio::test]
async fn a_task_of_an_engine_that_hangs_is_lost() {
    let (exit, _) = run(|request| {
        let inspect = request.is("GET /containers/c1/json");
        silent_wait(request).or_else(|| inspect.then(|| vec![Step::Hold]))
    })
    .await;
    assert_eq!(exit.outcome, Outcome::Lost);
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
