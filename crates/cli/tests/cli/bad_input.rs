//! What is wrong is named, with what to do about it; as far as no engine is needed to find out.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::mock::Mock;
use crate::scripted::engine_with_version;
use crate::support::{Done, done, longshore};

/// Runs against this engine, and checks the kind of error as well.
#[track_caller]
fn assert_engine(mock: &Mock, command: &mut Command, host: &str, what: &str, kind: &str) -> Done {
    let json = mock.path("end.json");
    let run = done(command.args(["run", "--json", &json, "demo"]).env("DOCKER_HOST", host));
    assert_told(&run, what);
    assert_eq!(mock.json("end.json")["error"]["kind"], kind);
    run
}

fn binary() -> Command {
    longshore::<&str>([])
}

#[track_caller]
fn assert_told(run: &Done, what: &str) {
    run.assert(125, what);
    assert!(run.stderr.starts_with("longshore: error: "), "{run:?}");
    assert!(run.stderr.contains("\n  help: "), "{run:?}");
    assert_eq!(run.text(), "");
}

#[test]
fn an_invalid_reference_says_where_it_goes_wrong() {
    let run = done(&mut longshore(["run", "ghcr.io/Org/app"]));
    assert_told(&run, "image: invalid image reference \"ghcr.io/Org/app\"");
    assert!(run.stderr.contains("at byte 8, found 'O'"), "{run:?}");
}

#[test]
fn five_errors_are_told_at_once() {
    let mock = Mock::new();
    let spec = r#"
image = "Not An Image"
work_dir = "relative"
[limits]
pids = 0
cpuset = "a-b"
[log]
driver = ""
"#;
    std::fs::write(mock.path("task.toml"), spec).unwrap();
    let run = done(&mut mock.run(&["--spec", &mock.path("task.toml")]));
    assert_told(&run, "invalid task");
    for field in ["image", "work_dir", "limits.pids", "limits.cpuset", "log.driver"] {
        assert!(run.stderr.contains(&format!("\n  {field}: ")), "{field}: {run:?}");
    }
}

#[test]
fn a_task_with_an_unknown_key_names_it() {
    let mock = Mock::new();
    std::fs::write(mock.path("task.toml"), "image = \"demo\"\nmemory = \"1m\"\n").unwrap();
    let run = done(&mut mock.run(&["--spec", &mock.path("task.toml")]));
    assert_told(&run, "unknown field `memory`");
    assert!(run.stderr.contains("task.toml"), "{run:?}");
}

#[test]
fn a_configuration_with_an_unknown_key_names_it_and_those_that_there_are() {
    let mock = Mock::new();
    for (text, key, known) in [
        ("diver = \"docker\"", "`diver`", "`driver`"),
        ("[docker]\nhots = \"unix:///x\"", "`hots`", "`host`"),
        ("[docker.timeouts]\ncal = \"1s\"", "`cal`", "`call`"),
        ("[credentials]\npassword = \"hunter2\"", "`password`", "`file`"),
        ("[native]\n", "`native`", "`docker`"),
    ] {
        let path = mock.path("wrong.toml");
        std::fs::write(&path, text).unwrap();
        for command in [&["run", "--config", &path, "demo"][..], &["doctor", "--config", &path]] {
            let run = done(&mut longshore(command));
            assert_told(&run, &format!("unknown field {key}"));
            assert!(run.stderr.contains(known) && run.stderr.contains("wrong.toml"), "{run:?}");
        }
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let run = done(&mut longshore(["run", "--config", "/nowhere/longshore.toml", "demo"]));
    run.assert(125, "/nowhere/longshore.toml: No such file or directory");
}

#[test]
fn an_unknown_backend_names_those_that_there_are() {
    let run = done(&mut longshore(["run", "--driver", "podman", "demo"]));
    run.assert(125, "there is no backend named \"podman\"; there is: docker, mock");
}

#[test]
fn no_engine_names_the_address_and_the_remedy() {
    let mock = Mock::new();
    let host = format!("unix://{}", mock.path("none.sock"));
    let run = assert_engine(&mock, &mut binary(), &host, "none.sock does not exist", "no engine");
    assert!(run.stderr.contains("DOCKER_HOST"), "{run:?}");
    let named = done(longshore(["run", "--driver", "docker", "demo"]).env("DOCKER_HOST", &host));
    assert_told(&named, "none.sock does not exist");
}

#[test]
fn an_address_that_nobody_answers_at_is_no_engine() {
    let mock = Mock::new();
    let socket = mock.path("dead.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let host = format!("unix://{socket}");
    assert_engine(&mock, &mut binary(), &host, "dead.sock", "no engine");
}

#[test]
fn a_socket_without_permission_names_it_and_the_remedy() {
    const NOBODY: u32 = 65_534;
    let mock = Mock::new();
    std::fs::set_permissions(mock.folder.path(), Permissions::from_mode(0o777)).unwrap();
    let socket = mock.path("engine.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, Permissions::from_mode(0o000)).unwrap();
    // Root may do anything, so it becomes somebody else, who gets a copy that he may run.
    let program = mock.path("longshore");
    std::fs::copy(env!("CARGO_BIN_EXE_longshore"), &program).unwrap();
    let mut command = Command::new(&program);
    command.env("HOME", "/nonexistent");
    for name in ["LONGSHORE_LOG", "DOCKER_CONFIG", "FN_DOCKER_AUTH", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let host = format!("unix://{socket}");
    let run = assert_engine(&mock, &mut command, &host, "engine.sock", "permission denied");
    assert!(run.stderr.contains("group docker"), "{run:?}");
}

#[test]
fn an_engine_that_is_too_old_names_its_version_and_the_least() {
    let mock = Mock::new();
    let socket = mock.folder.path().join("old.sock");
    engine_with_version(&socket, "1.12");
    let host = format!("unix://{}", socket.display());
    let run = assert_engine(&mock, &mut binary(), &host, "1.12", "engine is too old");
    assert!(run.stderr.contains("update the engine"), "{run:?}");
    let doctor = done(longshore(["doctor"]).env("DOCKER_HOST", &host));
    doctor.assert_silent(1);
    assert!(doctor.text().contains("1.12"), "{doctor:?}");
}

#[test]
fn a_broken_address_is_refused_as_such() {
    let run = done(longshore(["run", "demo"]).env("DOCKER_HOST", "ftp://x"));
    run.assert(125, "`ftp://x`");
}

#[test]
fn an_unknown_network_is_named() {
    let mock = Mock::new();
    let json = mock.path("end.json");
    let run = done(&mut mock.run(&["--json", &json, "--network", "lan", "demo"]));
    assert_told(&run, "lan");
    assert_eq!(mock.json("end.json")["error"]["kind"], "network not found");
}

#[test]
fn a_value_that_is_none_is_refused_with_its_option() {
    for (words, expected) in [
        (&["-m", "lots"][..], "'--memory <SIZE>'"),
        (&["--stop-signal", "NOPE"], "'--stop-signal <SIGNAL>'"),
        (&["--mount", "type=bind"], "the target is missing"),
        (&["--timeout", "soon"], "'--timeout <TIME>'"),
        (&["--cpus", "half"], "'--cpus <N>'"),
    ] {
        let run = done(&mut longshore([&["run"], words, &["demo"]].concat()));
        run.assert(125, expected);
        assert!(run.stderr.starts_with("longshore: error: "), "{run:?}");
    }
}

#[test]
fn no_image_is_a_usage_error() {
    done(&mut longshore(["run"])).assert(125, "<IMAGE>");
    done(&mut binary()).assert(125, "Usage: longshore");
    done(&mut longshore(["launch"])).assert(125, "unrecognized subcommand 'launch'");
}

#[test]
fn an_environment_file_shows_no_value_when_it_is_wrong() {
    let mock = Mock::new();
    std::fs::write(mock.path("vars"), "TOKEN=hunter2\nMY TOKEN=hunter2\n").unwrap();
    let run = done(&mut mock.run(&["--env-file", &mock.path("vars"), "demo"]));
    run.assert(125, "vars:2: ");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}
