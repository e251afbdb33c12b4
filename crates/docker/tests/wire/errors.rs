//! Each way in which an engine can fail a call is an error of the contract, and carries no type of a
//! library that the driver happens to use.

use crate::stage::{self, Stage};
use std::error::Error as StdError;
use std::time::Duration;

use crate::support::{Script, ScriptedEngine, Step, json, usual};
use longshore_docker::DockerDriver;
use longshore_driver_api::{Driver as _, Error, ErrorKind, Task, TaskSpec};

/// The error of asking for an image, where the engine answers that with `answer`.
async fn failed(answer: Script) -> Error {
    let engine = ScriptedEngine::start(move |request| {
        if request.is("GET /images/") { answer.clone() } else { usual(request) }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(&engine, folder.path());
    config.timeouts.call = Duration::from_millis(300);
    let driver = DockerDriver::open(config).await.unwrap();
    let container = driver.container(Task::new(TaskSpec::builder("x").build().unwrap())).unwrap();
    let error = container.image_status().await.unwrap_err();
    container.close().await.unwrap();
    driver.close().await.unwrap();
    error
}

#[tokio::test]
async fn every_failure_has_a_kind_and_no_librarys_type_among_its_causes() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Id\":".to_vec();
    let table = [
        (json(500, r#"{"message":"boom"}"#), ErrorKind::Engine),
        (json(409, r#"{"message":"busy with it"}"#), ErrorKind::Conflict),
        (json(200, "no JSON"), ErrorKind::Protocol),
        (vec![Step::Send(b"no HTTP at all\r\n\r\n".to_vec())], ErrorKind::Protocol),
        (vec![Step::Send(cut)], ErrorKind::Disconnected),
        (vec![], ErrorKind::Disconnected),
        (vec![Step::Hold], ErrorKind::Deadline),
    ];
    for (answer, kind) in table {
        let error = failed(answer).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains("docker.io/library/x:latest"), "{error}");
        let mut cause = StdError::source(&error);
        while let Some(inner) = cause {
            let foreign = inner.is::<hyper::Error>()
                || inner.is::<http::Error>()
                || inner.is::<serde_json::Error>()
                || inner.is::<bollard::errors::Error>();
            assert!(!foreign, "{inner:?}");
            cause = inner.source();
        }
    }
}

#[tokio::test]
async fn what_the_engine_itself_lacks_is_not_told_as_the_tasks_program() {
    for (words, remedy) in [
        (r#"exec: \"docker-init\": executable file not found in $PATH"#, "(security.init)"),
        (
            r#"failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error (open /run/x/log.json: no such file or directory): exec: \"nvidia-container-runtime\": executable file not found in $PATH: <nil>: unknown"#,
            "install that runtime",
        ),
    ] {
        let body = format!(r#"{{"message":"{words}"}}"#);
        let stage = Stage::brief(move |request| {
            request.is("POST /containers/c1/start").then(|| json(500, &body))
        })
        .await;
        let error = stage.prepared().await.start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(remedy), "{error}");
    }
}

#[tokio::test]
async fn a_create_that_is_answered_without_an_id_is_no_container() {
    let stage = Stage::brief(|request| {
        let create = request.is("POST /containers/create");
        (create || request.is("GET /containers/longshore-")).then(|| json(201, "{}"))
    })
    .await;
    let spec = TaskSpec::builder("x").build().unwrap();
    let container = stage.driver.container(Task::new(spec)).unwrap();
    let error = container.create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert_eq!(stage.engine.count("DELETE /containers/?"), 0);
}
