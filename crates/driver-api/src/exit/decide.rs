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
    /// Whether an engine answers 125 both for a process that it refused to start and for one that
    /// gives this code itself.
    pub code_hides_refusal: bool,
    /// Whether an init answers 1 both for any program that it cannot start and for one that gives
    /// this code itself.
    pub one_hides_start: bool,
    /// Whether an init answers 1 both for a program for which there was no room among the
    /// processes and for one that gives this code itself.
    pub code_hides_no_room: bool,
    /// Whether 1 is also what a program leaves whose arguments and environment the kernel may have
    /// refused.
    pub code_hides_too_long: bool,
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
            code_hides_refusal: false,
            one_hides_start: false,
            code_hides_no_room: false,
            code_hides_too_long: false,
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
    /// for want of memory seen. Since that kill may have been another process's, the main one's
    /// other ends stay possible; and where the caller sent a kill, that is the likelier one.
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
            return self.killed(signal, vec![Outcome::Signal(signal)]);
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
            return self.killed(signal, vec![own, Outcome::Signal(signal)]);
        }
        let starts = [
            (1, self.one_hides_start, NotStarted::NotFound),
            (1, self.one_hides_start, NotStarted::NotExecutable),
            (1, self.code_hides_no_room, NotStarted::NoRoom),
            (1, self.code_hides_too_long, NotStarted::TooLong),
            (125, self.code_hides_refusal, NotStarted::Refused),
            (126, self.code_hides_start, NotStarted::NotExecutable),
            (127, self.code_hides_start, NotStarted::NotFound),
        ];
        let hidden = starts.into_iter().filter(|(hiding, hides, _)| *hides && *hiding == code);
        let alternatives = hidden.map(|(_, _, why)| Outcome::NotStarted(why)).collect();
        Decision { outcome: own, alternatives }
    }

    /// The end by `signal`, which shows as any of `shown`, the likeliest first.
    ///
    /// Kills for want of memory are known of the container, and not of its main process.
    fn killed(&self, signal: Signal, mut shown: Vec<Outcome>) -> Decision {
        if signal == Signal::KILL && self.oom_seen() {
            let by_caller = self.sent.iter().any(|sent| sent.signal == Signal::KILL);
            let place = if by_caller { shown.len() } else { 0 };
            shown.insert(place, Outcome::OutOfMemory);
        }
        let outcome = shown.remove(0);
        Decision { outcome, alternatives: shown }
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

    use super::super::SentFor;
    use super::*;

    const KILLED: Outcome = Outcome::Signal(Signal::KILL);

    fn shell(code: i32) -> ExitFacts {
        ExitFacts {
            code: Some(code),
            code_hides_signal: true,
            oom: OomEvidence::None,
            ..ExitFacts::default()
        }
    }

    #[test]
    fn a_code_of_one_that_an_init_may_have_given_is_unproven() {
        let one = ExitFacts { one_hides_start: true, ..shell(1) };
        let hidden = [NotStarted::NotFound, NotStarted::NotExecutable].map(Outcome::NotStarted);
        let expected = Decision { outcome: Outcome::Code(1), alternatives: hidden.to_vec() };
        assert_eq!(one.decide(), expected);
        assert_eq!(shell(1).decide().alternatives, []);
        assert_eq!(ExitFacts { code: Some(2), ..one }.decide().alternatives, []);
        let refused = ExitFacts { code_hides_refusal: true, ..shell(125) };
        let hidden = vec![Outcome::NotStarted(NotStarted::Refused)];
        assert_eq!(refused.decide().alternatives, hidden);
        assert_eq!(shell(125).decide().alternatives, []);
    }

    #[test]
    fn code_137_without_oom_evidence_is_not_out_of_memory() {
        let decision = shell(137).decide();
        assert_eq!(decision.outcome, Outcome::Code(137));
        assert_eq!(decision.alternatives, [Outcome::Signal(Signal::KILL)]);
    }

    #[test]
    fn code_137_with_oom_evidence_is_out_of_memory_and_says_what_else_it_could_be() {
        let facts = ExitFacts { oom: OomEvidence::Seen, ..shell(137) };
        let decision = facts.decide();
        assert_eq!(decision.outcome, Outcome::OutOfMemory);
        assert_eq!(decision.alternatives, [Outcome::Code(137), KILLED]);
        let told = ExitFacts { signal: Some(Signal::KILL), ..facts };
        let expected = Decision { outcome: Outcome::OutOfMemory, alternatives: vec![KILLED] };
        assert_eq!(told.decide(), expected);
    }

    #[test]
    fn a_kill_by_the_caller_is_likelier_than_a_kill_for_want_of_memory_that_was_seen() {
        let sent = |signal| vec![SentSignal::new(signal, SentFor::Signal)];
        let facts =
            ExitFacts { oom: OomEvidence::Kills(1), sent: sent(Signal::KILL), ..shell(137) };
        let decision = facts.decide();
        assert_eq!(decision.outcome, Outcome::Code(137));
        assert_eq!(decision.alternatives, [KILLED, Outcome::OutOfMemory]);
        let told = ExitFacts { signal: Some(Signal::KILL), ..facts.clone() };
        let expected = Decision { outcome: KILLED, alternatives: vec![Outcome::OutOfMemory] };
        assert_eq!(told.decide(), expected);
        let other = ExitFacts { sent: sent(Signal::TERM), ..facts };
        assert_eq!(other.decide().outcome, Outcome::OutOfMemory);
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
    fn code_1_of_an_init_may_mean_that_there_was_no_room_for_the_program() {
        let facts = ExitFacts { code_hides_no_room: true, ..shell(1) };
        assert_eq!(facts.decide().alternatives, [Outcome::NotStarted(NotStarted::NoRoom)]);
        assert_eq!(shell(1).decide().alternatives, []);
        assert_eq!(ExitFacts { code: Some(2), ..facts }.decide().alternatives, []);
    }

    #[test]
    fn code_1_of_a_task_with_much_to_hand_over_may_mean_that_the_kernel_refused_it() {
        let facts = ExitFacts { code_hides_too_long: true, ..shell(1) };
        assert_eq!(facts.decide().alternatives, [Outcome::NotStarted(NotStarted::TooLong)]);
        assert_eq!(ExitFacts { code: Some(2), ..facts }.decide().alternatives, []);
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
