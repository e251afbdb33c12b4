//! Whether what the caller was told is the truth.

use longshore_driver_api::{Captured, ErrorKind, Exit, Outcome, StreamEnd, StreamReport};
use longshore_testee::{STDERR, STDOUT, pattern};
use longshore_tests::{Fault, Step};

use crate::act::{ERR, Ended, OUT, Play};
use crate::case::{Action, Program};

/// Everything that is wrong with what the caller was told.
pub(crate) fn wrong(play: &Play, ended: &Ended, captured: &Captured) -> Vec<String> {
    let mut problems = Vec::new();
    match ended {
        Ended::Dropped => {}
        Ended::Failed(error) => {
            let closed = error.kind() == ErrorKind::Closed;
            if closed && play.case.action != Action::Close {
                problems.push(format!("closed by nobody: {error}"));
            }
            if !closed && !may_fail(play) {
                problems.push(format!("failed without need: {error}"));
            }
        }
        Ended::Exited(exit) => {
            outcome(play, exit, &mut problems);
            output(play, exit, captured, &mut problems);
        }
    }
    problems
}

/// Whether the case may end in an engine's error: one before the task runs, and not one that only
/// takes time.
fn may_fail(play: &Play) -> bool {
    let before = [Step::Image, Step::Create, Step::Attach, Step::Wait, Step::Start];
    before.contains(&play.case.step) && !play.case.is_harmless()
}

fn outcome(play: &Play, exit: &Exit, problems: &mut Vec<String>) {
    let own = Outcome::Code(if play.program == Program::Fails { 7 } else { 0 });
    let ended_by_us = match play.case.action {
        Action::Cancel | Action::Freeze => Some(Outcome::Cancelled),
        Action::Deadline => Some(Outcome::TimedOut),
        Action::Stop => Some(Outcome::Stopped),
        Action::Wait | Action::Drop | Action::Close => None,
    };
    let fits = match ended_by_us {
        Some(expected) => exit.outcome == expected,
        // These cancel before they are dropped or closed.
        None if play.program == Program::Sleeps => exit.outcome == Outcome::Cancelled,
        None => {
            exit.outcome == own
                || (play.case.action == Action::Close && exit.outcome == Outcome::Cancelled)
                || (exit.outcome == Outcome::Lost
                    && matches!(play.case.step, Step::Wait | Step::Inspect)
                    && !play.case.is_harmless())
        }
    };
    if !fits {
        problems.push(format!("the outcome is {:?} ({:?})", exit.outcome, exit.engine_error));
    }
}

fn output(play: &Play, exit: &Exit, captured: &Captured, problems: &mut Vec<String>) {
    let (out, err) = match play.program {
        Program::Quick | Program::Slow => (OUT, ERR),
        Program::Fed => (OUT, 0),
        Program::Fails | Program::Sleeps => (0, 0),
    };
    // A task whose input was cut while it ran wrote less, and all of that may have come.
    let cuts_input = matches!(play.case.fault, Fault::TruncateReply(250) | Fault::CutStream(_));
    let wrote_all = matches!(exit.outcome, Outcome::Code(_))
        && !(play.program == Program::Fed && play.case.step == Step::Attach && cuts_input);
    // What was not broken must not be called incomplete.
    let must_be_whole =
        wrote_all && play.case.step != Step::Attach && play.case.action != Action::Close;
    for (number, name, report, got, length) in [
        (STDOUT, "stdout", exit.output.stdout, captured.stdout(), out),
        (STDERR, "stderr", exit.output.stderr, captured.stderr(), err),
    ] {
        let expected = pattern(play.bytes, number).bytes_of(length);
        let mut say = |what: &str| {
            let have = got.len();
            problems.push(format!("{name}: {what}: {have} of {length} bytes, {report:?}"));
        };
        if !expected.starts_with(&got) {
            say("these are not the task's bytes");
        }
        if report.delivered != got.len() as u64 {
            say("the count is wrong");
        }
        if wrote_all && got.len() < length && !report.is_incomplete() {
            say("bytes are missing and that is not said");
        }
        if is_complete(report) && wrote_all && got.len() != length {
            say("it is called complete");
        }
        if must_be_whole && report.is_incomplete() {
            say("it is called incomplete without need");
        }
    }
}

fn is_complete(report: StreamReport) -> bool {
    report.end == StreamEnd::Complete
}
