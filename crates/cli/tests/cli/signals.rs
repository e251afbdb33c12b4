//! Ctrl-C and its kin.

use std::process::Command;

use rustix::process::Signal;

use crate::mock::Mock;
use crate::support::Run;

#[test]
fn each_signal_ends_the_task_and_is_the_status() {
    let mock = Mock::new();
    for (signal, status, name) in [
        (Signal::INT, 130, "SIGINT"),
        (Signal::TERM, 143, "SIGTERM"),
        (Signal::HUP, 129, "SIGHUP"),
        (Signal::QUIT, 131, "SIGQUIT"),
    ] {
        for program in ["/forever", "/stubborn"] {
            // Where the tests run under nohup, the command would ignore SIGHUP, as it should.
            let mut command = Command::new("env");
            let inner = mock.program(program);
            command.arg("--default-signal").arg(inner.get_program()).args(inner.get_args());
            let mut run = Run::start(&mut command);
            run.until("ready\n");
            run.signal(signal);
            run.end().assert(status, &format!("longshore: cancelled by {name}"));
        }
    }
}

#[test]
fn the_report_of_a_cancelled_task_says_so() {
    let mock = Mock::new();
    let json = mock.path("end.json");
    let mut run = Run::start(&mut mock.run(&["--json", &json, "--entrypoint", "/forever", "demo"]));
    run.until("ready\n");
    run.signal(Signal::INT);
    run.end().assert(130, "");
    let end = mock.json("end.json");
    assert_eq!(end["outcome"]["kind"], "cancelled");
    assert_eq!((&end["exit_status"], &end["status"]), (&130.into(), &"cancelled".into()));
}

#[test]
fn nohup_means_what_it_says() {
    let mock = Mock::new();
    let script = "trap '' HUP; exec \"$@\"";
    let mut command = Command::new("sh");
    let inner = mock.program("/forever");
    command.args(["-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    let mut run = Run::start(&mut command);
    run.until("ready\n");
    run.signal(Signal::HUP);
    run.signal(Signal::TERM);
    run.end().assert(143, "cancelled by SIGTERM");
}

/// Whether an interrupt is caught by now: sooner it ends the process at once.
pub(crate) fn catches_interrupts(run: &Run) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", run.child.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 2 == 2
}
