//! Whether what the caller was told is the truth.

use longshore_driver_api::{Captured, ErrorKind, Exit, Outcome, StreamEnd, StreamReport};
use longshore_testee::{STDERR, STDOUT, pattern};
use longshore_tests::{Fault, Place, Step};

use crate::act::{Ended, Play};
use crate::case::{Action, Often, Program};
use crate::expect::Expected;

/// Everything that is wrong with what the caller was told.
///
/// `forgets`: the engine says of some tasks that have ended, and whose wait was not answered, that they
/// were never started.
pub(crate) fn wrong(play: &Play, ended: &Ended, captured: &Captured, forgets: bool) -> Vec<String> {
    let mut problems = play.wrong.lock().expect("nobody panics meanwhile").clone();
    let expected = expected(play);
    match ended {
        Ended::Dropped => {}
        Ended::Failed(error) if error.kind() == ErrorKind::Closed => {
            if play.case.action != Action::Close {
                problems.push(format!("closed by nobody: {error}"));
            }
        }
        Ended::Failed(error) => {
            let is_timed_out = play.case.action == Action::Deadline
                && play.case.health
                && error.kind() == ErrorKind::EndedEarly;
            let kind = error.kind();
            // An archive that is being read.
            let ends_with_its_container = play.case.action == Action::Close
                && play.case.step == Step::ArchiveOut
                && kind == ErrorKind::Io;
            match expected {
                Expected::Failure(wanted) | Expected::Either(wanted) if wanted == kind => {}
                _ if is_timed_out => {}
                _ if ends_with_its_container => {}
                Expected::Success => problems.push(format!("failed without need: {error}")),
                _ => problems.push(format!("failed as {kind:?} and not {expected:?}: {error}")),
            }
        }
        Ended::Pulled | Ended::Exited(_) => {
            if matches!(expected, Expected::Failure(_)) {
                problems.push(format!("did not end in {expected:?}"));
            }
        }
    }
    if let Ended::Exited(exit) = ended {
        if !(forgets && is_forgotten(play, exit)) {
            outcome(play, exit, &mut problems);
        }
        output(play, exit, captured, &mut problems);
    }
    problems
}

/// What the way to the task's start has to end in, by what is broken on it.
fn expected(play: &Play) -> Expected {
    let on_the_way = match play.case.step {
        Step::Image | Step::Pull | Step::Create | Step::Connect | Step::Start => true,
        Step::Attach | Step::Wait | Step::ArchiveIn | Step::ArchiveOut => true,
        Step::Inspect | Step::Events => play.case.health,
        _ => false,
    };
    if on_the_way { Expected::of(&play.case) } else { Expected::Success }
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
        // The wait may be broken for ever, and still the engine knows how the task has ended.
        None => {
            exit.outcome == own
                || (play.case.action == Action::Close && exit.outcome == Outcome::Cancelled)
                // An end that another could have brought about.
                || (exit.outcome == Outcome::Lost && play.case.leaves_no_proof())
        }
    };
    if !fits {
        problems.push(format!("the outcome is {:?} ({:?})", exit.outcome, exit.engine_error));
    }
}

/// Whether the engine knows nothing of a task's end any more.
fn is_forgotten(play: &Play, exit: &Exit) -> bool {
    let why = exit.engine_error.as_deref().unwrap_or_default();
    play.case.step == Step::Wait && exit.outcome == Outcome::Lost && why.contains("never started")
}

fn output(play: &Play, exit: &Exit, captured: &Captured, problems: &mut Vec<String>) {
    // A task whose input was cut while it ran wrote less, and all of that may have come.
    let cuts_input = matches!(play.case.fault, Fault::Truncate(place) if place != Place::Head);
    let wrote_all = matches!(exit.outcome, Outcome::Code(_))
        && !(play.program == Program::Fed && play.case.step == Step::Attach && cuts_input);
    // What was not broken must not be called incomplete.
    let must_be_whole =
        wrote_all && play.case.step != Step::Attach && play.case.action != Action::Close;
    let wrote = Wrote {
        bytes: play.bytes,
        lengths: play.program.lengths(),
        all: wrote_all,
        must_be_whole,
        unseen_cut: has_unseen_cut(play),
    };
    check_output(&wrote, exit, captured, problems);
}

/// Whether a cut may pass for the end of the streams: one between two frames in the last second, or
/// one each time that they are attached to, before anything comes.
fn has_unseen_cut(play: &Play) -> bool {
    let (Fault::Truncate(place) | Fault::HalfClose(place)) = play.case.fault else { return false };
    let lasts = play.program == Program::Slow;
    play.case.step == Step::Attach
        && match place {
            Place::Frames(_) => !lasts,
            Place::HeadEnd => !lasts || play.case.often == Often::UntilClose,
            _ => false,
        }
}

/// What a program was to write.
pub(crate) struct Wrote {
    /// What the bytes are drawn with.
    pub(crate) bytes: u64,
    /// How many, to both streams.
    pub(crate) lengths: [usize; 2],
    /// Whether all of them were surely written.
    pub(crate) all: bool,
    /// Whether nothing may be said to be missing.
    pub(crate) must_be_whole: bool,
    /// Whether some may be missing without the driver's knowing.
    pub(crate) unseen_cut: bool,
}

/// Compares what came with what was written, and with what is said of it.
pub(crate) fn check_output(
    wrote: &Wrote,
    exit: &Exit,
    captured: &Captured,
    problems: &mut Vec<String>,
) {
    let [out, err] = wrote.lengths;
    for (number, name, report, got, length) in [
        (STDOUT, "stdout", exit.output.stdout, captured.stdout(), out),
        (STDERR, "stderr", exit.output.stderr, captured.stderr(), err),
    ] {
        let expected = pattern(wrote.bytes, number).bytes_of(length);
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
        let is_missing = wrote.all && got.len() < length;
        let is_unseen = wrote.unseen_cut && report.end == StreamEnd::Unverified;
        if is_missing && !report.is_incomplete() && !is_unseen {
            say("bytes are missing and that is not said");
        }
        if is_complete(report) && wrote.all && got.len() != length {
            say("it is called complete");
        }
        if wrote.must_be_whole && report.is_incomplete() {
            say("it is called incomplete without need");
        }
    }
}

fn is_complete(report: StreamReport) -> bool {
    report.end == StreamEnd::Complete
}
