//! Opening a driver with a pool on a scripted engine: placeholders are begun last.

#![cfg(all(feature = "docker", feature = "prefork"))]

#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "../../docker/tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use longshore::{Config, open};
use support::{Script, ScriptedEngine, Step, json, quiet};

const CREATED: &str = "POST /containers/create";

/// An engine that can limit what placeholders are limited in, and answers so when an archive of
/// images is loaded into it.
fn engine(loaded: Script) -> ScriptedEngine {
    let info = r#"{"MemoryLimit":true,"PidsLimit":true,"CgroupVersion":"2"}"#;
    ScriptedEngine::usual_but(move |request| {
        if request.is("GET /info") {
            return Some(json(200, info));
        }
        request.is("POST /images/load").then(|| loaded.clone())
    })
}

/// A configuration with a pool and an archive of images, all in the folder.
fn config(engine: &ScriptedEngine, folder: &Path) -> Config {
    let archive = folder.join("images.tar");
    fs::write(&archive, b"an archive").unwrap();
    let mut config = Config::of("docker");
    config.docker.host = Some(engine.address());
    config.docker.run_dir = Some(folder.join("run"));
    config.docker.docker_load_file = Some(archive);
    config.prefork.size = 2;
    // An image of our own would have to be loaded too.
    config.prefork.image = Some("x".to_owned());
    config
}

#[tokio::test]
async fn where_a_driver_cannot_be_opened_no_placeholder_is_made() {
    let mut slowly = vec![Step::Pause(Duration::from_millis(300))];
    slowly.extend(json(500, r#"{"message":"no such archive"}"#));
    let (engine, folder) = (engine(slowly), tempfile::tempdir().unwrap());
    for _ in 0..2 {
        open(config(&engine, folder.path())).await.unwrap_err();
    }
    assert_eq!(engine.count(CREATED), 0, "{:?}", engine.lines());
}

#[tokio::test]
async fn whoever_gives_up_opening_a_driver_leaves_no_placeholder() {
    let (engine, folder) = (engine(quiet()), tempfile::tempdir().unwrap());
    let opening = open(config(&engine, folder.path()));
    tokio::time::timeout(Duration::from_secs(2), opening).await.unwrap_err();
    assert!(engine.count("POST /images/load") > 0, "{:?}", engine.lines());
    assert_eq!(engine.count(CREATED), 0, "{:?}", engine.lines());
}

#[tokio::test]
async fn an_open_driver_has_a_pool_that_is_closed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(json(200, r#"{"stream":"Loaded image: x:1\n"}"#));
    let driver = open(config(&engine, folder.path())).await.unwrap();
    let made = async {
        while engine.count(CREATED) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), made).await.expect("the pool begins");
    driver.close().await.unwrap();
    let made = engine.count(CREATED);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(engine.count(CREATED), made, "it goes on after the end");
}
