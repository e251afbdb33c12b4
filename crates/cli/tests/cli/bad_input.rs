//! What is wrong is named, with what to do about it; as far as no engine is needed to find out.

use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt as _;
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

/// The report says so as well.
#[track_caller]
fn assert_invalid(mock: &Mock, what: &str) {
    let end = mock.json("end.json");
    assert_eq!(end["error"]["kind"], "invalid input", "{end}");
    assert!(end["error"]["message"].as_str().unwrap().contains(what), "{end}");
    assert_eq!(end["exit_status"], 125);
}

#[test]
fn an_invalid_reference_says_where_it_goes_wrong() {
    let mock = Mock::new();
    let run = done(&mut longshore(["run", "--json", &mock.path("end.json"), "ghcr.io/Org/app"]));
    assert_told(&run, "image: invalid image reference \"ghcr.io/Org/app\"");
    assert!(run.stderr.contains("at byte 8, found 'O'"), "{run:?}");
    assert_invalid(&mock, "ghcr.io/Org/app");
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
    let (spec, end, stats) = (mock.path("task.toml"), mock.path("end.json"), mock.path("stats"));
    let run = done(&mut mock.run(&["--spec", &spec, "--json", &end, "--stats", &stats]));
    assert_told(&run, "invalid task");
    assert!(!std::path::Path::new(&stats).exists(), "nothing ran");
    for field in ["image", "work_dir", "limits.pids", "limits.cpuset", "log.driver"] {
        assert!(run.stderr.contains(&format!("\n  {field}: ")), "{field}: {run:?}");
        assert_invalid(&mock, &format!("{field}: "));
    }
}

#[test]
fn mistakes_of_type_and_of_value_are_told_at_once_with_their_lines() {
    let mock = Mock::new();
    let toml = "image = \"Not An Image\"\ntty = \"yes\"\nimagee = 1\n[limits]\nmemory = \"lots\"\n\
                cpuset = \"a-b\"\n[env]\nPIN = 4711\n[[mounts]]\ntype = \"tmpfs\"\n";
    let json = r#"{"image": "Not An Image", "tty": "yes", "imagee": 1, "env": {"PIN": 4711},
        "limits": {"memory": "lots", "cpuset": "a-b"}, "mounts": [{"type": "tmpfs"}]}"#;
    let fields = [
        (1, "image: invalid image reference"),
        (2, "tty: expected a boolean, not a string"),
        (3, "imagee: unknown field"),
        (5, "limits.memory: "),
        (6, "limits.cpuset: "),
        (8, "env.PIN: expected a string, not a number"),
        (9, "mounts[0].target: is missing"),
    ];
    for (name, text) in [("task.toml", toml), ("task.json", json)] {
        std::fs::write(mock.path(name), text).unwrap();
        let run = done(&mut mock.run(&["--spec", &mock.path(name)]));
        assert_told(&run, &format!("{name} is not a task"));
        for (line, field) in fields {
            let place = if name == "task.toml" { format!("line {line}: ") } else { String::new() };
            assert!(run.stderr.contains(&format!("\n  {place}{field}")), "{field}: {run:?}");
        }
        assert!(!run.stderr.contains("4711"), "{run:?}");
    }
}

#[test]
fn a_file_that_is_no_toml_or_says_a_thing_twice_is_told_with_its_place() {
    let mock = Mock::new();
    for (name, text, place) in [
        ("a.toml", "image = 'x'\nargs = [", "line 2"),
        ("b.toml", "image = 'x'\nimage = 'y'", "line 2"),
        ("c.json", "{\"image\": \"x\",\n\"args\": [", "line 2"),
        ("d.json", "{\"image\": \"x\",\n\"image\": \"y\"}", "duplicate field `image`"),
    ] {
        std::fs::write(mock.path(name), text).unwrap();
        let run = done(&mut mock.run(&["--spec", &mock.path(name)]));
        assert_told(&run, place);
        assert!(run.stderr.contains(name), "{run:?}");
    }
}

#[test]
fn a_task_with_an_unknown_key_names_it_and_the_one_that_was_meant() {
    let mock = Mock::new();
    std::fs::write(mock.path("task.toml"), "image = \"demo\"\nmemory = \"1m\"\n").unwrap();
    let run = done(&mut mock.run(&["--spec", &mock.path("task.toml")]));
    assert_told(&run, "line 2: memory: unknown field `memory`: did you mean `limits.memory`?");
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
            assert!(run.stderr.contains("help: the names above"), "{run:?}");
        }
        let json = mock.path("end.json");
        done(&mut longshore(["run", "--config", &path, "--json", &json, "demo"]));
        assert_invalid(&mock, &format!("unknown field {key}"));
    }
}

#[test]
fn a_configuration_with_a_wrong_value_is_told_its_place_and_of_no_names_that_are_not_above() {
    let mock = Mock::new();
    for (text, place) in [
        ("[prefork]\npre_fork_pool_size = -1", "line 2, column 22"),
        ("[prefork]\npre_fork_pool_size = 'unknown field `x`'", "line 2, column 22"),
        ("[docker]\nhost = 7", "line 2, column 8"),
        ("driver = [", "line 1"),
        ("driver = 'docker'\ndriver = 'mock'", "line 2, column 1"),
    ] {
        let path = mock.path("wrong.toml");
        std::fs::write(&path, text).unwrap();
        let run = done(&mut longshore(["run", "--config", &path, "demo"]));
        assert_told(&run, place);
        assert!(run.stderr.contains("help: correct what is at this place"), "{run:?}");
        assert!(!run.stderr.contains("names above"), "{run:?}");
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
fn an_address_that_is_no_sockets_says_so() {
    let mock = Mock::new();
    std::fs::write(mock.path("file"), "").unwrap();
    for (path, why) in [
        (mock.path(""), "something else than a socket"),
        (mock.path("file"), "something else than a socket"),
        (mock.path(&"x".repeat(200)), "longer than that of a socket can be"),
    ] {
        let host = format!("unix://{path}");
        let run = done(longshore(["run", "demo"]).env("DOCKER_HOST", &host));
        run.assert(125, &format!("engine address `{host}`: "));
        run.assert(125, why);
        let doctor = done(longshore(["doctor"]).env("DOCKER_HOST", &host));
        doctor.assert_silent(1);
        assert!(doctor.text().contains(why), "{doctor:?}");
    }
}

#[test]
fn an_engine_that_never_answers_is_bounded_by_the_configuration_and_not_by_the_timeout() {
    let mock = Mock::new();
    let socket = mock.path("silent.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let config = mock.path("silent.toml");
    let text = format!("[docker]\nhost = \"unix://{socket}\"\ntimeouts.call = \"300ms\"\n");
    std::fs::write(&config, text).unwrap();
    for options in [&["--timeout", "1ms"][..], &[]] {
        let run =
            done(&mut longshore([&["run", "--config", &config], options, &["demo"]].concat()));
        assert_told(&run, "the engine did not answer within 300 ms");
        assert!(run.stderr.contains("docker.timeouts"), "{run:?}");
    }
    let help = done(&mut longshore(["run", "--help"]));
    assert!(help.text().contains("docker.timeouts"), "{help:?}");
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
    // Written by another process: what another test starts meanwhile would hold it open for writing.
    let copied = Command::new("cp").args([env!("CARGO_BIN_EXE_longshore"), &program]).status();
    assert!(copied.unwrap().success());
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
    assert!(run.stderr.contains("upgrade the engine"), "{run:?}");
    let doctor = done(longshore(["doctor"]).env("DOCKER_HOST", &host));
    doctor.assert_silent(1);
    assert!(doctor.text().contains("1.12"), "{doctor:?}");
}

#[test]
fn a_broken_address_is_named_with_its_variable_and_what_to_write() {
    let mock = Mock::new();
    for (host, remedy) in [
        ("garbage", "give it as unix:///path, tcp://host:port or https://host:port"),
        ("ftp://x", "use unix, tcp, http or https"),
        ("tcp://", "the host is missing: give it as tcp://host:port"),
        ("tcp://host:port", "not a number from 1 to 65535"),
        ("unix://", "the path is missing: give it as unix:///path"),
        ("ssh://host", "forward the socket"),
    ] {
        for command in [vec!["run"], vec!["run", "--driver", "docker"], vec!["pull"]] {
            let run = done(longshore(&command).arg("demo").env("DOCKER_HOST", host));
            run.assert(125, &format!("DOCKER_HOST: engine address `{host}`: "));
            assert!(run.stderr.starts_with("longshore: error: "), "{run:?}");
            assert!(run.stderr.contains(remedy), "{run:?}");
            assert_eq!(run.text(), "");
        }
        let json = mock.path("end.json");
        let run = done(longshore(["run", "--json", &json, "demo"]).env("DOCKER_HOST", host));
        run.assert(125, host);
        assert_eq!(mock.json("end.json")["error"]["kind"], "invalid input");
    }
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

#[test]
fn a_variable_that_is_no_text_is_named_and_not_left_out() {
    let mock = Mock::new();
    let mut command = mock.run(&["-e", "ODD", "demo"]);
    let run = done(command.env("ODD", std::ffi::OsStr::from_bytes(b"hunter2\xff")));
    assert_told(&run, "the variable ODD is not text in UTF-8 here");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}

#[test]
fn what_is_told_cannot_command_a_terminal() {
    let mock = Mock::new();
    for words in [
        &["run", "--json", "/no\x1b[31m/where", "demo"][..],
        &["run", "--x\x1b[31m", "demo"],
        &["run", "--driver", "\x1b[31m", "demo"],
        &["\x1b[31m"],
    ] {
        let run = done(&mut longshore(words));
        run.assert(125, "longshore: error: ");
        assert!(!run.stderr.contains('\x1b'), "{run:?}");
    }
    let run = done(&mut mock.run(&["--entrypoint", "/no\x1b[31m", "demo"]));
    run.assert(127, "\\u{1b}[31m");
    assert!(!run.stderr.contains('\x1b'), "{run:?}");
}

#[test]
fn help_that_cannot_be_written_is_no_success() {
    for words in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let run = longshore(words).stdout(full).output().unwrap();
        assert_eq!(run.status.code(), Some(125), "{run:?}");
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(said, "longshore: error: stdout: No space left on device (os error 28)\n");
    }
}

#[test]
fn a_value_that_may_be_a_password_is_not_repeated() {
    for words in [
        &["-e", "=hunter2"][..],
        &["--env", "=hunter2"],
        &["--env==hunter2"],
        &["-e=hunter2", "--env", "=hunter2"],
        &["--log-opt", "hunter2"],
        &["--evn=TOKEN=hunter2"],
    ] {
        let run = done(&mut longshore([&["run"], words, &["demo"]].concat()));
        run.assert(125, "longshore: error: ");
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
    }
}

#[test]
fn no_tip_sends_an_option_behind_the_dashes_where_the_image_is() {
    for word in ["-1", "--memroy", "-x"] {
        let run = done(&mut longshore(["run", word, "demo"]));
        run.assert(125, &format!("unexpected argument '{}'", &word[..word.len()]));
        assert!(!run.stderr.contains("'-- "), "{run:?}");
    }
    done(&mut longshore(["run", "--memroy", "demo"])).assert(125, "'--memory'");
}

#[test]
fn a_description_that_is_no_text_is_named() {
    let mock = Mock::new();
    std::fs::write(mock.path("task.toml"), b"image = \"\xff\xfe\"").unwrap();
    for option in ["--spec", "--env-file", "--config"] {
        let run = done(&mut longshore(["run", option, &mock.path("task.toml"), "demo"]));
        run.assert(125, "task.toml: it is not text in UTF-8");
    }
}

#[test]
fn the_backend_that_runs_nothing_says_so_unless_it_was_scripted() {
    let said = "longshore: the driver mock is in memory: no image is pulled and no program runs\n";
    let run = done(&mut longshore(["run", "--driver", "mock", "demo"]));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), said));
    let mock = Mock::new();
    let run = done(&mut mock.run(&["--driver", "mock", "demo"]));
    assert_eq!((run.code, run.stderr), (Some(0), format!("{said}there\n")));
    done(&mut longshore(["pull", "--driver", "mock", "demo"])).assert(0, said);
}
