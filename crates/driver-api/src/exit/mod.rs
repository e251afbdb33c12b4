//! How a task ended, and how that is known.

mod decide;
mod output;
mod timings;

pub use decide::{Decision, ExitFacts};
pub use output::{OutputReport, StreamEnd, StreamReport};
pub use timings::Timings;

use serde::Serialize;

use crate::units::Signal;

/// How a task ended. Exactly one of these, the first that applies in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The caller cancelled it, or closed the container while it ran.
    Cancelled,
    /// Its timeout passed, whatever code followed.
    TimedOut,
    /// It wrote more than its limit, which was to end it: it was killed for it, unless it had
    /// ended by itself before all that it wrote was read. [`Exit::sent`] tells which.
    OutputLimit,
    /// The caller stopped it.
    Stopped,
    /// The kernel killed its main process because memory was used up: it was killed, and a kill for
    /// want of memory was seen in the container. If that was of another process, the main one ended
    /// as [`Exit::alternatives`] say. If the caller had sent a kill, that is told first, and this is
    /// an alternative.
    OutOfMemory,
    /// A signal ended its main process: one that the caller sent as such ([`Exit::sent`]), or that
    /// the driver did not send.
    Signal(Signal),
    /// Its main process ended by itself with this code, 0 for success.
    Code(i32),
    /// Its program could not be started.
    NotStarted(NotStarted),
    /// Nobody knows: the engine or the container vanished before the end was seen, or the engine may
    /// have ended it itself, as it was stopped or started.
    Lost,
}

/// Why a program could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotStarted {
    /// There is no such program in the container.
    NotFound,
    /// It is there and cannot be executed.
    NotExecutable,
    /// There was no room for its process: the task, or its user, has as many as it may.
    NoRoom,
    /// Its arguments and its environment together are longer than the kernel takes.
    TooLong,
    /// The engine refused to start a further process in a container; [`Exit::engine_error`] says
    /// why. For a task's own process that is an error of [`start`](crate::Container::start).
    Refused,
}

/// What is known of kills for want of memory in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OomEvidence {
    /// The engine says that there was none.
    None,
    /// There was at least one, of any process of the container.
    Seen,
    /// There were this many, of all processes of the container.
    Kills(u64),
    /// The engine cannot tell.
    Unknown,
}

/// Why the driver sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SentFor {
    /// The caller cancelled the task or closed its container.
    Cancel,
    /// The timeout passed.
    Timeout,
    /// An output stream went beyond its limit.
    OutputLimit,
    /// The caller asked the task to stop.
    Stop,
    /// The caller sent exactly this signal.
    Signal,
}

/// A signal that the driver sent to the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct SentSignal {
    /// The signal.
    pub signal: Signal,
    /// Why.
    pub reason: SentFor,
}

impl SentSignal {
    /// A signal and why it was sent.
    #[must_use]
    pub const fn new(signal: Signal, reason: SentFor) -> Self {
        Self { signal, reason }
    }
}

/// What became of the network that the task asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NetworkReport {
    /// It was the task's own, as it asked for it.
    #[default]
    Own,
    /// It was lent, and was there to the end.
    Lent,
    /// None could be lent, and the task had one of its own instead.
    FellBack,
    /// It was lent and was lost while the task ran, for this reason: from then on the task had no
    /// network.
    Lost(String),
}

/// The end of a task: one outcome, and beside it everything that is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Exit {
    /// How it ended.
    pub outcome: Outcome,
    /// What the same evidence could mean as well. Empty: the outcome is proven.
    pub alternatives: Vec<Outcome>,
    /// The code as the engine gives it; many engines write `128 + n` for signal `n`.
    pub code: Option<i32>,
    /// The signal that ended the main process, where the engine proves one.
    pub signal: Option<Signal>,
    /// Kills for want of memory, of the main process or of others.
    pub oom: OomEvidence,
    /// The signals that the driver sent, in order. One is listed too if the engine did not answer,
    /// since it may have come; of a kill that was sent again for that, only the first.
    pub sent: Vec<SentSignal>,
    /// What the engine says went wrong, if it says anything.
    pub engine_error: Option<String>,
    /// What became of the output.
    pub output: OutputReport,
    /// What became of its network.
    pub network: NetworkReport,
    /// How long everything took.
    pub timings: Timings,
}

impl Exit {
    /// The end that follows from `facts`, with nothing known of output and timings yet.
    #[must_use]
    pub fn from_facts(facts: ExitFacts) -> Self {
        let Decision { outcome, alternatives } = facts.decide();
        Self {
            outcome,
            alternatives,
            code: facts.code,
            signal: facts.signal,
            oom: facts.oom,
            sent: facts.sent,
            engine_error: facts.engine_error,
            output: OutputReport::default(),
            network: NetworkReport::default(),
            timings: Timings::default(),
        }
    }

    /// Whether the task ended by itself with code 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.outcome == Outcome::Code(0)
    }

    /// Whether the evidence allows no other outcome.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// The word of Fn's driver for it: `success`, `error`, `timeout`, `killed` or `cancelled`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self.outcome {
            Outcome::Code(0) => "success",
            Outcome::Cancelled => "cancelled",
            Outcome::TimedOut => "timeout",
            Outcome::OutOfMemory | Outcome::OutputLimit | Outcome::Stopped | Outcome::Signal(_) => {
                "killed"
            }
            Outcome::Code(_) if self.alternatives.contains(&Outcome::Signal(Signal::KILL)) => {
                "killed"
            }
            Outcome::Code(_) | Outcome::NotStarted(_) | Outcome::Lost => "error",
        }
    }
}
