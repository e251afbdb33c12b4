//! What goes wrong between this process and the engine, precisely.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The result of one call to the engine.
pub(crate) type Result<T, E = ClientError> = std::result::Result<T, E>;

/// A failed call to the engine. The meaning for the caller is decided in one place, where it becomes
/// the contract's error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The address, the environment or a Docker context makes no sense.
    #[error("{0}")]
    Address(String),
    /// The socket's path does not exist.
    #[error("{} does not exist: start the engine, or set DOCKER_HOST to where it listens", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The operating system forbids to connect to the socket.
    #[error("no permission to connect to {address}")]
    Forbidden {
        /// The address.
        address: String,
    },
    /// Nobody answers at the address.
    #[error("no engine answers at {address}: start it, or set DOCKER_HOST to where it listens")]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no file descriptor left for a connection, which says nothing about the engine.
    #[error("no connection to the engine can be opened: {0}")]
    NoDescriptor(#[source] io::Error),
    /// The certificates could not be read, or the two sides did not agree.
    #[error("cannot speak TLS with {address}: {reason}")]
    Tls {
        /// The address.
        address: String,
        /// Why, and which file.
        reason: String,
    },
    /// The engine refused or failed.
    #[error("{message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// A failure that the engine reported in the middle of a stream of progress.
    #[error("{0}")]
    Reported(String),
    /// An archive of this host could not be read to its end.
    #[error("the archive cannot be read: {0}")]
    Archive(#[source] io::Error),
    /// The connection ended before the answer did.
    #[error("the connection to the engine ended before its answer did: {0}")]
    Disconnected(String),
    /// The call's own bound has passed.
    #[error("the engine did not answer within {}", seconds(*bound))]
    Deadline {
        /// The bound.
        bound: Duration,
    },
    /// The answer is not what the engine's API promises.
    #[error("the engine's answer cannot be understood: {0}")]
    Protocol(String),
}

/// Nothing came for this long, as the cause of a reader's error.
#[derive(Debug, thiserror::Error)]
#[error("the engine sent nothing for {}", seconds(*.0))]
pub(crate) struct Silent(pub(crate) Duration);

impl ClientError {
    /// What a reader of an answer that goes on for a while has failed with.
    pub(crate) fn of_stream(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Silent>()) {
            Some(Silent(bound)) => Self::Deadline { bound: *bound },
            None => Self::Disconnected(error.to_string()),
        }
    }

    /// The HTTP status, if the engine answered with one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the engine says that the thing does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            // Podman's words for what goes while it looks.
            Self::Status { status: 500, message } => message.ends_with(": no such container"),
            error => error.status() == Some(404),
        }
    }

    /// Whether this host lacks what a connection needs. Nothing has reached the engine, and nothing is
    /// known of it.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::NoDescriptor(_))
    }

    /// Whether the engine may have carried the call out although its answer did not arrive.
    pub(crate) fn is_answer_lost(&self) -> bool {
        matches!(self, Self::Disconnected(_) | Self::Deadline { .. } | Self::Protocol(_))
    }
}

fn seconds(bound: Duration) -> String {
    if bound.subsec_millis() == 0 {
        format!("{} s", bound.as_secs())
    } else {
        format!("{} ms", bound.as_millis())
    }
}

impl From<hyper::Error> for ClientError {
    fn from(error: hyper::Error) -> Self {
        // hyper calls a wrong status line or header a parse error; all else is the connection's end.
        if error.is_parse() {
            Self::Protocol(error.to_string())
        } else {
            Self::Disconnected(chain(&error))
        }
    }
}

/// An error's text with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
