//! Borrowed networks, and the pool that is kept for trying.

use rustix::process::Signal;

use crate::mock::Mock;
use crate::support::{Run, done};

#[test]
fn a_task_borrows_from_a_pool_of_one() {
    let mock = Mock::new();
    let report = mock.path("report.json");
    let hello = done(&mut mock.run(&["--network", "prefork", "--json", &report, "demo"]));
    assert_eq!((hello.code, hello.text()), (Some(0), "hello\n"), "{hello:?}");
    let report = mock.json("report.json");
    assert_eq!(report["network"]["kind"], "lent", "{report}");
    assert!(report["timings"]["lease_ms"].is_number(), "{report}");
}

#[test]
fn what_the_holder_of_a_network_decides_cannot_be_asked_for() {
    let mock = Mock::new();
    done(&mut mock.run(&["--network", "prefork", "--hostname", "x", "demo"]))
        .assert(125, "network.hostname");
}

#[test]
fn a_pool_is_kept_shown_and_used() {
    let mock = Mock::new();
    let args = ["--size", "2", "--workers", "3", "--tasks", "20", "demo"];
    let shown = done(&mut mock.command("pool", &args));
    shown.assert(0, "20 requests, ");
    let head = shown.text().lines().next().unwrap().to_owned();
    assert!(head.starts_with("SLOT  STATE"), "{shown:?}");
}

#[test]
fn a_pool_that_nobody_uses_is_shown_for_as_long_as_asked() {
    let mock = Mock::new();
    let shown = done(&mut mock.command("pool", &["--for", "600ms"]));
    shown.assert(0, "4 placeholders made");
    assert!(shown.stderr.contains("this one has 4 slots; --size says otherwise"), "{shown:?}");
    let sized = done(&mut mock.command("pool", &["--for", "10ms", "--size", "1"]));
    assert!(sized.code == Some(0) && !sized.stderr.contains("--size"), "{sized:?}");
    assert!(shown.text().contains("4 free, 0 in use"), "{shown:?}");
    done(&mut mock.command("pool", &["--size", "0"])).assert(125, "pre_fork_pool_size");
    done(&mut mock.command("pool", &["--workers", "2"])).assert(125, "IMAGE");
}

#[test]
fn a_pool_in_which_nothing_could_be_made_is_a_failure() {
    let mock = Mock::new();
    let shown = done(&mut mock.command("pool", &["--for", "600ms", "--network", "nosuch"]));
    shown.assert(125, "no placeholder could be made: ");
    assert!(shown.stderr.contains("nosuch"), "{shown:?}");
}

#[test]
fn as_many_tasks_at_a_time_as_none_or_more_than_can_be_are_refused() {
    let mock = Mock::new();
    for workers in ["0", "10001"] {
        let args = ["--workers", workers, "--tasks", "3", "demo"];
        done(&mut mock.command("pool", &args)).assert(125, "--workers");
    }
}

#[test]
fn tasks_that_fail_are_counted_and_are_the_status() {
    let mock = Mock::new();
    for (program, how) in
        [("/exit-7", "3 tasks: 3 with code 7"), ("/none", "3 tasks: 3 not started")]
    {
        let args = ["--size", "1", "--tasks", "3", "failing", program];
        done(&mut mock.command("pool", &args)).assert(1, how);
    }
    let args = ["--size", "1", "--tasks", "2", "demo"];
    done(&mut mock.command("pool", &args)).assert(0, "2 tasks: 2 succeeded");
}

#[test]
fn ctrl_c_ends_a_pool_with_its_summary() {
    let mock = Mock::new();
    let mut run = Run::start(&mut mock.command("pool", &["--size", "1"]));
    run.until("nobody has borrowed yet\n");
    run.signal(Signal::INT);
    run.end().assert(130, "placeholder");
}
