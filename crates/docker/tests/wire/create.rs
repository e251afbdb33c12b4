//! Making a container when the engine's answer is lost: made once, found, or removed.

use crate::stage;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Request, Script, ScriptedEngine, empty, json};
use crate::until::until;
use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{Container, Driver, ReapOptions, Task, TaskSpec};
use longshore_host::RunDir;

const VERSION: &str = r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#;
const INFO: &str = r#"{"ID":"e","OSType":"linux","CgroupVersion":"1","MemoryLimit":true}"#;

/// An engine that answers everything but what a test is about.
fn engine(answer: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static) -> ScriptedEngine {
    ScriptedEngine::start(move |request| {
        if let Some(script) = answer(request) {
            return script;
        }
        if request.is("GET /version") {
            json(200, VERSION)
        } else if request.is("GET /info") {
            json(200, INFO)
        } else if request.is("GET /networks") {
            json(200, "[]")
        } else if request.is("GET /volumes") {
            json(200, r#"{"Volumes":null}"#)
        } else {
            json(404, r#"{"message":"No such container: c"}"#)
        }
    })
}

fn config(engine: &ScriptedEngine, run_dir: &tempfile::TempDir) -> DockerConfig {
    let mut config = stage::config(engine, run_dir.path());
    config.timeouts.work = Duration::from_millis(1500);
    config
}

async fn open(engine: &ScriptedEngine, run_dir: &tempfile::TempDir) -> DockerDriver {
    DockerDriver::open(config(engine, run_dir)).await.unwrap()
}

fn reserved(driver: &DockerDriver) -> Arc<dyn Container> {
    driver.container(Task::new(TaskSpec::builder("alpine").build().unwrap())).unwrap()
}

#[tokio::test]
async fn a_container_whose_making_was_not_answered_is_taken_when_it_appears() {
    let looks = AtomicU32::new(0);
    let engine = engine(move |request| {
        if request.is("POST /containers/create") {
            return Some(Script::new());
        }
        let look = request.is("GET /containers/longshore-");
        (look && looks.fetch_add(1, Ordering::SeqCst) > 1).then(|| json(200, r#"{"Id":"0f"}"#))
    });
    let run_dir = tempfile::tempdir().unwrap();
    let driver = open(&engine, &run_dir).await;
    let container = reserved(&driver);
    container.create().await.unwrap();
    assert_eq!(container.engine_id().as_deref(), Some("0f"));
    assert_eq!(engine.count("POST /containers/create"), 1);
    container.close().await.unwrap();
    assert_eq!(engine.count("DELETE /containers/0f"), 1);
}

#[tokio::test]
async fn a_container_whose_making_was_not_answered_is_never_asked_for_twice() {
    let engine = engine(|request| request.is("POST /containers/create").then(Script::new));
    let run_dir = tempfile::tempdir().unwrap();
    let driver = open(&engine, &run_dir).await;
    let container = reserved(&driver);
    let first = container.create().await.unwrap_err();
    let second = container.create().await.unwrap_err();
    assert_eq!(first.to_string(), second.to_string());
    assert_eq!(engine.count("POST /containers/create"), 1);
}

#[tokio::test]
async fn a_container_that_appears_late_is_removed() {
    let removals = AtomicU32::new(0);
    let engine = engine(move |request| {
        if request.is("POST /containers/create") {
            return Some(Script::new());
        }
        let remove = request.is("DELETE /containers/longshore-");
        (remove && removals.fetch_add(1, Ordering::SeqCst) == 2).then(|| empty(204))
    });
    let run_dir = tempfile::tempdir().unwrap();
    let driver = open(&engine, &run_dir).await;
    let container = reserved(&driver);
    container.create().await.unwrap_err();
    container.close().await.unwrap();
    assert_eq!(engine.count("DELETE /containers/longshore-"), 3);
}

#[tokio::test]
async fn what_an_engine_made_before_it_failed_is_removed() {
    let engine = engine(|request| {
        if request.is("POST /containers/create") {
            return Some(json(500, r#"{"message":"boom"}"#));
        }
        request.is("DELETE /containers/longshore-").then(|| empty(204))
    });
    let run_dir = tempfile::tempdir().unwrap();
    let driver = open(&engine, &run_dir).await;
    let container = reserved(&driver);
    container.create().await.unwrap_err();
    container.close().await.unwrap();
    assert_eq!(engine.count("DELETE /containers/longshore-"), 1);
}

#[tokio::test]
async fn what_a_dead_owner_asked_for_as_it_died_is_looked_for_again_after_opening() {
    let engine = engine(|request| request.is("GET /containers/json").then(|| json(200, "[]")));
    let run_dir = tempfile::tempdir().unwrap();
    let mut config = config(&engine, &run_dir);
    config.reap_on_open = true;
    let driver = DockerDriver::open(config).await.unwrap();
    until("a second look", async || engine.count("GET /containers/json") >= 2).await;
    driver.close().await.unwrap();
}

#[tokio::test]
async fn what_a_dead_owner_asked_for_as_it_died_is_removed_by_one_reap() {
    let (owner, lists) = (Arc::new(Mutex::new(String::new())), AtomicU32::new(0));
    let told = Arc::clone(&owner);
    let engine = engine(move |request| {
        if request.is("DELETE /containers/late") {
            return Some(empty(204));
        }
        // The owner's container is there from the second look on.
        request.is("GET /containers/json").then(|| {
            let late = lists.fetch_add(1, Ordering::SeqCst) == 1;
            json(200, &if late { told.lock().unwrap().clone() } else { "[]".to_owned() })
        })
    });
    let run_dir = tempfile::tempdir().unwrap();
    let dead = RunDir::open(Some(&run_dir.path().join("run"))).unwrap().lease("longshore").unwrap();
    // This process stands in for the dead one, whose number nobody has.
    let domain = dead.domain().to_string();
    let (place, _process) = domain.rsplit_once('.').unwrap();
    let labels = serde_json::json!({
        "longshore.application": "longshore",
        "longshore.owner": dead.owner(),
        "longshore.lease": format!("{place}.4194303-1"),
    });
    *owner.lock().unwrap() = serde_json::json!([{ "Id": "late", "Labels": labels }]).to_string();
    let driver = open(&engine, &run_dir).await;
    drop(dead);
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    assert!(engine.count("GET /containers/json") > 2);
    assert_eq!(report.failed, []);
    driver.close().await.unwrap();
    let removed: Vec<&str> = report.removed.iter().map(|reaped| reaped.id.as_str()).collect();
    assert_eq!((removed, report.kept), (vec!["late"], 0));
}
