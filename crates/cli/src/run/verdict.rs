//! From the end of a task to an exit status and what the user is told.

use longshore::{
    ByteSize, Exit, NetworkReport, NotStarted, OomEvidence, Outcome, Signal, StreamReport, TaskSpec,
};

use crate::failure::ENGINE;
use crate::render;

const TIMED_OUT: u8 = 124;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// Signal n is told as 128 + n, as a shell does.
const SIGNALLED: u8 = 128;

/// No path is longer.
const LONGEST_NAME: usize = 4096;

/// What this process knows of the end beside the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// The signal that this process got first, for which it cancelled the task.
    pub(super) interrupted: Option<Signal>,
    /// What became of writing to this process's own stdout and stderr, where that failed.
    pub(super) write_errors: Vec<String>,
}

/// An exit status and what to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The exit status of this process.
    pub(super) status: u8,
    /// Lines for stderr.
    pub(super) notes: Vec<String>,
}

/// Judges the end of a task.
///
/// Output that is not complete outweighs the task's own code, since whoever reads both would take
/// the part for the whole. It does not outweigh that the task was ended from here.
pub(super) fn judge(exit: &Exit, spec: &TaskSpec, circumstances: &Circumstances) -> Verdict {
    let mut notes = Vec::new();
    let own = own_status(exit, spec, circumstances, &mut notes);
    if exit.outcome != Outcome::OutOfMemory && oom_seen(exit.oom) {
        let main = if exit.alternatives.contains(&Outcome::OutOfMemory) {
            "perhaps its main one too"
        } else {
            "though not its main one"
        };
        notes.push(format!("processes of the task were killed because memory was used up, {main}"));
    }
    beyond_limit(exit, spec, &mut notes);
    match &exit.network {
        NetworkReport::FellBack => {
            notes
                .push("there was no network to borrow, and the task had one of its own".to_owned());
        }
        NetworkReport::Lost(why) => {
            notes.push(format!("the network that the task had borrowed was lost: {why}"));
        }
        _ => {}
    }
    let ended_from_here = matches!(exit.outcome, Outcome::Cancelled | Outcome::TimedOut);
    let mut status = own;
    if exit.output.is_incomplete() {
        notes.extend(incomplete(exit, circumstances));
        if !ended_from_here && status != ENGINE {
            notes.push(format!("the status of the task itself is {own}"));
            status = ENGINE;
        }
    }
    Verdict { status, notes }
}

fn own_status(
    exit: &Exit,
    spec: &TaskSpec,
    circumstances: &Circumstances,
    notes: &mut Vec<String>,
) -> u8 {
    match exit.outcome {
        Outcome::Code(code) => {
            notes.extend(hint(exit, spec));
            // The kernel keeps eight bits.
            u8::try_from(code).unwrap_or(u8::MAX)
        }
        Outcome::Signal(signal) => SIGNALLED + signal.number(),
        Outcome::Cancelled => match circumstances.interrupted {
            Some(signal) => {
                notes.push(format!("cancelled by {signal}"));
                SIGNALLED + signal.number()
            }
            None => {
                notes.push("cancelled, since nobody reads its output any more".to_owned());
                ENGINE
            }
        },
        Outcome::TimedOut => {
            let time = spec.timeout.unwrap_or_default();
            notes.push(format!("timed out after {}", humantime::format_duration(time)));
            TIMED_OUT
        }
        Outcome::OutOfMemory => {
            notes.push(match spec.limits.memory {
                Some(limit) => {
                    format!("out of memory: the task used up its {limit}; --memory gives it more")
                }
                None => {
                    "out of memory: the task used up the memory of the engine's host; --memory \
                         bounds it"
                        .to_owned()
                }
            });
            SIGNALLED + Signal::KILL.number()
        }
        Outcome::NotStarted(NotStarted::NotFound) => {
            notes.push(format!(
                "{} was not found in the image; check the command, and its path",
                program(spec)
            ));
            NOT_FOUND
        }
        Outcome::NotStarted(NotStarted::NotExecutable) => {
            notes.push(format!(
                "{} cannot be executed: it is no program for this platform, or its file is not \
                 executable for the user",
                program(spec)
            ));
            NOT_EXECUTABLE
        }
        Outcome::OutputLimit => {
            notes.push("the task was ended because it wrote more than --output-limit".to_owned());
            ENGINE
        }
        Outcome::Stopped => SIGNALLED + spec.stop.signal.unwrap_or(Signal::TERM).number(),
        Outcome::Lost => {
            let why = exit.engine_error.as_deref().unwrap_or("the engine does not say why");
            notes.push(format!(
                "the task was lost: its end was not seen ({why}); `longshore doctor` shows whether \
                 the engine is well"
            ));
            ENGINE
        }
        _ => {
            notes.push(format!("the end of the task is not understood: {:?}", exit.outcome));
            ENGINE
        }
    }
}

/// An init answers 126 and 127 both for itself and for the program.
fn hint(exit: &Exit, spec: &TaskSpec) -> Option<String> {
    let code = exit.code?;
    if exit.alternatives.contains(&Outcome::NotStarted(NotStarted::TooLong)) {
        return Some(format!(
            "status {code}: either the kernel refused arguments and variables of {} bytes, or the \
             program gave that status itself",
            spec.argument_bytes()
        ));
    }
    let what = exit.alternatives.iter().find_map(|other| match other {
        Outcome::NotStarted(NotStarted::NotFound) => Some("was not found in the image"),
        Outcome::NotStarted(NotStarted::NotExecutable) => Some("cannot be executed"),
        Outcome::NotStarted(NotStarted::NoRoom) => {
            Some("found no room among its user's processes (--ulimit nproc)")
        }
        _ => None,
    })?;
    Some(format!(
        "status {code}: either {} {what}, or it gave that status itself; --no-init tells them apart",
        program(spec)
    ))
}

fn program(spec: &TaskSpec) -> String {
    let entrypoint = spec.entrypoint.as_deref().unwrap_or_default();
    let quoted = |name: &str| format!("{:?}", render::shortened(name, LONGEST_NAME));
    match (entrypoint.first(), spec.args.first()) {
        (Some(program), _) => quoted(program),
        (None, Some(program)) => {
            format!("the command, {} or the image's entrypoint,", quoted(program))
        }
        (None, None) => "the image's command".to_owned(),
    }
}

fn oom_seen(evidence: OomEvidence) -> bool {
    match evidence {
        OomEvidence::Seen => true,
        OomEvidence::Kills(kills) => kills > 0,
        _ => false,
    }
}

fn streams(exit: &Exit) -> [(&'static str, StreamReport); 2] {
    [("stdout", exit.output.stdout), ("stderr", exit.output.stderr)]
}

fn beyond_limit(exit: &Exit, spec: &TaskSpec, notes: &mut Vec<String>) {
    let Some(limit) = spec.limits.output else { return };
    for (name, stream) in streams(exit) {
        if stream.discarded > 0 && stream.delivered == limit.bytes.bytes() {
            notes.push(format!(
                "{name}: {} beyond the limit of {} were thrown away",
                bytes(stream.discarded),
                ByteSize(stream.delivered)
            ));
        }
    }
}

fn incomplete(exit: &Exit, circumstances: &Circumstances) -> Vec<String> {
    let mut notes: Vec<String> = streams(exit)
        .into_iter()
        .filter(|(_, stream)| stream.is_incomplete())
        .map(|(name, stream)| {
            let delivered = bytes(stream.delivered);
            format!("{name} is not complete: {delivered} were delivered ({})", words(stream))
        })
        .collect();
    notes.extend(circumstances.write_errors.iter().cloned());
    notes
}

fn words(stream: StreamReport) -> &'static str {
    use longshore::StreamEnd::{Abandoned, Cut, WriterFailed};
    match stream.end {
        Cut => "the engine's connection was cut",
        Abandoned => "the rest was given up",
        WriterFailed => "the rest could not be written",
        _ => "the rest is unknown",
    }
}

fn bytes(count: u64) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

#[cfg(test)]
mod tests;
