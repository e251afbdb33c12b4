//! Every outcome has its status.

use std::time::Duration;

use longshore::{ExitFacts, OutputLimit, OutputReport, SentFor, SentSignal, StreamEnd};

use super::*;

fn spec() -> TaskSpec {
    TaskSpec::builder("alpine")
        .args(["sh", "-c", "true"])
        .timeout(Duration::from_secs(2))
        .memory(ByteSize::mib(64))
        .build()
        .unwrap()
}

fn exit(outcome: Outcome) -> Exit {
    let mut exit = Exit::from_facts(ExitFacts::default());
    exit.outcome = outcome;
    exit.alternatives = Vec::new();
    let complete = StreamReport::new(StreamEnd::Complete, 5, 0);
    exit.output = OutputReport::new(complete, complete);
    exit
}

fn judged(exit: &Exit) -> Verdict {
    judge(exit, &spec(), &Circumstances::default())
}

fn signal(number: u8) -> Signal {
    Signal::from_number(number).unwrap()
}

#[test]
fn every_outcome_has_its_status() {
    let table = [
        (Outcome::Code(0), 0),
        (Outcome::Code(1), 1),
        (Outcome::Code(125), 125),
        (Outcome::Code(137), 137),
        (Outcome::Code(255), 255),
        (Outcome::Code(256), 255),
        (Outcome::Code(-1), 255),
        (Outcome::Signal(Signal::TERM), 143),
        (Outcome::Signal(Signal::KILL), 137),
        (Outcome::Signal(signal(64)), 192),
        (Outcome::TimedOut, 124),
        (Outcome::OutOfMemory, 137),
        (Outcome::NotStarted(NotStarted::NotExecutable), 126),
        (Outcome::NotStarted(NotStarted::NotFound), 127),
        (Outcome::OutputLimit, 125),
        (Outcome::Lost, 125),
        (Outcome::Stopped, 143),
        (Outcome::Cancelled, 125),
    ];
    for (outcome, status) in table {
        assert_eq!(judged(&exit(outcome)).status, status, "{outcome:?}");
    }
}

#[test]
fn a_task_that_ends_by_itself_with_whole_output_is_not_commented() {
    for outcome in [Outcome::Code(0), Outcome::Code(3), Outcome::Signal(Signal::TERM)] {
        assert_eq!(judged(&exit(outcome)).notes, [""; 0], "{outcome:?}");
    }
}

#[test]
fn a_cancelled_task_has_the_status_of_the_signal() {
    for (number, status) in [(2, 130), (15, 143), (1, 129), (3, 131)] {
        let circumstances =
            Circumstances { interrupted: Some(signal(number)), ..Circumstances::default() };
        let verdict = judge(&exit(Outcome::Cancelled), &spec(), &circumstances);
        assert_eq!(verdict.status, status);
        assert!(verdict.notes[0].contains("cancelled by SIG"), "{verdict:?}");
    }
}

#[test]
fn an_interrupt_that_came_too_late_changes_nothing() {
    let circumstances =
        Circumstances { interrupted: Some(Signal::INT), ..Circumstances::default() };
    assert_eq!(judge(&exit(Outcome::Code(0)), &spec(), &circumstances).status, 0);
}

#[test]
fn out_of_memory_is_said_with_the_limit_and_the_remedy() {
    let notes = judged(&exit(Outcome::OutOfMemory)).notes;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("out of memory") && notes[0].contains("64MiB"), "{notes:?}");
    assert!(notes[0].contains("--memory"), "{notes:?}");
}

#[test]
fn a_child_that_was_killed_for_memory_is_mentioned_and_does_not_change_the_status() {
    for (oom, said) in
        [(OomEvidence::Seen, 1), (OomEvidence::Kills(2), 1), (OomEvidence::Kills(0), 0)]
    {
        let mut exit = exit(Outcome::Code(0));
        exit.oom = oom;
        let verdict = judged(&exit);
        assert_eq!((verdict.status, verdict.notes.len()), (0, said), "{oom:?}");
    }
}

#[test]
fn where_the_main_process_may_have_been_killed_for_memory_the_opposite_is_not_said() {
    let mut exit = exit(Outcome::Code(137));
    exit.oom = OomEvidence::Seen;
    exit.alternatives = vec![Outcome::Signal(Signal::KILL), Outcome::OutOfMemory];
    let verdict = judged(&exit);
    assert_eq!((verdict.status, verdict.notes.len()), (137, 1));
    assert!(verdict.notes[0].ends_with("perhaps its main one too"), "{verdict:?}");
}

#[test]
fn incomplete_output_outweighs_the_tasks_own_status() {
    for end in [StreamEnd::Cut, StreamEnd::Abandoned, StreamEnd::WriterFailed] {
        for outcome in [Outcome::Code(0), Outcome::Code(3), Outcome::OutOfMemory] {
            let mut exit = exit(outcome);
            exit.output.stdout = StreamReport::new(end, 7, 1);
            let verdict = judged(&exit);
            assert_eq!(verdict.status, 125, "{end:?} {outcome:?}");
            let text = verdict.notes.join("\n");
            assert!(text.contains("stdout is not complete: 7 bytes were delivered"), "{text}");
            assert!(text.contains("the status of the task itself is"), "{text}");
        }
    }
}

#[test]
fn incomplete_output_does_not_outweigh_an_end_from_here() {
    let circumstances =
        Circumstances { interrupted: Some(Signal::INT), ..Circumstances::default() };
    for (outcome, status) in [(Outcome::TimedOut, 124), (Outcome::Cancelled, 130)] {
        let mut exit = exit(outcome);
        exit.output.stderr = StreamReport::new(StreamEnd::Abandoned, 0, 0);
        assert_eq!(judge(&exit, &spec(), &circumstances).status, status);
    }
}

#[test]
fn unverified_output_and_streams_that_nobody_wanted_are_not_incomplete() {
    for end in [StreamEnd::Unverified, StreamEnd::NotAttached, StreamEnd::Complete] {
        let mut exit = exit(Outcome::Code(4));
        exit.output.stdout = StreamReport::new(end, 0, 0);
        assert_eq!(judged(&exit).status, 4, "{end:?}");
    }
}

#[test]
fn what_a_limit_cut_off_is_counted_and_does_not_change_the_status() {
    let mut spec = spec();
    spec.limits.output = Some(OutputLimit::discard_beyond(ByteSize(5)));
    let mut exit = exit(Outcome::Code(0));
    exit.output.stdout = StreamReport::new(StreamEnd::Complete, 5, 12);
    let verdict = judge(&exit, &spec, &Circumstances::default());
    assert_eq!(verdict.status, 0);
    assert_eq!(verdict.notes, ["stdout: 12 bytes beyond the limit of 5B were thrown away"]);
}

#[test]
fn codes_that_an_init_may_have_given_come_with_a_hint() {
    for (code, other, words) in [
        (127, NotStarted::NotFound, "was not found"),
        (126, NotStarted::NotExecutable, "cannot be executed"),
    ] {
        let mut exit = exit(Outcome::Code(code));
        exit.code = Some(code);
        exit.alternatives = vec![Outcome::NotStarted(other)];
        let verdict = judged(&exit);
        assert_eq!(i32::from(verdict.status), code);
        assert!(verdict.notes[0].contains(words) && verdict.notes[0].contains("--no-init"));
    }
}

#[test]
fn a_code_that_could_be_a_signal_has_no_hint() {
    let mut exit = exit(Outcome::Code(143));
    exit.code = Some(143);
    exit.alternatives = vec![Outcome::Signal(Signal::TERM)];
    exit.sent = vec![SentSignal::new(Signal::TERM, SentFor::Signal)];
    assert_eq!(judged(&exit), Verdict { status: 143, notes: Vec::new() });
}

#[test]
fn a_lost_task_says_what_the_engine_said() {
    let mut exit = exit(Outcome::Lost);
    exit.engine_error = Some("connection refused".to_owned());
    let verdict = judged(&exit);
    assert!(verdict.notes[0].contains("connection refused"), "{verdict:?}");
}

#[test]
fn what_became_of_a_borrowed_network_is_told_where_it_is_news() {
    let with = |network| {
        let mut exit = exit(Outcome::Code(3));
        exit.network = network;
        judged(&exit)
    };
    for quiet in [NetworkReport::Own, NetworkReport::Lent] {
        assert_eq!(with(quiet), Verdict { status: 3, notes: Vec::new() });
    }
    let lost = with(NetworkReport::Lost("it was killed".to_owned()));
    assert_eq!(lost.status, 3);
    assert!(lost.notes[0].contains("was lost: it was killed"), "{lost:?}");
    assert!(with(NetworkReport::FellBack).notes[0].contains("one of its own"));
}
