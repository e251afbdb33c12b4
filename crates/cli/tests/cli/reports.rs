//! What a run writes into files, and reads from them.

use crate::mock::Mock;
use crate::support::{done, fed, longshore};

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
