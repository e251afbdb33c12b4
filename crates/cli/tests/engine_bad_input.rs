//! What is wrong with a task, as a real engine finds it: named, of the right kind, nothing left.

#[path = "support/engine.rs"]
mod engine;
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use engine::Rig;
use support::{Done, done};

/// Runs what is wrong, and checks what is said about it. The rig checks that nothing is left.
#[track_caller]
fn refused(options: &[&str], args: &[&str], kind: &str) -> Done {
    let rig = Rig::new();
    let json = rig.path("end.json");
    let run = done(&mut rig.testee(&[&["--json", &json], options].concat(), args));
    assert_kind(&rig, &run, kind);
    run
}

#[track_caller]
fn assert_kind(rig: &Rig, run: &Done, kind: &str) {
    run.assert(125, "longshore: error: ");
    assert_eq!(run.text(), "");
    let end = rig.json("end.json");
    assert_eq!(end["error"]["kind"], kind, "{end}");
    assert_eq!(end["exit_status"], 125, "{end}");
}

#[test]
fn a_missing_image_that_must_not_be_pulled() {
    let rig = Rig::new();
    let json = rig.path("end.json");
    let run = done(&mut rig.run(&["--json", &json, "--pull", "never", "nobody/has:this", "x"]));
    assert_kind(&rig, &run, "image not found");
    run.assert(125, "\"nobody/has:this\"");
    run.assert(125, "  help: ");
}

#[test]
fn a_registry_that_is_not_there() {
    let rig = Rig::new();
    let json = rig.path("end.json");
    let image = "127.0.0.1:1/nobody/has:this";
    let run = done(&mut rig.run(&["--json", &json, image, "x"]));
    assert_kind(&rig, &run, "registry failed");
    run.assert(125, image);
}

#[test]
fn an_unknown_network() {
    let run = refused(&["--network", "no-such-lan"], &["exit", "0"], "network not found");
    run.assert(125, "no-such-lan");
    run.assert(125, "  help: ");
}

#[test]
fn a_log_driver_that_cannot_start() {
    let options = ["--log-driver", "syslog", "--log-opt", "syslog-address=tcp://127.0.0.1:1"];
    let run = refused(&options, &["exit", "0"], "log driver failed");
    run.assert(125, "127.0.0.1:1");
    run.assert(125, "  help: ");
}

#[test]
fn an_unknown_log_driver() {
    let run = refused(&["--log-driver", "pigeon"], &["exit", "0"], "log driver failed");
    run.assert(125, "pigeon");
}

#[test]
fn a_bind_of_what_does_not_exist() {
    let rig = Rig::new();
    let run = done(&mut rig.testee(&["-v", "/nowhere/at/all:/in"], &["exit", "0"]));
    run.assert(125, "/nowhere/at/all");
}

#[test]
fn a_command_that_does_not_exist() {
    let rig = Rig::new();
    let json = rig.path("end.json");
    let options = ["--json", &json, "--no-init", "--entrypoint", "/none"];
    done(&mut rig.testee(&options, &[])).assert(127, "\"/none\" was not found in the image");
    let end = rig.json("end.json");
    assert_eq!(end["outcome"], serde_json::json!({"kind": "not_started", "value": "not_found"}));
    assert!(end["alternatives"].as_array().unwrap().is_empty(), "{end}");
}

#[test]
fn a_command_that_does_not_exist_under_an_init_comes_with_a_hint() {
    let rig = Rig::new();
    let run = done(&mut rig.testee(&["--entrypoint", "/none"], &[]));
    run.assert(127, "either \"/none\" was not found in the image, or it gave that status itself");
    // A task that ends so by itself gets the same hint: nobody can tell.
    done(&mut rig.testee(&[], &["exit", "127"])).assert(127, "--no-init tells them apart");
    done(&mut rig.testee(&["--no-init"], &["exit", "127"])).assert_silent(127);
}

#[test]
fn a_file_that_cannot_be_executed() {
    let rig = Rig::new();
    let options = ["--no-init", "--entrypoint", "/not-executable"];
    done(&mut rig.testee(&options, &[])).assert(126, "\"/not-executable\" cannot be executed");
}
