//! Loading an archive when a driver is opened, on a scripted engine.

use crate::stage;
use std::path::Path;

use crate::support::{Script, ScriptedEngine, json, usual};
use longshore_docker::DockerDriver;
use longshore_driver_api::{Driver, Error, ErrorKind};

type Answer = fn() -> Script;

async fn open(archive: &Path, answer: Answer) -> Result<ScriptedEngine, Error> {
    let engine = ScriptedEngine::start(move |request| {
        if request.is("POST /images/load") { answer() } else { usual(request) }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(&engine, folder.path());
    config.docker_load_file = Some(archive.to_owned());
    let driver = DockerDriver::open(config).await?;
    driver.close().await.unwrap();
    Ok(engine)
}

fn loaded() -> Script {
    json(200, "{\"stream\":\"Loaded image: a:1\\n\"}\r\n")
}

#[tokio::test]
async fn an_archive_is_loaded_before_the_driver_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("images.tar");
    std::fs::write(&archive, vec![7; 700_000]).unwrap();
    let engine = open(&archive, loaded).await.unwrap();
    let seen = engine.seen();
    let load = seen.iter().find(|request| request.is("POST /images/load")).unwrap();
    assert_eq!(load.header("content-type"), Some("application/x-tar"));
    assert!(load.body == vec![7; 700_000]);
    let load = seen.iter().position(|request| request.is("POST /images/load"));
    assert_eq!(load, Some(seen.len() - 1), "before anything else is begun: {:?}", engine.lines());
}

#[tokio::test]
async fn an_archive_that_is_not_there_or_cannot_be_loaded_fails_the_opening() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("images.tar");
    let missing = open(&archive, loaded).await.err().unwrap();
    assert!(missing.to_string().contains("does not exist: check docker_load_file"), "{missing}");
    let no_file = open(folder.path(), loaded).await.err().unwrap();
    assert!(no_file.to_string().contains("is not a file"), "{no_file}");
    std::fs::write(&archive, "no archive").unwrap();
    let answers: [(Answer, &str); 3] = [
        (|| json(500, r#"{"message":"unexpected EOF"}"#), "unexpected EOF"),
        (|| json(200, r#"{"errorDetail":{"message":"bad"},"error":"bad"}"#), "(bad)"),
        (|| json(200, ""), "holds no image"),
    ];
    for (answer, words) in answers {
        let error = open(&archive, answer).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("images.tar"), "{text}");
    }
    let full = || json(500, r#"{"message":"write /x: no space left on device"}"#);
    assert_eq!(open(&archive, full).await.err().unwrap().kind(), ErrorKind::DiskFull);
    let hangs_up = || Script::new();
    assert_eq!(open(&archive, hangs_up).await.err().unwrap().kind(), ErrorKind::Disconnected);
}
