//! What a fault may and must do to the call that it happens to.

use longshore_driver_api::{Error, ErrorKind};
use longshore_tests::{Fault, Place, Step};

use crate::case::{Case, Often};

/// How a call has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The driver gets over the fault.
    Success,
    /// It cannot, and says this.
    Failure(ErrorKind),
    /// It depends on which of two comes first.
    Either(ErrorKind),
}

/// What a fault looks like to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// No more than the time that something takes.
    Nothing,
    /// The connection ends too early. It passes by itself.
    Cut,
    /// Nothing comes. A bound that has passed is not doubled.
    Silence,
    /// The engine says that it has failed.
    Failure,
    /// No HTTP.
    Garbage,
}

impl Seen {
    fn of(fault: Fault) -> Self {
        match fault {
            // A complete answer is read to its end; what follows it is nobody's.
            Fault::Delay(_) | Fault::DuplicateReply => Self::Nothing,
            Fault::Stall | Fault::StallBefore | Fault::StallAt(_) => Self::Silence,
            Fault::Status500 | Fault::Status500After => Self::Failure,
            Fault::Garbage => Self::Garbage,
            Fault::Refuse
            | Fault::CutBeforeRequest
            | Fault::CutThenLate(_)
            | Fault::CutUntilReleased
            | Fault::CutAfterRequest
            | Fault::Truncate(_)
            | Fault::HalfClose(_) => Self::Cut,
        }
    }

    /// That of a call that is made once.
    fn once(self) -> Expected {
        match self {
            Self::Nothing => Expected::Success,
            Self::Cut => Expected::Failure(ErrorKind::Disconnected),
            Self::Silence => Expected::Failure(ErrorKind::Deadline),
            Self::Failure => Expected::Failure(ErrorKind::Engine),
            Self::Garbage => Expected::Failure(ErrorKind::Protocol),
        }
    }
}

impl Expected {
    /// What the step of a case, or all that hangs on it, has to end with.
    pub(crate) fn of(case: &Case) -> Self {
        let seen = Seen::of(case.fault);
        let once = case.often == Often::Once;
        // What changes nothing more when it is carried out twice is made again.
        let repeated = if once && seen == Seen::Cut { Self::Success } else { seen.once() };
        // What only asks is asked again where the engine itself fails as well.
        let asked = if once && seen == Seen::Failure { Self::Success } else { repeated };
        match case.step {
            // The first reading of a log was whole; another one follows until all of it is told.
            Step::Logs if case.often == Often::Next => Self::Success,
            Step::Logs => asked,
            Step::Inspect if case.recovery => asked,
            Step::Version if seen == Seen::Garbage => Self::Failure(ErrorKind::InvalidInput),
            Step::Version | Step::Info | Step::Image => asked,
            // Asked for by a start that waits for health. Else what is missing is known otherwise.
            Step::Inspect if case.health => asked,
            Step::Events if case.health => health(case, seen),
            Step::Create => created(case.fault, seen),
            Step::Start => started(case.fault, seen),
            // What comes after the head is no affair of the call.
            Step::Attach | Step::Wait if is_past_head(case.fault) => Self::Success,
            Step::Attach | Step::Wait | Step::Connect => repeated,
            // A stop succeeds once the task has ended: by the signal whose answer is lost, or by the
            // kill after the grace.
            Step::Kill => match repeated {
                Self::Failure(kind) if once || case.fault.may_be_done() => Self::Either(kind),
                _ => repeated,
            },
            Step::ExecStart if is_past_head(case.fault) => Self::Success,
            Step::ExecCreate | Step::ExecStart => seen.once(),
            Step::Pause | Step::Unpause | Step::Resize | Step::ArchiveIn => seen.once(),
            // The head is there, and the archive is cut: that shows when it is read.
            Step::ArchiveOut if is_past_head(case.fault) => Self::Failure(ErrorKind::Io),
            Step::ArchiveOut => asked,
            Step::Pull => pulled(seen, once),
            _ => Self::Success,
        }
    }

    /// Whether a call that ended so has done what it had to.
    pub(crate) fn fits<T>(self, result: &Result<T, Error>) -> bool {
        match (self, result) {
            (Self::Success | Self::Either(_), Ok(_)) => true,
            (Self::Failure(kind) | Self::Either(kind), Err(error)) => error.kind() == kind,
            (Self::Success, Err(_)) | (Self::Failure(_), Ok(_)) => false,
        }
    }
}

/// Whether all of the answer's head comes.
pub(crate) fn is_past_head(fault: Fault) -> bool {
    let (Fault::Truncate(place) | Fault::HalfClose(place) | Fault::StallAt(place)) = fault else {
        return false;
    };
    place != Place::Head
}

/// A create is asked for once. What the engine has made is found by its name.
fn created(fault: Fault, seen: Seen) -> Expected {
    match fault {
        // It may come after the search.
        Fault::CutThenLate(_) => Expected::Either(ErrorKind::Disconnected),
        _ if seen == Seen::Failure || !fault.may_be_done() => seen.once(),
        _ => Expected::Success,
    }
}

/// A start is asked for once. Whether the engine has done it is looked up at once.
fn started(fault: Fault, seen: Seen) -> Expected {
    match fault {
        Fault::CutThenLate(_) | Fault::CutAfterRequest => Expected::Either(ErrorKind::Disconnected),
        _ if seen == Seen::Failure || !fault.may_be_done() => seen.once(),
        _ => Expected::Success,
    }
}

/// The stream of events is opened again. One that is silent is not known to be broken, and without
/// any the start ends with its bound.
fn health(case: &Case, seen: Seen) -> Expected {
    match (seen, case.often) {
        (Seen::Nothing, _) => Expected::Success,
        _ if matches!(case.fault, Fault::StallAt(_)) => Expected::Either(ErrorKind::Deadline),
        (_, Often::Once | Often::Next) => Expected::Success,
        (_, Often::UntilClose) => Expected::Either(ErrorKind::Deadline),
    }
}

/// Pulls are tried again after all that may pass, a silence too. What fails is taken to be the
/// registry.
fn pulled(seen: Seen, once: bool) -> Expected {
    match seen {
        Seen::Cut | Seen::Silence | Seen::Failure if once => Expected::Success,
        Seen::Failure => Expected::Failure(ErrorKind::RegistryFailed),
        _ => seen.once(),
    }
}
