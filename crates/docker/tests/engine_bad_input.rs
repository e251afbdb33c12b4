//! Wrong input on a real engine: an error of the right kind that names the thing at fault and what
//! to do, and nothing left behind.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use longshore_conformance::Fixture as _;
use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    Driver as _, DriverExt as _, ErrorKind, LogDriver, Mount, NetworkMode, NotStarted, Outcome,
    TaskSpec, TaskSpecBuilder,
};

fn task() -> TaskSpecBuilder {
    TaskSpec::builder(engine::image()).args(["exit", "0"])
}

/// Runs each task, and checks the error's kind, the words in it, and that nothing is left.
async fn check(table: Vec<(&str, TaskSpecBuilder, ErrorKind, &[&str])>) {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    for (what, spec, kind, words) in table {
        let error = driver.run_task(spec.build().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        for word in words {
            assert!(error.to_string().contains(word), "{what}: no {word:?} in: {error}");
        }
        assert_eq!(fixture.leftovers().await.unwrap(), [""; 0], "{what}");
    }
    driver.close().await.unwrap();
}

#[tokio::test]
async fn what_a_task_names_and_is_not_there_is_named() {
    let missing = "127.0.0.1:9/longshore/no-such-image:1";
    check(vec![
        (
            "an image that must not be pulled",
            TaskSpec::builder(missing).pull(longshore_driver_api::PullPolicy::Never),
            ErrorKind::ImageNotFound,
            &[missing, "load it"],
        ),
        (
            "a registry that is not there",
            TaskSpec::builder(missing),
            ErrorKind::RegistryFailed,
            &[missing, "connection refused"],
        ),
        (
            "a network",
            task().network(NetworkMode::from("longshore-no-such-network")),
            ErrorKind::NetworkNotFound,
            &["longshore-no-such-network", "docker network ls"],
        ),
        (
            "a folder of the host",
            task().mount(Mount::bind("/longshore/no/such/folder", "/x")),
            ErrorKind::InvalidInput,
            &["/longshore/no/such/folder"],
        ),
        ("a user", task().user("nobody-knows"), ErrorKind::InvalidInput, &["nobody-knows"]),
    ])
    .await;
}

#[tokio::test]
async fn a_log_driver_that_is_wrong_is_named() {
    check(vec![
        (
            "it cannot start",
            task().log(LogDriver::syslog("tcp://127.0.0.1:9", [])),
            ErrorKind::LogDriver,
            &["syslog", "check the task's log driver"],
        ),
        (
            "there is none of that name",
            task().log(LogDriver::named("no-such-driver")),
            ErrorKind::LogDriver,
            &["no-such-driver"],
        ),
        (
            "its option is wrong",
            task().log(LogDriver::named("json-file").option("no-such-option", "1")),
            ErrorKind::LogDriver,
            &["no-such-option"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_command_that_is_not_there_is_the_tasks_end_and_not_an_error() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let spec = task().entrypoint(["/no-such-program"]).edit(|spec| spec.security.init = false);
    let exit = driver.run_task(spec.build().unwrap()).await.unwrap();
    assert_eq!(exit.outcome, Outcome::NotStarted(NotStarted::NotFound));
    assert!(exit.engine_error.is_some_and(|why| why.contains("/no-such-program")));
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn no_engine_is_told_with_its_address() {
    for (host, kind, words) in [
        (
            "unix:///longshore/none.sock",
            ErrorKind::EngineUnavailable,
            "/longshore/none.sock does not exist: start",
        ),
        (
            "tcp://127.0.0.1:9",
            ErrorKind::EngineUnavailable,
            "no engine answers at tcp://127.0.0.1:9",
        ),
        ("ssh://host", ErrorKind::InvalidInput, "ssh is not supported"),
        ("docker.sock", ErrorKind::InvalidInput, "give it as unix:///path"),
    ] {
        let mut config = DockerConfig::default();
        config.host = Some(host.to_owned());
        let error = DockerDriver::open(config).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
