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
fn broken_credentials_matter_only_to_a_pull() {
    let rig = Rig::new();
    let (broken, missing) = ("{\n  \"auths\": {,\n}", "{\"credsStore\": \"nowhere\"}");
    for (text, variable, said) in [
        (broken, "", "config.json is not valid JSON (key must be a string at line 2 column 13)"),
        (missing, "", "docker-credential-nowhere, which "),
        (missing, "", "config.json names, is not in the PATH: install it"),
        ("{}", "{\n", "FN_DOCKER_AUTH is not valid JSON"),
    ] {
        std::fs::write(rig.path("config.json"), text).unwrap();
        let with = |command: &mut std::process::Command| {
            done(command.env("DOCKER_CONFIG", rig.path("")).env("FN_DOCKER_AUTH", variable))
        };
        for options in [&[][..], &["--pull", "never"], &["--pull", "missing"]] {
            with(&mut rig.testee(options, &["exit", "4"])).assert_silent(4);
        }
        let pull = with(&mut rig.command("pull", &["127.0.0.1:1/nobody/has:this"]));
        pull.assert(125, said);
        let run = with(&mut rig.run(&["127.0.0.1:1/nobody/has:this"]));
        run.assert(125, said);
    }
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
fn what_the_engine_refuses_names_the_option_that_mends_it() {
    let rig = Rig::new();
    for (options, said, remedy) in [
        (["-m", "1m"], "emory limit", "--memory"),
        (["--memory-reservation", "1k"], "emory reservation", "--memory-reservation"),
        (["--cap-add", "NOPE"], "CAP_NOPE", "--cap-add"),
        (["-u", "99999999999"], "must be in range", "give a number in that range (--user"),
        (["-v", "/:/host:ro"], "propagation", "or give it the propagation rslave (--mount)"),
        (["-u", "nobodyhere"], "nobodyhere", "--user"),
        (["--group-add", "nogroup"], "nogroup", "--group-add"),
        (["--cpuset-cpus", "4000"], "4000", "--cpuset-cpus"),
        (["--device", "/dev/nope"], "/dev/nope", "--device"),
        (
            ["-v", "/nowhere/at/all:/in"],
            "/nowhere/at/all",
            "make it on the engine's host, or mount another (--mount)",
        ),
    ] {
        let run = done(&mut rig.testee(&options, &["exit", "0"]));
        run.assert(125, said);
        let help = run.stderr.split_once("\n  help: ").unwrap_or_default().1;
        assert!(help.contains(remedy), "{run:?}");
    }
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
fn a_command_that_does_not_exist_is_told_under_an_init_too() {
    let rig = Rig::new();
    let run = done(&mut rig.testee(&["--entrypoint", "/none"], &[]));
    // Some engines prove it; on the others it comes with a hint.
    run.assert(127, "\"/none\" was not found in the image");
    // A task that ends so by itself gets the hint: nobody can tell.
    done(&mut rig.testee(&[], &["exit", "127"])).assert(127, "--no-init tells them apart");
    done(&mut rig.testee(&["--no-init"], &["exit", "127"])).assert_silent(127);
}

#[test]
fn a_file_that_cannot_be_executed() {
    let rig = Rig::new();
    let options = ["--no-init", "--entrypoint", "/not-executable"];
    done(&mut rig.testee(&options, &[])).assert(126, "\"/not-executable\" cannot be executed");
}
