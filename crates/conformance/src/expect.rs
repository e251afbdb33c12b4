//! What the contract expects, given what a driver can prove.

use longshore_driver_api::{
    Capabilities, Exit, NotStarted, OomEvidence, Outcome, Signal, StreamEnd, StreamReport,
};

/// The outcome of a task that ended by itself with `code`, and what cannot be ruled out.
pub(crate) fn code(caps: &Capabilities, code: u8) -> (Outcome, Vec<Outcome>) {
    if code == 1 && !caps.proves_one && !caps.proves_start {
        let hidden = [NotStarted::NotFound, NotStarted::NotExecutable].map(Outcome::NotStarted);
        return (Outcome::Code(1), hidden.to_vec());
    }
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

/// The outcome of a task whose main process was killed for want of memory. Which process of the
/// container it was is not known.
pub(crate) fn out_of_memory(caps: &Capabilities) -> (Outcome, Vec<Outcome>) {
    let (killed, mut others) = death(caps, Signal::KILL);
    if !caps.proves_oom {
        return (killed, others);
    }
    others.insert(0, killed);
    (Outcome::OutOfMemory, others)
}

/// The outcome of a task that the caller killed, where a kill for want of memory was seen or not.
pub(crate) fn killed_by_caller(caps: &Capabilities, oom_seen: bool) -> (Outcome, Vec<Outcome>) {
    let (killed, mut others) = death(caps, Signal::KILL);
    others.extend(oom_seen.then_some(Outcome::OutOfMemory));
    (killed, others)
}

/// Whether an exit says what it should of a program that could not be started, under an init.
pub(crate) fn is_not_started(caps: &Capabilities, exit: &Exit, why: NotStarted) -> bool {
    let told = told(exit);
    if caps.proves_start {
        return told == (Outcome::NotStarted(why), Vec::new());
    }
    // Though it cannot always be told, it may be in this case.
    if told == (Outcome::NotStarted(why), Vec::new()) {
        return true;
    }
    let usual = code(caps, if why == NotStarted::NotExecutable { 126 } else { 127 });
    told == usual || (!caps.proves_one && told == code(caps, 1))
}

/// The outcome of a further process that could not be started.
pub(crate) fn exec_not_started(caps: &Capabilities, why: NotStarted) -> (Outcome, Vec<Outcome>) {
    if caps.exec_proves_start {
        return (Outcome::NotStarted(why), Vec::new());
    }
    let code = if why == NotStarted::NotExecutable { 126 } else { 127 };
    (Outcome::Code(code), vec![Outcome::NotStarted(why)])
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
