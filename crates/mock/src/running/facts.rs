//! What a driver knows of an end, given what it can prove.

use longshore_driver_api::{Capabilities, ExitFacts, NotStarted, OomEvidence};

use super::run::{Seen, Will};
use crate::Ended;
use crate::sandbox::{Died, Sandbox};

pub(super) fn of(will: &Will, seen: &Seen, sandbox: &Sandbox, can: &Capabilities) -> ExitFacts {
    let mut facts = ExitFacts::default();
    facts.cancelled = will.cancelled;
    facts.timed_out = will.timed_out;
    facts.output_limit = will.output_limit;
    facts.stopped = will.stopped;
    facts.sent.clone_from(&will.sent);
    facts.code_hides_signal = !can.proves_signal;
    facts.code_hides_start = !can.proves_start;
    facts.one_hides_start = !can.proves_start && !can.proves_one;
    match seen {
        Seen::Lost(error) => facts.engine_error = Some(error.to_string()),
        Seen::Died(died) => {
            facts.oom = oom(sandbox.oom_kills(), can);
            match died {
                Died::Ended(Ended::Code(code)) => facts.code = Some(i32::from(*code)),
                Died::Ended(Ended::Signal(signal)) => {
                    facts.code = Some(128 + i32::from(signal.number()));
                    facts.signal = can.proves_signal.then_some(*signal);
                }
                Died::NotStarted(why) => {
                    facts.code = Some(match why {
                        _ if facts.one_hides_start => 1,
                        NotStarted::NotExecutable => 126,
                        _ => 127,
                    });
                    facts.not_started = can.proves_start.then_some(*why);
                }
            }
        }
    }
    facts
}

fn oom(kills: u64, can: &Capabilities) -> OomEvidence {
    match (can.proves_oom, can.counts_oom, kills) {
        (false, ..) => OomEvidence::Unknown,
        (true, true, kills) => OomEvidence::Kills(kills),
        (true, false, 0) => OomEvidence::None,
        (true, false, _) => OomEvidence::Seen,
    }
}
