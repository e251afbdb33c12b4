//! The driver against an engine that misbehaves: what becomes of the task, and what is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::stage::{self, Stage};
use crate::support::{self, ScriptedEngine, Step, json, usual, waited};
use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    Driver, DriverExt as _, ErrorKind, Outcome, PullPolicy, ReapOptions, Task, TaskSpec,
};

#[tokio::test]
async fn a_run_asks_for_no_more_than_it_needs_and_in_this_order() {
    let stage = Stage::brief(|_| None).await;
    let (exit, _) = stage.run().await;
    assert!(exit.is_success(), "{exit:?}");
    let lines = stage.engine.lines().into_iter().skip(2);
    // One stream for all tasks, at any time.
    let calls: Vec<String> = lines.filter(|line| !line.contains("/events?")).collect();
    let has = |index: usize, call: &str| assert!(calls[index].contains(call), "{calls:#?}");
    has(0, "POST /v1.41/containers/create?name=longshore-");
    // Attaching and registering the wait go side by side, both before the start.
    let before: Vec<&String> = calls[1..3].iter().collect();
    assert!(before.iter().any(|line| line.contains("/attach?")), "{calls:#?}");
    assert!(before.iter().any(|line| line.contains("/wait?condition=next-exit")), "{calls:#?}");
    has(3, "POST /v1.41/containers/c1/start");
    has(4, "GET /v1.41/containers/c1/json");
    has(5, "DELETE /v1.41/containers/c1?force=1&v=1");
    assert_eq!(calls.len(), 6);
}

#[tokio::test]
async fn an_image_that_nobody_looked_at_has_no_time() {
    let stage = Stage::brief(|_| None).await;
    let (exit, _) = stage.run().await;
    assert!(exit.timings.image.is_none() && exit.timings.create.is_some(), "{exit:?}");
    assert_eq!(stage.engine.count("GET /images/"), 0);
}

#[tokio::test]
async fn an_image_that_is_missing_is_found_so_by_the_create_and_pulled() {
    let pulled = AtomicUsize::new(0);
    let stage = Stage::brief(move |request| {
        if request.is("POST /images/create") {
            pulled.store(1, Ordering::SeqCst);
            return Some(json(200, "{\"status\":\"Status: Downloaded newer image\"}\n"));
        }
        let about_it = request.is("POST /containers/create") || request.is("GET /images/");
        let missing = about_it && pulled.load(Ordering::SeqCst) == 0;
        missing.then(|| json(404, r#"{"message":"No such image: x:latest"}"#))
    })
    .await;
    let (exit, _) = stage.run().await;
    assert!(exit.is_success() && exit.timings.image.is_some(), "{exit:?}");
    assert_eq!(stage.engine.count("POST /containers/create"), 2);
    assert_eq!(stage.engine.count("POST /images/create"), 1);
}

#[tokio::test]
async fn an_image_that_must_not_be_pulled_is_looked_at_once_it_is_missing() {
    let stage = Stage::brief(|request| {
        let about_it = request.is("POST /containers/create") || request.is("GET /images/");
        about_it.then(|| json(404, r#"{"message":"No such image: x:latest"}"#))
    })
    .await;
    let spec = TaskSpec::builder("x").pull(PullPolicy::Never).build().unwrap();
    let error = stage.driver.prepare(spec).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error}");
    assert_eq!(stage.engine.count("POST /images/create"), 0);
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_refused_with_what_to_do() {
    let engine = ScriptedEngine::start(|_| {
        json(200, r#"{"Version":"19.03.1","ApiVersion":"1.40","MinAPIVersion":"1.12"}"#)
    });
    let mut config = DockerConfig::default();
    config.host = Some(engine.address());
    let error = DockerDriver::open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EngineTooOld);
    let text = error.to_string();
    assert!(text.contains("19.03.1 speaks API 1.40") && text.contains("upgrade"), "{text}");
}

#[tokio::test]
async fn the_least_version_that_the_configuration_asks_for_is_kept_to() {
    let engine = ScriptedEngine::start(|request| match request.is("GET /version") {
        true => json(
            200,
            r#"{"Version":"28.2.2-0ubuntu1~24.04.1","ApiVersion":"1.50","MinAPIVersion":"1.24"}"#,
        ),
        false => usual(request),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(&engine, folder.path());
    config.server_version = Some("28.2.2".to_owned());
    let driver = DockerDriver::open(config.clone()).await.unwrap();
    assert_eq!(driver.capabilities().engine_version, "28.2.2-0ubuntu1~24.04.1");
    driver.close().await.unwrap();
    config.server_version = Some("28.3".to_owned());
    let error = DockerDriver::open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EngineTooOld);
    let text = error.to_string();
    for word in ["28.2.2-0ubuntu1~24.04.1", "\"28.3\"", "upgrade the engine"] {
        assert!(text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn a_create_that_the_engine_never_answers_ends_by_its_bound() {
    let stage = Stage::brief(|request| {
        if request.is("POST /containers/create") {
            return Some(vec![Step::Hold]);
        }
        let about_it = request.line.contains("/containers/longshore-");
        about_it.then(|| json(404, r#"{"message":"No such container"}"#))
    })
    .await;
    let before = Instant::now();
    let spec = TaskSpec::builder("x").build().unwrap();
    let error = stage.driver.prepare(spec).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    assert!(before.elapsed() < Duration::from_secs(9));
}

#[tokio::test]
async fn a_wait_that_breaks_is_registered_again_and_the_code_is_kept() {
    let waits = AtomicUsize::new(0);
    let stage = Stage::brief(move |request| {
        if request.is("GET /containers/c1/json") && waits.load(Ordering::Relaxed) == 1 {
            let running = r#"{"Id":"c1","State":{"Status":"running","Running":true}}"#;
            return Some(json(200, running));
        }
        let wait = request.is("POST /containers/c1/wait");
        wait.then(|| match waits.fetch_add(1, Ordering::Relaxed) {
            0 => support::chunked(),
            _ => waited(Duration::ZERO, 7),
        })
    })
    .await;
    let (exit, _) = stage.run().await;
    assert_eq!(exit.outcome, Outcome::Code(7), "{exit:?}");
    assert!(stage.engine.lines().iter().any(|line| line.ends_with("condition=not-running")));
}

#[tokio::test]
async fn an_engine_that_goes_away_makes_a_task_lost_and_never_a_success() {
    let gone = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&gone);
    let stage = Stage::brief(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(support::chunked());
        }
        // Everything after the start: the connection is accepted and dropped.
        if told.load(Ordering::Relaxed) > 0 {
            return Some(vec![]);
        }
        if request.is("POST /containers/c1/start") {
            told.store(1, Ordering::Relaxed);
        }
        None
    })
    .await;
    let container = stage.prepared().await;
    let running = container.start().await.unwrap();
    let exit = running.wait().await;
    assert_eq!(exit.outcome, Outcome::Lost, "{exit:?}");
    let error = container.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    // The engine is back: what could not be removed is.
    gone.store(0, Ordering::Relaxed);
    stage.driver.close().await.unwrap();
    assert!(stage.engine.lines().last().is_some_and(|line| line.starts_with("DELETE")));
}

#[tokio::test]
async fn a_container_that_somebody_else_removed_is_lost_and_closes() {
    let missing = || json(404, r#"{"message":"No such container: c1"}"#);
    let stage = Stage::brief(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(support::chunked());
        }
        let gone = request.is("GET /containers/c1/json") || request.is("DELETE /containers/c1");
        gone.then(missing)
    })
    .await;
    let (exit, _) = stage.run().await;
    assert_eq!(exit.outcome, Outcome::Lost);
    assert!(exit.engine_error.is_some_and(|why| why.contains("removed before its end")));
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_code_of_137_without_evidence_is_not_out_of_memory() {
    let stage = Stage::brief(|request| {
        request.is("POST /containers/c1/wait").then(|| waited(Duration::ZERO, 137))
    })
    .await;
    let (exit, _) = stage.run().await;
    assert_eq!(exit.outcome, Outcome::Code(137));
    assert!(!exit.is_proven());
}

#[tokio::test]
async fn values_of_the_environment_appear_in_no_error() {
    let stage = Stage::brief(|request| {
        let create = request.is("POST /containers/create");
        create.then(|| json(400, r#"{"message":"invalid"}"#))
    })
    .await;
    let spec = TaskSpec::builder("x").env("TOKEN", "hunter2").build().unwrap();
    let container = stage.driver.container(Task::new(spec)).unwrap();
    let error = container.create().await.unwrap_err();
    assert!(!format!("{error} {error:?} {container:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_oldest_version_of_nothing_and_lists_that_are_null_are_none() {
    let engine = ScriptedEngine::start(|request| {
        if request.is("GET /version") {
            let version = r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"","Os":"linux","Arch":"amd64"}"#;
            return json(200, version);
        }
        let list = request.is("GET /containers/json") || request.is("GET /networks");
        if list { json(200, "null") } else { usual(request) }
    });
    let folder = tempfile::tempdir().unwrap();
    let driver = DockerDriver::open(stage::config(&engine, folder.path())).await.unwrap();
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    assert!(report.removed.is_empty() && report.kept == 0, "{report:?}");
    assert!(engine.count("GET /containers/json") > 0 && engine.count("GET /networks") > 0);
    driver.close().await.unwrap();
}
