//! What a run writes into files, and reads from them.

use std::fs::File;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::mock::Mock;
use crate::signals::catches_interrupts;
use crate::support::{Run, done, fed, longshore};

#[test]
fn the_end_is_written_with_timings_and_evidence() {
    let mock = Mock::new();
    let json = mock.path("end.json");
    done(&mut mock.run(&["--name", "build-7", "--json", &json, "--entrypoint", "/exit-7", "demo"]))
        .assert_silent(7);
    let end = mock.json("end.json");
    assert_eq!(end["task"], "build-7");
    assert_eq!(end["image"], "demo");
    assert!(end["container"].is_string(), "{end}");
    assert_eq!(end["exit_status"], 7);
    assert_eq!(end["status"], "error");
    assert_eq!(end["outcome"], serde_json::json!({"kind": "code", "value": 7}));
    assert_eq!(end["code"], 7);
    assert!(end["alternatives"].as_array().unwrap().is_empty(), "{end}");
    assert!(end["timings"]["run_ms"].is_number(), "{end}");
    assert_eq!(end["output"]["stdout"]["end"], "complete");
}

#[test]
fn an_engines_error_is_written_with_its_kind() {
    let mock = Mock::new();
    let json = mock.path("end.json");
    done(&mut mock.run(&["--json", &json, "nowhere"])).assert(125, "nowhere");
    let end = mock.json("end.json");
    assert_eq!(end["exit_status"], 125);
    assert_eq!(end["error"]["kind"], "image not found");
    assert!(end["error"]["message"].as_str().unwrap().contains("nowhere"), "{end}");
    assert!(end.get("outcome").is_none(), "{end}");
}

#[test]
fn samples_are_written_as_a_series_that_decimate_reads() {
    let mock = Mock::new();
    let stats = mock.path("stats.json");
    let slow = ["--timeout", "1500ms", "--stats", &stats, "--entrypoint", "/forever", "demo"];
    done(&mut mock.run(&slow)).assert(124, "");
    let series = mock.json("stats.json");
    assert!(!series.as_array().unwrap().is_empty(), "{series}");
    let text = std::fs::read(&stats).unwrap();
    let short = fed(&mut longshore(["decimate", "--max", "1"]), &text);
    short.assert_silent(0);
    let short: serde_json::Value = serde_json::from_str(short.text()).unwrap();
    assert_eq!(short.as_array().unwrap().len(), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_known_before_anything_runs() {
    let mock = Mock::new();
    for option in ["--json", "--stats"] {
        let run = done(&mut mock.run(&[option, "/nowhere/at/all", "demo"]));
        run.assert(125, "/nowhere/at/all: No such file or directory");
        assert_eq!(run.text(), "", "{option}");
    }
}

#[test]
fn a_task_is_described_by_a_file() {
    let mock = Mock::new();
    let toml = "image = \"demo\"\nentrypoint = [\"/exit-7\"]\n[limits]\nmemory = \"64MiB\"\n";
    std::fs::write(mock.path("task.toml"), toml).unwrap();
    std::fs::write(mock.path("task.json"), r#"{"image":"demo","entrypoint":["/exit-7"]}"#).unwrap();
    for file in ["task.toml", "task.json"] {
        done(&mut mock.run(&["--spec", &mock.path(file)])).assert_silent(7);
    }
    // Options override it.
    let over = ["--spec", &mock.path("task.toml"), "--entrypoint", "/die-term"];
    done(&mut mock.run(&over)).assert_silent(143);
}

#[test]
fn a_report_into_the_file_of_a_stream_is_refused_before_anything_runs() {
    let mock = Mock::new();
    let file = mock.path("out");
    for option in ["--json", "--stats"] {
        for path in [&file, "/dev/stdout"] {
            std::fs::write(&file, "before").unwrap();
            let out = File::options().append(true).open(&file).unwrap();
            let mut command = mock.run(&[option, path, "demo"]);
            let run = command.stdout(out).stderr(Stdio::piped()).output().unwrap();
            let stderr = String::from_utf8(run.stderr).unwrap();
            assert_eq!(run.status.code(), Some(125), "{stderr}");
            assert!(stderr.contains(&format!("{option} {path} is where stdout goes")), "{stderr}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
        }
        let err = File::options().append(true).open(&file).unwrap();
        let run = mock.run(&[option, &file, "demo"]).stderr(err).output().unwrap();
        assert_eq!((run.status.code(), &run.stdout[..]), (Some(125), &b""[..]));
        let input = File::open(&file).unwrap();
        let mut command = mock.run(&[option, &file, "demo"]);
        let run = command.stdin(input).output().unwrap();
        assert_eq!((run.status.code(), &run.stdout[..]), (Some(125), &b""[..]));
    }
}

#[test]
fn the_end_may_follow_the_output_in_a_pipe_and_samples_may_not_mix_with_it() {
    let mock = Mock::new();
    let run = done(&mut mock.run(&["--json", "/dev/stdout", "demo"]));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), "there\n"));
    let end = run.text().strip_prefix("hello\n").expect("the output comes first");
    let end: serde_json::Value = serde_json::from_str(end).unwrap();
    assert_eq!(end["exit_status"], 0);
    let run = done(&mut mock.run(&["--stats", "/dev/stdout", "demo"]));
    run.assert(125, "--stats /dev/stdout is where stdout goes");
    assert_eq!(run.text(), "");
}

#[test]
fn what_swallows_everything_may_be_given_twice() {
    let mock = Mock::new();
    let options = ["--json", "/dev/null", "--stats", "/dev/null", "--entrypoint", "/exit-7"];
    let mut command = mock.run(&[&options[..], &["demo"]].concat());
    assert_eq!(command.stdout(Stdio::null()).status().unwrap().code(), Some(7));
}

#[test]
fn two_reports_or_a_report_and_a_description_in_one_file_are_refused() {
    let mock = Mock::new();
    let file = mock.path("both");
    let run = done(&mut mock.run(&["--json", &file, "--stats", &file, "demo"]));
    run.assert(125, "--json and --stats are one file");
    assert_eq!(run.text(), "");
    std::fs::write(&file, "image = 'demo'").unwrap();
    let run = done(&mut mock.run(&["--json", &file, "--spec", &file]));
    run.assert(125, "is the file of --spec");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "image = 'demo'");
}

#[test]
fn a_report_does_not_overwrite_a_filter_of_system_calls() {
    let mock = Mock::new();
    let file = mock.path("profile.json");
    std::fs::write(&file, "{}").unwrap();
    let option = format!("seccomp={file}");
    for report in ["--json", "--stats"] {
        let run = done(&mut mock.run(&[report, &file, "--security-opt", &option, "demo"]));
        run.assert(125, "is the file of --security-opt seccomp");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}");
    }
}

#[test]
fn an_earlier_report_is_gone_before_anything_runs() {
    let mock = Mock::new();
    let file = mock.path("end.json");
    std::fs::write(&file, "x".repeat(100_000)).unwrap();
    done(&mut mock.run(&["--json", &file, "demo"])).assert(0, "");
    assert_eq!(mock.json("end.json")["exit_status"], 0);
}

#[test]
fn a_report_that_fails_late_is_said_and_hides_no_status_but_success() {
    let mock = Mock::new();
    for (program, status) in [("/exit-7", 7), ("/hello", 125), ("/die-term", 143)] {
        for option in ["--json", "--stats"] {
            let options = [option, "/dev/full", "--entrypoint", program, "demo"];
            let run = done(&mut mock.run(&options));
            run.assert(status, "longshore: error: /dev/full: No space left on device");
        }
    }
}

#[test]
fn a_named_pipe_that_nobody_reads_does_not_hold_up_an_interrupt() {
    let mock = Mock::new();
    let pipe = mock.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for option in ["--json", "--stats"] {
        let run = Run::start(&mut mock.run(&[option, &pipe, "demo"]));
        // The signal is caught before the pipe is opened; sooner it ends the process at once.
        while !catches_interrupts(&run) {
            std::thread::yield_now();
        }
        run.signal(Signal::INT);
        let done = run.end();
        done.assert(130, "cancelled by SIGINT");
        assert_eq!(done.text(), "");
    }
}
