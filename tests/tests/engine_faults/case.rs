//! The matrix.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use longshore_tests::{Fault, Place, Script, Step};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::expect::is_past_head;

/// What the caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Waits for the end.
    Wait,
    /// Drops the future at the moment of the fault.
    Drop,
    /// Closes the container at the moment of the fault.
    Close,
    /// Cancels the task once it runs, or the further process.
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
    /// To the second request.
    Next,
    /// To every request, until the driver is closed.
    UntilClose,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Case {
    pub(crate) step: Step,
    /// Whether the start waits until the task does well.
    pub(crate) health: bool,
    /// Whether a dead owner's task is taken up.
    pub(crate) recovery: bool,
    pub(crate) fault: Fault,
    pub(crate) often: Often,
    pub(crate) action: Action,
}

/// Steps that come before there is a container, or beside it.
const AROUND: [Step; 3] = [Step::Version, Step::Info, Step::List];
/// Steps that every task goes through.
const THROUGH: [Step; 7] =
    [Step::Image, Step::Create, Step::Attach, Step::Wait, Step::Start, Step::Inspect, Step::Remove];
/// Steps of a further process.
pub(crate) const EXEC: [Step; 3] = [Step::ExecCreate, Step::ExecStart, Step::ExecInspect];

/// What can happen to every answer.
const FAULTS: [Fault; 16] = [
    Fault::Refuse,
    Fault::CutBeforeRequest,
    Fault::CutThenLate(Duration::from_millis(400)),
    Fault::CutAfterRequest,
    Fault::Stall,
    Fault::StallBefore,
    Fault::StallAt(Place::Within),
    Fault::Delay(Duration::from_millis(300)),
    Fault::Status500,
    Fault::Status500After,
    Fault::Truncate(Place::Head),
    Fault::Truncate(Place::Within),
    Fault::HalfClose(Place::Head),
    Fault::HalfClose(Place::Within),
    Fault::Garbage,
    Fault::DuplicateReply,
];
/// What can happen to an answer with something behind its head.
const WITH_BODY: [Fault; 2] = [Fault::Truncate(Place::HeadEnd), Fault::HalfClose(Place::HeadEnd)];
/// What can happen to attached streams.
const FRAMED: [Fault; 5] = [
    Fault::StallAt(Place::Frames(1)),
    Fault::Truncate(Place::FrameHeader),
    Fault::Truncate(Place::Frames(1)),
    Fault::HalfClose(Place::Frames(1)),
    Fault::HalfClose(Place::Frames(2)),
];
/// Steps whose answer ends with its head.
const BARE: [Step; 8] = [
    Step::Start,
    Step::Kill,
    Step::Pause,
    Step::Unpause,
    Step::Remove,
    Step::Resize,
    Step::Connect,
    Step::ArchiveIn,
];

impl Case {
    /// The whole matrix, in a fixed order.
    pub(crate) fn all() -> Vec<Self> {
        use Action::{Cancel, Close, Deadline, Drop, Freeze, Stop, Wait};
        let around = AROUND.map(|step| (step, vec![Wait]));
        let through = THROUGH.map(|step| (step, vec![Wait, Drop, Close, Cancel, Deadline]));
        let exec = EXEC.map(|step| (step, vec![Wait, Drop, Close, Cancel, Deadline]));
        let special = [
            (Step::Kill, vec![Drop, Close, Cancel, Deadline, Stop]),
            (Step::Wait, vec![Stop, Freeze]),
            (Step::Events, vec![Wait, Drop, Close, Cancel, Deadline, Stop]),
            (Step::Stats, vec![Wait, Drop, Close]),
            (Step::Pause, vec![Freeze, Drop, Close, Deadline]),
            (Step::Unpause, vec![Freeze, Drop, Close, Deadline]),
            (Step::ArchiveIn, vec![Wait, Drop, Close]),
            (Step::ArchiveOut, vec![Wait, Drop, Close]),
            (Step::Connect, vec![Wait, Drop, Close]),
            (Step::Resize, vec![Wait, Drop, Close]),
            (Step::Pull, vec![Wait, Drop, Close]),
        ];
        let healthy = [Step::Events, Step::Inspect].map(|step| (step, vec![Wait, Drop, Close]));
        let plain = around.into_iter().chain(through).chain(exec).chain(special);
        let steps = plain.map(|it| (it, false)).chain(healthy.map(|it| (it, true)));
        let mut cases = Vec::new();
        for ((step, actions), health) in steps {
            for action in actions {
                for fault in faults(step) {
                    for often in [Often::Once, Often::UntilClose] {
                        let recovery = false;
                        cases.push(Self { step, health, recovery, fault, often, action });
                    }
                }
            }
        }
        cases
    }

    /// Each fault of a step of a recovery.
    pub(crate) fn each_fault(
        step: Step,
        often: Often,
        action: Action,
    ) -> impl Iterator<Item = Self> {
        let case = move |fault| Self { step, health: false, recovery: true, fault, often, action };
        faults(step).into_iter().map(case)
    }

    /// The fault as the proxy does it.
    pub(crate) fn script(&self) -> Script {
        self.script_after(0)
    }

    /// The same where so many requests of its kind have come already.
    pub(crate) fn script_after(&self, before: u32) -> Script {
        let script = match self.often {
            Often::Once => Script::new().nth(self.step, before + 1, self.fault),
            Often::Next => Script::new().nth(self.step, before + 2, self.fault),
            Often::UntilClose => Script::new().always(self.step, self.fault),
        };
        // What an engine tells by itself comes before the answer to a wait, which then is not heard. So
        // it tells nothing here.
        match self.often {
            _ if !self.breaks_the_answer_to_a_wait() => script,
            // It may be asked later what it remembers.
            Often::Once | Often::Next => script.once(Step::Events, Fault::Stall),
            // The stream stands, which shows that it is the same engine, if it stood in time.
            Often::UntilClose => script.always(Step::Events, Fault::StallAt(Place::HeadEnd)),
        }
    }

    fn breaks_the_answer_to_a_wait(&self) -> bool {
        let breaks = is_past_head(self.fault) || self.fault == Fault::DuplicateReply;
        self.step == Step::Wait && breaks
    }

    /// Whether nothing may be left that proves an end to be the task's own.
    pub(crate) fn leaves_no_proof(&self) -> bool {
        match self.step {
            // Whoever closes does not wait for an answer.
            Step::Inspect => self.often == Often::UntilClose || self.action == Action::Close,
            _ => self.often == Often::UntilClose && self.breaks_the_answer_to_a_wait(),
        }
    }

    /// What is broken, as figures are sorted by.
    pub(crate) fn place(&self) -> String {
        let what = match (self.health, self.recovery) {
            (true, _) => "health: ",
            (_, true) => "recovery: ",
            _ => "",
        };
        format!("{what}{}", self.step)
    }

    /// Randomness of its own, the same in every run with the same seed.
    pub(crate) fn rng(&self, seed: u64) -> StdRng {
        let mut hasher = DefaultHasher::new();
        (seed, self).hash(&mut hasher);
        StdRng::seed_from_u64(hasher.finish())
    }
}

fn faults(step: Step) -> Vec<Fault> {
    let mut faults = FAULTS.to_vec();
    if !BARE.contains(&step) {
        faults.extend(WITH_BODY);
    }
    if matches!(step, Step::Attach | Step::ExecStart) {
        faults.extend(FRAMED);
    }
    if matches!(step, Step::Events | Step::Stats) {
        // There is no end after which it could come again.
        faults.retain(|fault| *fault != Fault::DuplicateReply);
    }
    faults
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:?}/{:?}", self.place(), self.fault, self.often, self.action)
    }
}

/// `count` cases: first one for each step, each fault and each action, then whichever come.
pub(crate) fn sample(mut cases: Vec<Case>, count: usize, seed: u64) -> Vec<Case> {
    cases.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut covered = BTreeSet::new();
    let (first, rest): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| {
        let parts = [
            case.place(),
            case.fault.to_string(),
            format!("{:?}", case.action),
            format!("{}{:?}", case.place(), case.action),
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
    /// Writes to both streams, in many frames, and ends before a second has passed.
    Brisk,
    /// Writes to both streams for some seconds.
    Slow,
    /// Writes what it reads.
    Fed,
    /// Writes the file that was copied to it.
    Reads,
    /// Ends with code 7.
    Fails,
    /// Never ends by itself.
    Sleeps,
}

impl Program {
    /// One that suits a case.
    pub(crate) fn of(case: &Case, rng: &mut StdRng) -> Self {
        match case.action {
            _ if case.health || EXEC.contains(&case.step) => Self::Sleeps,
            Action::Wait | Action::Drop | Action::Close => {
                let programs: &[Self] = match case.step {
                    Step::Attach if case.fault.is_between_frames() => &[Self::Brisk, Self::Slow],
                    // Whether a stream was cut shows only while its task lives.
                    Step::Attach => &[Self::Quick, Self::Slow, Self::Fed],
                    Step::Pause | Step::Unpause | Step::Kill | Step::Resize => &[Self::Sleeps],
                    // The engine gives the first figures after a second.
                    Step::Stats if case.action == Action::Wait && case.often == Often::Once => {
                        &[Self::Sleeps]
                    }
                    Step::Stats => &[Self::Slow],
                    Step::ArchiveIn | Step::ArchiveOut => &[Self::Reads],
                    _ => &[Self::Quick, Self::Fed, Self::Fails],
                };
                programs[rng.random_range(0..programs.len())]
            }
            // So that there is something to break.
            Action::Cancel | Action::Deadline if case.step == Step::Attach => Self::Slow,
            Action::Cancel | Action::Deadline | Action::Stop | Action::Freeze => Self::Sleeps,
        }
    }

    /// That of a further process.
    pub(crate) fn of_exec(case: &Case, rng: &mut StdRng) -> Self {
        let programs: &[Self] = match case.action {
            Action::Cancel | Action::Deadline => &[Self::Slow],
            _ if case.step == Step::ExecStart && case.fault.is_between_frames() => {
                &[Self::Brisk, Self::Slow]
            }
            _ if case.step == Step::ExecStart => &[Self::Quick, Self::Slow, Self::Fed],
            _ => &[Self::Quick, Self::Fed],
        };
        programs[rng.random_range(0..programs.len())]
    }
}
