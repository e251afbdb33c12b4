//! Wrong input on a real engine: an error of the right kind that names the thing at fault and what
//! to do, and nothing left behind.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use longshore_conformance::Fixture as _;
use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    ByteSize, Device, Driver as _, DriverExt as _, ErrorKind, LogDriver, Mount, NetworkMode,
    NotStarted, Outcome, TaskSpec, TaskSpecBuilder, Ulimit,
};

fn task() -> TaskSpecBuilder {
    TaskSpec::builder(engine::image()).args(["exit", "0"])
}

/// What Podman takes without a word: `docs/engines.md` says so.
const PODMAN_TAKES: [&str; 2] = ["a folder of the host", "its option is wrong"];

/// Runs each task, and checks the error's kind, the words in it, and that nothing is left.
async fn check(table: Vec<(&str, TaskSpecBuilder, ErrorKind, &[&str])>) {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let mut problems = Vec::new();
    let is_podman = driver.capabilities().engine == "podman";
    for (what, spec, kind, words) in table {
        if is_podman && PODMAN_TAKES.contains(&what) {
            continue;
        }
        match driver.run_task(spec.build().unwrap()).await {
            Ok(exit) => problems.push(format!("{what}: not refused: {exit:?}")),
            Err(error) => {
                if error.kind() != kind {
                    problems.push(format!("{what}: {:?} and not {kind:?}: {error}", error.kind()));
                }
                let text = error.to_string();
                let missing = words.iter().filter(|word| !text.contains(**word));
                problems.extend(missing.map(|word| format!("{what}: no {word:?} in: {error}")));
            }
        }
        assert_eq!(fixture.leftovers().await.unwrap(), [""; 0], "{what}");
    }
    driver.close().await.unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
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
            &[missing, "connection refused", "never pulled (pull)"],
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
            &["/longshore/no/such/folder", "make it on the engine's host"],
        ),
        (
            "a user",
            task().user("nobody-knows"),
            ErrorKind::InvalidInput,
            &["nobody-knows", "give a number"],
        ),
        (
            "a group",
            task().edit(|spec| spec.security.groups = vec!["nobodys".into()]),
            ErrorKind::InvalidInput,
            &["nobodys", "security.groups"],
        ),
        (
            "a device",
            task().edit(|spec| spec.devices.push(Device::new("/dev/longshore-none"))),
            ErrorKind::InvalidInput,
            &["/dev/longshore-none", "(devices)"],
        ),
        (
            "a capability",
            task().edit(|spec| spec.security.cap_add = vec!["NO_SUCH".parse().unwrap()]),
            ErrorKind::InvalidInput,
            &["CAP_NO_SUCH", "security.cap_add"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_a_task_asks_too_little_or_too_much_of_is_named() {
    check(vec![
        ("memory", task().memory(ByteSize(1)), ErrorKind::InvalidInput, &["6MiB", "limits.memory"]),
        (
            "a processor",
            task().edit(|spec| spec.limits.cpuset = Some("8191".into())),
            ErrorKind::InvalidInput,
            &["8191", "limits.cpuset"],
        ),
        (
            "a folder for work that is a file",
            task().edit(|spec| spec.work_dir = Some("/testee".into())),
            ErrorKind::InvalidInput,
            &["/testee", "(work_dir)"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_run_directory_that_is_open_to_others_is_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = DockerDriver::open(fixture::config("test", folder.path())).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
    assert!(text.contains("mode 0777") && text.contains("chmod 700"), "{text}");
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
async fn an_init_that_cannot_fork_is_never_the_programs_own_code_for_certain() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    // A user of its own: the limit counts all processes of a user on the engine's host.
    let spec = task().user("61234:61234").edit(|spec| {
        spec.limits.ulimits.insert("nproc".into(), Ulimit::both(1));
    });
    // With any limit of this kind, Podman asks for more files than some machines let it.
    if driver.capabilities().engine == "docker" {
        let exit = driver.run_task(spec.build().unwrap()).await.unwrap();
        assert_eq!(exit.outcome, Outcome::Code(1), "{exit:?}");
        assert_eq!(exit.alternatives, [Outcome::NotStarted(NotStarted::NoRoom)]);
    }

    let spec = task().edit(|spec| spec.limits.pids = Some(1)).build().unwrap_err();
    assert!(spec.to_string().contains("limits.pids: of 1 leaves no room"), "{spec}");
    let spec = task().edit(|spec| spec.limits.pids = Some(2)).build().unwrap();
    assert!(driver.run_task(spec).await.unwrap().is_success());
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn more_arguments_than_the_kernel_takes_are_never_the_programs_own_code_for_certain() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    // 7 MB: the kernel takes 6 MiB at most, wherever the stack's limit is.
    let much = vec!["x".repeat(100_000); 70];
    let spec = task().edit(|spec| spec.args.extend(much)).build().unwrap();
    if driver.capabilities().engine == "docker" {
        let exit = driver.run_task(spec).await.unwrap();
        assert_eq!(exit.outcome, Outcome::Code(1), "{exit:?}");
        let too_long = Outcome::NotStarted(NotStarted::TooLong);
        assert!(exit.alternatives.contains(&too_long), "{exit:?}");
    }
    let word = "x".repeat(131_072);
    let error = task().edit(|spec| spec.args.push(word)).build().unwrap_err();
    assert!(error.to_string().contains("the kernel takes 131071 at most"), "{error}");
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
