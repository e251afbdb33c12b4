//! From what is known to one outcome.

use super::{NotStarted, OomEvidence, Outcome, SentSignal};
use crate::units::Signal;

/// What a backend knows of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExitFacts {
    /// The caller cancelled the task before its end was known.
    pub cancelled: bool,
    /// The timeout passed before the end was known.
    pub timed_out: bool,
    /// A stream went beyond its limit, and the task was to be killed for that.
    pub output_limit: bool,
    /// The caller stopped the task before its end was known.
    pub stopped: bool,
    /// The engine proves that the program could not be started.
    pub not_started: Option<NotStarted>,
    /// The code as the engine gives it. Absent: the end was not seen.
    pub code: Option<i32>,
    /// The signal that ended the main process, where the engine proves one.
    pub signal: Option<Signal>,
    /// Whether the engine writes `128 + n` both for signal `n` and for that code.
    pub code_hides_signal: bool,
    /// Whether an init answers 126 and 127 both for a program that it cannot start and for one
    /// that gives these codes itself.
    pub code_hides_start: bool,
    /// Kills for want of memory.
    pub oom: OomEvidence,
    /// The signals that the driver sent.
    pub sent: Vec<SentSignal>,
    /// What the engine says went wrong.
    pub engine_error: Option<String>,
}

/// An outcome, and what the same facts could mean as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The outcome.
    pub outcome: Outcome,
    /// Other outcomes that the facts do not rule out.
    pub alternatives: Vec<Outcome>,
}

impl Default for ExitFacts {
    fn default() -> Self {
        Self {
            cancelled: false,
            timed_out: false,
            output_limit: false,
            stopped: false,
            not_started: None,
            code: None,
            signal: None,
            code_hides_signal: false,
            code_hides_start: false,
            oom: OomEvidence::Unknown,
            sent: Vec::new(),
            engine_error: None,
        }
    }
}

impl ExitFacts {
    /// Decides, in the order of [`Outcome`]'s variants.
    ///
    /// The code 137 alone proves nothing: out of memory needs the main process killed and a kill
    /// for want of memory seen.
    #[must_use]
    pub fn decide(&self) -> Decision {
        let proven = |outcome| Decision { outcome, alternatives: Vec::new() };
        if self.cancelled {
            return proven(Outcome::Cancelled);
        }
        if self.timed_out {
            return proven(Outcome::TimedOut);
        }
        if self.output_limit {
            return proven(Outcome::OutputLimit);
        }
        if self.stopped {
            return proven(Outcome::Stopped);
        }
        if let Some(why) = self.not_started {
            return proven(Outcome::NotStarted(why));
        }
        if let Some(signal) = self.signal {
            return proven(if signal == Signal::KILL && self.oom_seen() {
                Outcome::OutOfMemory
            } else {
                Outcome::Signal(signal)
            });
        }
        match self.code {
            None => proven(Outcome::Lost),
            Some(code) => self.decide_code(code),
        }
    }

    fn decide_code(&self, code: i32) -> Decision {
        let own = Outcome::Code(code);
        if self.code_hides_signal
            && let Some(signal) = Signal::from_exit_code(code)
        {
            if signal == Signal::KILL && self.oom_seen() {
                return Decision { outcome: Outcome::OutOfMemory, alternatives: vec![own] };
            }
            return Decision { outcome: own, alternatives: vec![Outcome::Signal(signal)] };
        }
        let start = match code {
            126 => Some(NotStarted::NotExecutable),
            127 => Some(NotStarted::NotFound),
            _ => None,
        };
        let alternatives = start.filter(|_| self.code_hides_start).map(Outcome::NotStarted);
        Decision { outcome: own, alternatives: alternatives.into_iter().collect() }
    }

    fn oom_seen(&self) -> bool {
        match self.oom {
            OomEvidence::Seen => true,
            OomEvidence::Kills(kills) => kills > 0,
            OomEvidence::None | OomEvidence::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shell(code: i32) -> ExitFacts {
        ExitFacts {
            code: Some(code),
            code_hides_signal: true,
            oom: OomEvidence::None,
            ..ExitFacts::default()
        }
    }

    #[test]
    fn code_137_without_oom_evidence_is_not_out_of_memory() {
        let decision = shell(137).decide();
        assert_eq!(decision.outcome, Outcome::Code(137));
        assert_eq!(decision.alternatives, [Outcome::Signal(Signal::KILL)]);
    }

    #[test]
    fn code_137_with_oom_evidence_is_out_of_memory_and_says_what_else_it_could_be() {
        let decision = ExitFacts { oom: OomEvidence::Seen, ..shell(137) }.decide();
        assert_eq!(decision.outcome, Outcome::OutOfMemory);
        assert_eq!(decision.alternatives, [Outcome::Code(137)]);
    }

    #[test]
    fn a_childs_death_by_oom_does_not_change_the_mains_code() {
        let decision = ExitFacts { oom: OomEvidence::Kills(3), ..shell(0) }.decide();
        assert_eq!(decision, Decision { outcome: Outcome::Code(0), alternatives: vec![] });
    }

    #[test]
    fn codes_126_and_127_of_an_init_may_mean_that_nothing_started() {
        let facts = ExitFacts { code_hides_start: true, ..shell(127) };
        assert_eq!(facts.decide().alternatives, [Outcome::NotStarted(NotStarted::NotFound)]);
        assert_eq!(shell(127).decide().alternatives, []);
    }

    #[test]
    fn no_code_is_lost_and_never_success() {
        assert_eq!(ExitFacts::default().decide().outcome, Outcome::Lost);
    }

    proptest! {
        #[test]
        fn what_the_driver_did_comes_before_what_the_code_says(code: i32, cancelled: bool, timed_out: bool, output_limit: bool, stopped: bool) {
            let facts = ExitFacts { cancelled, timed_out, output_limit, stopped, ..shell(code) };
            let expected = match (cancelled, timed_out, output_limit, stopped) {
                (true, ..) => Outcome::Cancelled,
                (_, true, ..) => Outcome::TimedOut,
                (_, _, true, _) => Outcome::OutputLimit,
                (.., true) => Outcome::Stopped,
                _ => Outcome::Code(code),
            };
            prop_assert_eq!(facts.decide().outcome, expected);
        }
    }
}
