//! What the contract expects, given what a driver can prove.

use longshore_driver_api::{
    Capabilities, Exit, NotStarted, OomEvidence, Outcome, Signal, StreamEnd, StreamReport,
};

/// The outcome of a task that ended by itself with `code`, and what cannot be ruled out.
pub(crate) fn code(caps: &Capabilities, code: u8) -> (Outcome, Vec<Outcome>) {
    let other = match code {
        126 if !caps.proves_start => Some(Outcome::NotStarted(NotStarted::NotExecutable)),
        127 if !caps.proves_start => Some(Outcome::NotStarted(NotStarted::NotFound)),
        129..=192 if !caps.proves_signal => Signal::from_number(code - 128).map(Outcome::Signal),
        _ => None,
    };
    (Outcome::Code(i32::from(code)), other.into_iter().collect())
}

/// The outcome of a task that died by a signal that nobody here sent.
pub(crate) fn death(caps: &Capabilities, signal: Signal) -> (Outcome, Vec<Outcome>) {
    if caps.proves_signal {
        (Outcome::Signal(signal), Vec::new())
    } else {
        code(caps, 128 + signal.number())
    }
}

/// The outcome of a task whose main process was killed for want of memory.
pub(crate) fn out_of_memory(caps: &Capabilities) -> (Outcome, Vec<Outcome>) {
    match (caps.proves_oom, caps.proves_signal) {
        (true, true) => (Outcome::OutOfMemory, Vec::new()),
        (true, false) => (Outcome::OutOfMemory, vec![Outcome::Code(137)]),
        (false, _) => death(caps, Signal::KILL),
    }
}

/// The outcome of a program that could not be started, under an init.
pub(crate) fn not_started(caps: &Capabilities, why: NotStarted) -> (Outcome, Vec<Outcome>) {
    if caps.proves_start {
        return (Outcome::NotStarted(why), Vec::new());
    }
    code(caps, if why == NotStarted::NotExecutable { 126 } else { 127 })
}

/// Outcome and alternatives of an exit, to be compared with the above.
pub(crate) fn told(exit: &Exit) -> (Outcome, Vec<Outcome>) {
    (exit.outcome, exit.alternatives.clone())
}

/// Whether a kill for want of memory was seen.
pub(crate) fn oom_seen(exit: &Exit) -> bool {
    match exit.oom {
        OomEvidence::Seen => true,
        OomEvidence::Kills(kills) => kills > 0,
        _ => false,
    }
}

/// A stream of which every byte was delivered.
pub(crate) fn whole(caps: &Capabilities, bytes: u64) -> StreamReport {
    StreamReport::new(whole_end(caps), bytes, 0)
}

/// How a stream ends of which nothing is missing.
pub(crate) fn whole_end(caps: &Capabilities) -> StreamEnd {
    if caps.output_end { StreamEnd::Complete } else { StreamEnd::Unverified }
}
