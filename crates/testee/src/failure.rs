//! Why a subcommand could not do what it says, and the code that tells it.

use std::io;

/// The codes are those of `sysexits.h`, far from the ones that tests ask for.
pub(crate) enum Failure {
    /// The arguments are wrong: 64.
    Usage(String),
    /// It is impossible here: 70.
    Impossible(String),
    /// Reading or writing failed: 74.
    Io(String, io::Error),
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Failure {
        Failure::Usage(text.into())
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 64,
            Failure::Impossible(_) => 70,
            Failure::Io(..) => 74,
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Failure::Usage(text) | Failure::Impossible(text) => text.clone(),
            Failure::Io(what, error) => format!("{what}: {error}"),
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Failure {
        Failure::Usage(error.to_string())
    }
}

/// Names what was read or written when it fails.
pub(crate) trait What<T> {
    fn what(self, what: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> What<T> for Result<T, E> {
    fn what(self, what: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::Io(what.into(), error.into()))
    }
}
