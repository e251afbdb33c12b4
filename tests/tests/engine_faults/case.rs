//! The matrix.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use longshore_tests::{Fault, Script, Step};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// What the caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Waits for the end.
    Wait,
    /// Drops the future at the moment of the fault.
    Drop,
    /// Closes the container at the moment of the fault.
    Close,
    /// Cancels the task once it runs.
    Cancel,
    /// Has given the task a timeout.
    Deadline,
    /// Stops the task once it runs.
    Stop,
    /// Freezes the task, lets it go on, and cancels it.
    Freeze,
}

/// How often the fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Often {
    /// To the first request.
    Once,
    /// To every request, until the driver is closed.
    UntilClose,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Case {
    pub(crate) step: Step,
    pub(crate) fault: Fault,
    pub(crate) often: Often,
    pub(crate) action: Action,
}

/// Steps that come before there is a container, or beside it.
const AROUND: [Step; 3] = [Step::Version, Step::Info, Step::List];
/// Steps that every task goes through.
const THROUGH: [Step; 7] =
    [Step::Image, Step::Create, Step::Attach, Step::Wait, Step::Start, Step::Inspect, Step::Remove];

/// Numbers of bytes are chosen so that they fall within the engine's head (20), within its body or
/// a frame (250: an attached stream's head has 109 bytes, a wait's 205).
const FAULTS: [Fault; 17] = [
    Fault::Refuse,
    Fault::CutBeforeRequest,
    Fault::CutThenLate(Duration::from_millis(400)),
    Fault::CutAfterRequest,
    Fault::Stall,
    Fault::StallBefore,
    Fault::StallAfter(250),
    Fault::Delay(Duration::from_millis(300)),
    Fault::Status500,
    Fault::Status500After,
    Fault::TruncateReply(20),
    Fault::TruncateReply(250),
    Fault::HalfClose(20),
    Fault::HalfClose(250),
    Fault::CutStream(5),
    Fault::Garbage,
    Fault::DuplicateReply,
];

impl Case {
    /// The whole matrix, in a fixed order.
    pub(crate) fn all() -> Vec<Self> {
        use Action::{Cancel, Close, Deadline, Drop, Freeze, Stop, Wait};
        let around = AROUND.map(|step| (step, vec![Wait]));
        let through = THROUGH.map(|step| (step, vec![Wait, Drop, Close, Cancel, Deadline]));
        let special = [
            (Step::Kill, vec![Drop, Close, Cancel, Deadline, Stop]),
            (Step::Wait, vec![Stop, Freeze]),
            (Step::Events, vec![Wait, Cancel, Deadline, Stop]),
            (Step::Stats, vec![Wait]),
            (Step::Pause, vec![Freeze, Drop, Close]),
            (Step::Unpause, vec![Freeze, Drop, Close]),
        ];
        let mut cases = Vec::new();
        for (step, actions) in around.into_iter().chain(through).chain(special) {
            for action in actions {
                for fault in FAULTS {
                    for often in [Often::Once, Often::UntilClose] {
                        cases.push(Self { step, fault, often, action });
                    }
                }
            }
        }
        cases
    }

    /// The fault as the proxy does it.
    pub(crate) fn script(&self) -> Script {
        match self.often {
            Often::Once => Script::new().once(self.step, self.fault),
            Often::UntilClose => Script::new().always(self.step, self.fault),
        }
    }

    /// Whether the fault changes no more than the time that something takes.
    pub(crate) fn is_harmless(&self) -> bool {
        matches!(self.fault, Fault::Delay(_))
            // A complete answer is read to its end; what follows it is nobody's.
            || (self.fault == Fault::DuplicateReply && self.step != Step::Attach)
            // Nothing depends on what the engine tells by itself.
            || self.step == Step::Events
    }

    /// Randomness of its own, the same in every run with the same seed.
    pub(crate) fn rng(&self, seed: u64) -> StdRng {
        let mut hasher = DefaultHasher::new();
        (seed, self).hash(&mut hasher);
        StdRng::seed_from_u64(hasher.finish())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:?}/{:?}", self.step, self.fault, self.often, self.action)
    }
}

/// `count` cases: first one for each step, each fault and each action, then whichever come.
pub(crate) fn sample(mut cases: Vec<Case>, count: usize, seed: u64) -> Vec<Case> {
    cases.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut covered = BTreeSet::new();
    let (first, rest): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| {
        let parts = [
            case.step.to_string(),
            case.fault.to_string(),
            format!("{:?}", case.action),
            format!("{}{:?}", case.step, case.action),
        ];
        // Every part counts, so that none is left out by an early answer.
        parts.into_iter().filter(|part| covered.insert(part.clone())).count() > 0
    });
    let mut chosen: Vec<Case> = first.into_iter().chain(rest).take(count).collect();
    // The slow ones are not to come all at once.
    chosen.shuffle(&mut StdRng::seed_from_u64(seed.wrapping_add(1)));
    chosen
}

/// What runs in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// Writes to both streams and ends.
    Quick,
    /// Writes to both streams for some seconds.
    Slow,
    /// Writes what it reads.
    Fed,
    /// Ends with code 7.
    Fails,
    /// Never ends by itself.
    Sleeps,
}

impl Program {
    /// One that suits a case.
    pub(crate) fn of(case: &Case, rng: &mut StdRng) -> Self {
        match case.action {
            Action::Wait | Action::Drop | Action::Close => {
                let programs: &[Self] = match case.step {
                    // Whether a stream was cut shows only while its task lives.
                    Step::Attach => &[Self::Quick, Self::Slow, Self::Fed],
                    Step::Pause | Step::Unpause | Step::Kill => &[Self::Sleeps],
                    // The engine gives the first figures after a second.
                    Step::Stats => &[Self::Slow],
                    _ => &[Self::Quick, Self::Fed, Self::Fails],
                };
                programs[rng.random_range(0..programs.len())]
            }
            Action::Cancel | Action::Deadline | Action::Stop | Action::Freeze => Self::Sleeps,
        }
    }
}
