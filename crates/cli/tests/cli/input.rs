//! `-` where a file is read, where one is written, and what never ends.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::mock::Mock;
use crate::signals::catches_interrupts;
use crate::support::{Run, done, fed, longshore};

const CAT: &str = "image = \"demo\"\nentrypoint = [\"/cat\"]\n";

#[test]
fn a_report_to_a_dash_is_refused_and_no_file_of_that_name_is_made() {
    let mock = Mock::new();
    for option in ["--json", "--stats"] {
        for words in [vec![format!("{option}=-")], vec![option.to_owned(), "-".to_owned()]] {
            let words: Vec<&str> = words.iter().map(String::as_str).chain(["demo"]).collect();
            let run = done(mock.run(&words).current_dir(mock.folder.path()));
            run.assert(125, &format!("'{option} <FILE>'"));
            run.assert(125, "/dev/fd/3");
            assert_eq!(run.text(), "");
            assert!(!mock.folder.path().join("-").exists());
        }
    }
    done(mock.run(&["--json", "./-", "demo"]).current_dir(mock.folder.path())).assert(0, "");
    assert_eq!(mock.json("-")["exit_status"], 0);
}

#[test]
fn the_descriptor_that_is_proposed_for_a_report_works() {
    let mock = Mock::new();
    let binary = env!("CARGO_BIN_EXE_longshore");
    let script = "exec \"$0\" run --config \"$1\" --json /dev/fd/3 demo 3>\"$2\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, binary, &mock.path("config.toml"), &mock.path("end.json")]);
    done(command.stdin(Stdio::null())).assert(0, "there\n");
    assert_eq!(mock.json("end.json")["exit_status"], 0);
}

#[test]
fn a_description_comes_from_stdin_and_the_task_gets_nothing_of_it() {
    let mock = Mock::new();
    let json = format!(
        "{{\"image\": \"demo\", \"entrypoint\": [\"/cat\"], \"labels\": {{\"x\": \"{}\"}}}}",
        "x".repeat(200_000)
    );
    for text in [CAT, &json] {
        let run = fed(&mut mock.run(&["--spec", "-"]), text.as_bytes());
        run.assert_silent(0);
        assert_eq!(run.text(), "");
    }
}

#[test]
fn what_is_wrong_on_stdin_is_told_with_its_line() {
    let mock = Mock::new();
    let run = fed(&mut mock.run(&["--spec", "-"]), b"image = \"demo\"\nimagee = 1\n");
    run.assert(125, "stdin is not a task");
    run.assert(125, "line 2: imagee: ");
    let run = fed(&mut mock.run(&["--env-file", "-", "demo"]), b"A=1\nMY KEY=2\n");
    run.assert(125, "stdin:2: ");
    let config = "driver = \"mock\"\nmok = 1\n";
    let run = fed(&mut longshore(["doctor", "--config", "-"]), config.as_bytes());
    run.assert(125, "stdin is not a configuration: line 2");
}

#[test]
fn variables_and_a_configuration_come_from_stdin() {
    let mock = Mock::new();
    fed(&mut mock.run(&["--env-file", "-", "demo"]), b"A=1\n").assert(0, "there\n");
    let config = std::fs::read(mock.path("config.toml")).unwrap();
    let command = ["run", "--config", "-", "--entrypoint", "/exit-7", "demo"];
    fed(&mut longshore(command), &config).assert_silent(7);
}

#[test]
fn only_one_reads_stdin() {
    let mock = Mock::new();
    for (options, both) in [
        (&["--spec", "-", "-i"][..], "--spec - reads stdin, and -i gives it to the task"),
        (&["--spec", "-", "--env-file", "-"], "--spec - and --env-file - both read stdin"),
        (
            &["--env-file", "-", "--security-opt", "seccomp=-", "demo"],
            "--env-file - and --security-opt seccomp - both read stdin",
        ),
    ] {
        let run = fed(&mut mock.run(options), CAT.as_bytes());
        run.assert(125, both);
        run.assert(125, "\n  help: ");
    }
}

#[test]
fn an_interrupt_ends_the_wait_for_a_description() {
    let mock = Mock::new();
    let pipe = mock.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for words in [
        &["run", "--spec", "-"][..],
        &["run", "--spec", &pipe],
        &["run", "--config", &pipe, "demo"],
        &["doctor", "--config", &pipe],
        &["reap", "--config", &pipe],
        &["pool", "--config", &pipe],
    ] {
        let mut run = Run::start(longshore(words).stdin(Stdio::piped()));
        let held = run.child.stdin.take();
        while !catches_interrupts(&run) {
            std::thread::yield_now();
        }
        run.signal(Signal::INT);
        let done = run.end();
        drop(held);
        done.assert(130, "cancelled by SIGINT");
        assert_eq!(done.text(), "");
    }
}

#[test]
fn a_file_that_never_ends_is_refused() {
    for option in ["--spec", "--env-file", "--config"] {
        let run = done(&mut longshore(["run", option, "/dev/zero", "demo"]));
        run.assert(125, "/dev/zero: it is larger than 16 MiB");
    }
}
