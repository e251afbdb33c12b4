//! What comes of a case.

use std::fmt;
use std::panic::Location;

use longshore_driver_api::Error;

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The sentence holds, and nothing was left behind.
    Passed,
    /// The fixture cannot host the case, for this reason.
    Skipped(String),
    /// The sentence does not hold, something was left behind, or the case did not end.
    Failed(String),
}

/// Why a case ends before its end. `?` makes one of a driver's error, with the line.
pub(crate) enum Stop {
    Failed(String),
    Skipped(String),
}

pub(crate) type Outcome<T = ()> = Result<T, Stop>;

impl Stop {
    #[track_caller]
    pub(crate) fn failed(text: impl fmt::Display) -> Self {
        Self::Failed(format!("{text} ({})", Location::caller()))
    }
}

impl From<Error> for Stop {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::failed(format_args!("{error} [{:?}]", error.kind()))
    }
}
