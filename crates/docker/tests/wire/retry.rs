//! Which calls a driver makes again when a scripted engine fails for a moment, and which it never
//! makes twice.

use crate::stage;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Script, ScriptedEngine, json};
use longshore_docker::DockerDriver;
use longshore_driver_api::{Driver as _, DriverExt as _, Exit, Result, TaskSpec};

/// An engine that fails at `call` until it was asked so many times.
fn fails(call: &'static str, times: usize, how: fn() -> Script) -> ScriptedEngine {
    let asked = AtomicUsize::new(0);
    ScriptedEngine::usual_but(move |request| {
        (request.is(call) && asked.fetch_add(1, Ordering::SeqCst) < times).then(how)
    })
}

fn status(status: u16) -> Script {
    json(status, r#"{"message":"not now"}"#)
}

/// Ends the connection without an answer.
fn cut() -> Script {
    Vec::new()
}

async fn run(engine: &ScriptedEngine) -> Result<Exit> {
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(engine, folder.path());
    // What a create without an answer is waited for.
    config.timeouts.work = Duration::from_secs(1);
    let driver = DockerDriver::open(config).await?;
    // A task that names a platform has its image looked at.
    let spec = TaskSpec::builder("x").platform("linux/amd64").build().unwrap();
    let exit = driver.run_task(spec).await;
    driver.close().await.unwrap();
    exit
}

/// A way to fail, and its name.
type Failure = (&'static str, fn() -> Script);

const FAILURES: [Failure; 4] =
    [("429", || status(429)), ("502", || status(502)), ("503", || status(503)), ("cut", cut)];

#[tokio::test]
async fn what_only_asks_and_what_can_be_done_twice_survives_failures_that_pass() {
    for call in [
        "GET /version",
        "GET /info",
        "GET /images/",
        "GET /containers/c1/json",
        "POST /containers/c1/wait",
        "DELETE /containers/",
    ] {
        for (name, how) in FAILURES {
            let engine = fails(call, 2, how);
            let exit = run(&engine).await;
            assert!(exit.as_ref().is_ok_and(Exit::is_success), "{call}, {name}: {exit:?}");
            assert_eq!(engine.count(call), 3, "{call}, {name}: {:?}", engine.lines());
        }
    }
}

#[tokio::test]
async fn an_engine_that_fails_for_good_is_asked_four_times() {
    for (name, how) in FAILURES {
        let engine = fails("GET /images/", usize::MAX, how);
        let error = run(&engine).await.unwrap_err();
        assert_eq!(engine.count("GET /images/"), 4, "{name}: {error}");
        assert_eq!(engine.count("POST /containers/create"), 0, "{name}");
    }
}

#[tokio::test]
async fn an_engine_that_is_too_busy_is_asked_again_for_what_must_not_be_done_twice() {
    for call in ["POST /containers/create", "POST /containers/c1/start"] {
        let engine = fails(call, 2, || status(429));
        let exit = run(&engine).await;
        assert!(exit.as_ref().is_ok_and(Exit::is_success), "{call}: {exit:?}");
        assert_eq!(engine.count(call), 3, "{call}");
    }
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_never_sent_twice_where_it_may_have_been_done() {
    for call in ["POST /containers/create", "POST /containers/c1/start"] {
        let all: [Failure; 5] = [
            ("500", || status(500)),
            ("502", || status(502)),
            ("503", || status(503)),
            ("504", || status(504)),
            ("cut", cut),
        ];
        for (name, how) in all {
            let engine = fails(call, usize::MAX, how);
            let exit = run(&engine).await;
            assert_eq!(engine.count(call), 1, "{call}, {name}: {exit:?}");
            if name == "cut" {
                // What became of it was found out, and it was there.
                assert!(exit.is_ok(), "{call}: {exit:?}");
            } else {
                exit.unwrap_err();
            }
        }
    }
}

#[tokio::test]
async fn a_failure_of_the_engines_own_is_asked_about_again_and_no_removal_of_its_is_pressed() {
    let engine = fails("GET /images/", 3, || status(500));
    assert!(run(&engine).await.unwrap().is_success());
    assert_eq!(engine.count("GET /images/"), 4);
    // A removal that failed is made once more, after the container was thawed.
    let engine = fails("DELETE /containers/", 1, || status(500));
    assert!(run(&engine).await.unwrap().is_success());
    assert_eq!(engine.count("DELETE /containers/"), 2);
}
