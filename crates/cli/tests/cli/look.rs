//! `pull`, `reap` and `doctor`, as far as they go without an engine.

use crate::mock::Mock;
use crate::support::{done, longshore};

#[test]
fn a_pull_prints_the_full_name_of_each_image() {
    let mock = Mock::new();
    let pulled = done(&mut mock.command("pull", &["remote", "demo"]));
    pulled.assert_silent(0);
    assert_eq!(pulled.text(), "docker.io/library/remote:latest\ndocker.io/library/demo:latest\n");
}

#[test]
fn a_pull_of_what_is_not_there_names_it() {
    let mock = Mock::new();
    let pulled = done(&mut mock.command("pull", &["remote", "nowhere", "demo"]));
    pulled.assert(125, "nowhere");
    assert_eq!(pulled.text(), "docker.io/library/remote:latest\n");
}

#[test]
fn all_names_are_checked_before_the_first_pull() {
    let mock = Mock::new();
    let pulled = done(&mut mock.command("pull", &["remote", "Not An Image"]));
    pulled.assert(125, "image: invalid image reference \"Not An Image\"");
    assert_eq!(pulled.text(), "");
}

#[test]
fn reap_says_what_it_did() {
    let mock = Mock::new();
    let reaped = done(&mut mock.command("reap", &["--dry-run"]));
    reaped.assert_silent(0);
    assert_eq!(reaped.text(), "0 would be removed, 0 not removed, 0 kept\n");
    let reaped = done(&mut mock.command("reap", &["--json"]));
    assert_eq!(reaped.text(), "{\"removed\":[],\"failed\":[],\"kept\":0}\n");
}

#[test]
fn doctor_succeeds_if_a_backend_works() {
    let mock = Mock::new();
    let doctor = done(&mut mock.command("doctor", &[]));
    doctor.assert_silent(0);
    assert!(doctor.text().contains("tasks can be run with mock"), "{doctor:?}");
    assert!(doctor.text().contains("ok     mock: freeze"), "{doctor:?}");
}

#[test]
fn doctor_says_what_is_missing_and_fails_if_nothing_works() {
    let doctor = done(longshore(["doctor"]).env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
    doctor.assert_silent(1);
    assert!(doctor.text().contains("/nowhere/docker.sock does not exist"), "{doctor:?}");
    assert!(doctor.text().contains("no task can be run here"), "{doctor:?}");
}

#[test]
fn the_log_goes_to_stderr_and_only_when_asked_for() {
    let mock = Mock::new();
    let run = done(mock.run(&["-e", "TOKEN=hunter2", "demo"]).env("LONGSHORE_LOG", "debug"));
    assert_eq!((run.code, run.text()), (Some(0), "hello\n"));
    for step in ["the engine is there", "is created", "runs", "has ended", "removed"] {
        assert!(run.stderr.contains(step), "{step}: {run:?}");
    }
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
    let run = done(mock.program("/exit-7").env("LONGSHORE_LOG", "x=nonsense"));
    run.assert(7, "LONGSHORE_LOG is not understood");
}
