//! The driver against an engine that misbehaves: what becomes of the task, and what is left.

#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    Captured, Container, Driver, DriverExt as _, ErrorKind, Exit, Outcome, State, StreamEnd, Task,
    TaskIo, TaskSpec,
};
use support::{Request, Script, ScriptedEngine, Step, empty, frame, json, upgrade, usual, waited};

/// A driver on a scripted engine, as an owner of its own.
struct Stage {
    driver: DockerDriver,
    engine: ScriptedEngine,
    _folder: tempfile::TempDir,
}

/// Opens a driver on an engine that answers with `special`, where it gives anything.
async fn stage(special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static) -> Stage {
    let engine =
        ScriptedEngine::start(move |request| special(request).unwrap_or_else(|| usual(request)));
    let folder = tempfile::tempdir().unwrap();
    let mut config = DockerConfig::default();
    config.host = Some(engine.address());
    config.run_dir = Some(folder.path().join("run"));
    config.reap_on_open = false;
    config.timeouts.call = Duration::from_secs(2);
    config.timeouts.work = Duration::from_secs(2);
    config.timeouts.engine_gone = Duration::from_millis(700);
    config.timeouts.close = Duration::from_secs(10);
    let driver = DockerDriver::open(config).await.unwrap();
    Stage { driver, engine, _folder: folder }
}

impl Stage {
    async fn run(&self) -> (Exit, Captured) {
        let (io, captured) = TaskIo::captured();
        let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
        (self.driver.run_task(task).await.unwrap(), captured)
    }

    async fn prepared(&self) -> Arc<dyn Container> {
        self.driver.prepare(TaskSpec::builder("x").build().unwrap()).await.unwrap()
    }

    fn count(&self, call: &str) -> usize {
        self.engine.seen().iter().filter(|request| request.is(call)).count()
    }
}

#[tokio::test]
async fn a_run_asks_for_no_more_than_it_needs_and_in_this_order() {
    let stage = stage(|_| None).await;
    let (exit, _) = stage.run().await;
    assert!(exit.is_success(), "{exit:?}");
    let calls: Vec<String> = stage.engine.lines().into_iter().skip(2).collect();
    let has = |index: usize, call: &str| assert!(calls[index].contains(call), "{calls:#?}");
    has(0, "GET /v1.41/images/docker.io/library/x:latest/json");
    has(1, "POST /v1.41/containers/create?name=longshore-");
    // Attaching and registering the wait go side by side, both before the start.
    let before: Vec<&String> = calls[2..4].iter().collect();
    assert!(before.iter().any(|line| line.contains("/attach?")), "{calls:#?}");
    assert!(before.iter().any(|line| line.contains("/wait?condition=next-exit")), "{calls:#?}");
    has(4, "POST /v1.41/containers/c1/start");
    has(5, "GET /v1.41/containers/c1/json");
    has(6, "DELETE /v1.41/containers/c1?force=1&v=1");
    assert_eq!(calls.len(), 7);
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
async fn a_create_that_the_engine_never_answers_ends_by_its_bound() {
    let stage = stage(|request| {
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
async fn a_connection_that_stays_open_after_the_end_does_not_hold_the_task() {
    let stage = stage(|request| {
        request.is("POST /containers/c1/attach").then(|| {
            let mut script = upgrade(&frame(1, b"all of it"));
            script.push(Step::Hold);
            script
        })
    })
    .await;
    let before = Instant::now();
    let (exit, captured) = stage.run().await;
    assert_eq!(captured.stdout(), b"all of it");
    assert_eq!(exit.output.stdout.end, StreamEnd::Unverified);
    assert!(exit.is_success() && before.elapsed() < Duration::from_secs(8), "{exit:?}");
}

#[tokio::test]
async fn output_that_is_cut_while_the_task_lives_is_told() {
    let attached = AtomicUsize::new(0);
    let stage = stage(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_millis(2500), 0));
        }
        if !request.is("POST /containers/c1/attach") {
            return None;
        }
        let mut script = upgrade(&frame(1, b"first half"));
        if attached.fetch_add(1, Ordering::Relaxed) > 0 {
            script.push(Step::Hold);
        }
        Some(script)
    })
    .await;
    let (exit, captured) = stage.run().await;
    assert_eq!(captured.stdout(), b"first half");
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut);
    assert!(exit.output.is_incomplete());
}

#[tokio::test]
async fn output_that_the_task_closed_itself_is_not_taken_for_cut() {
    // Each connection ends at once: there is nothing to attach to any more.
    let stage = stage(|request| {
        let wait = request.is("POST /containers/c1/wait");
        wait.then(|| waited(Duration::from_millis(2500), 3))
    })
    .await;
    let (exit, _) = stage.run().await;
    assert_eq!(exit.outcome, Outcome::Code(3));
    assert_eq!(exit.output.stdout.end, StreamEnd::Unverified);
    assert_eq!(stage.count("POST /containers/c1/attach"), 2);
}

#[tokio::test]
async fn output_that_breaks_off_inside_a_frame_is_told() {
    let stage = stage(|request| {
        let attach = request.is("POST /containers/c1/attach");
        attach.then(|| upgrade(&frame(1, b"a longer text")[..12]))
    })
    .await;
    let (exit, captured) = stage.run().await;
    assert_eq!(captured.stdout(), b"a lo");
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut);
}

#[tokio::test]
async fn a_wait_that_breaks_is_registered_again_and_the_code_is_kept() {
    let waits = AtomicUsize::new(0);
    let stage = stage(move |request| {
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
    let stage = stage(move |request| {
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
    let stage = stage(move |request| {
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
    let stage = stage(|request| {
        request.is("POST /containers/c1/wait").then(|| waited(Duration::ZERO, 137))
    })
    .await;
    let (exit, _) = stage.run().await;
    assert_eq!(exit.outcome, Outcome::Code(137));
    assert!(!exit.is_proven());
}

#[tokio::test]
async fn an_engine_that_contradicts_itself_about_freezing_is_asked_until_it_agrees() {
    let unpaused = AtomicUsize::new(0);
    let stage = stage(move |request| {
        if request.is("POST /containers/c1/wait") {
            return Some(vec![support::chunked().remove(0), Step::Hold]);
        }
        if request.is("GET /containers/c1/json") {
            let frozen = r#"{"State":{"Status":"paused","Running":true,"Paused":true}}"#;
            return Some(json(200, frozen));
        }
        let unpause = request.is("POST /containers/c1/unpause");
        (unpause && unpaused.fetch_add(1, Ordering::Relaxed) == 0)
            .then(|| json(500, r#"{"message":"Container c1 is not paused"}"#))
    })
    .await;
    let container = stage.prepared().await;
    let _running = container.start().await.unwrap();
    container.freeze().await.unwrap();
    assert_eq!(container.state(), State::Frozen);
    container.unfreeze().await.unwrap();
    assert_eq!(container.state(), State::Running);
    assert_eq!(stage.count("POST /containers/c1/unpause"), 2);
}

#[tokio::test]
async fn a_frozen_container_that_cannot_be_removed_is_thawed_first() {
    let thawed = AtomicUsize::new(0);
    let stage = stage(move |request| {
        if request.is("POST /containers/c1/unpause") {
            thawed.fetch_add(1, Ordering::Relaxed);
            return Some(empty(204));
        }
        (request.is("DELETE /containers/c1") && thawed.load(Ordering::Relaxed) == 0).then(|| {
            json(500, r#"{"message":"tried to kill container, but did not receive an exit event"}"#)
        })
    })
    .await;
    stage.prepared().await.close().await.unwrap();
    assert_eq!(stage.count("DELETE /containers/c1"), 2);
}

#[tokio::test]
async fn a_removal_that_is_under_way_is_waited_for() {
    let looked = Arc::new(AtomicUsize::new(0));
    let looks = Arc::clone(&looked);
    let stage = stage(move |request| {
        if request.is("DELETE /containers/c1") {
            let message = "removal of container c1 is already in progress";
            return Some(json(409, &format!("{{\"message\":\"{message}\"}}")));
        }
        request.is("GET /containers/c1/json").then(|| match looks.fetch_add(1, Ordering::Relaxed) {
            0..3 => json(200, r#"{"State":{"Status":"removing"}}"#),
            _ => json(404, r#"{"message":"No such container: c1"}"#),
        })
    })
    .await;
    stage.prepared().await.close().await.unwrap();
    assert_eq!(looked.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn values_of_the_environment_appear_in_no_error() {
    let stage = stage(|request| {
        let create = request.is("POST /containers/create");
        create.then(|| json(400, r#"{"message":"invalid"}"#))
    })
    .await;
    let spec = TaskSpec::builder("x").env("TOKEN", "hunter2").build().unwrap();
    let container = stage.driver.container(Task::new(spec)).unwrap();
    let error = container.create().await.unwrap_err();
    assert!(!format!("{error} {error:?} {container:?}").contains("hunter2"));
}
