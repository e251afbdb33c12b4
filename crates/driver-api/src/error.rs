//! What went wrong with an engine, in words that a caller can act on.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The result of an engine operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an [`Error`] means to the caller.
///
/// A task's own failure is never an error: it is an [`Exit`](crate::Exit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The task, an option or a configuration is not valid. The caller has to change it.
    InvalidInput,
    /// This driver, on this engine and host, cannot do what was asked for.
    Unsupported,
    /// The call does not fit the state that the container is in.
    InvalidState,
    /// The image is neither on the engine nor in the registry, at least not for the platform that
    /// is asked for, or the policy forbids to pull it.
    ImageNotFound,
    /// The image is there and the configuration refuses it, or it is not the one that its digest
    /// names.
    ImageRejected,
    /// The registry did not accept the credential, or wants one.
    RegistryUnauthorized,
    /// The registry asks to come back later (status 429).
    RegistryBusy,
    /// The registry could not be reached or answered with another error.
    RegistryFailed,
    /// A network that the task names does not exist.
    NetworkNotFound,
    /// The engine's log driver for this task could not start.
    LogDriver,
    /// The task's health check failed while its start waited for it. The message has the end of what
    /// the last failed check wrote, where the backend knows it.
    Unhealthy,
    /// The task ended while its start waited for it to do well.
    EndedEarly,
    /// The container, or another thing on the engine, is gone.
    NotFound,
    /// The handle of a task is damaged, or of a version that is not known here.
    HandleUnknown,
    /// The handle of a task was made by another backend, on another engine, or for another
    /// application.
    HandleForeign,
    /// The task has an owner who lives, or may live: the one who made it, or one who has recovered
    /// it.
    OwnerAlive,
    /// The time in which the task could be recovered has passed.
    Expired,
    /// Something with the same name, or another operation, is in the way.
    Conflict,
    /// A resource is used up for the moment: try again.
    Busy,
    /// There are no namespaces to lend, and the caller would not, or no longer, wait for some.
    PoolEmpty,
    /// No engine answers at the configured address.
    EngineUnavailable,
    /// The engine is older than this driver can use.
    EngineTooOld,
    /// The process may not talk to the engine, or to the operating system, as it would have to.
    PermissionDenied,
    /// An archive holds what must not be unpacked: a path that leads out of the folder, a kind of
    /// entry that is not allowed, or more than the limits.
    UnsafeArchive,
    /// The disk is full.
    DiskFull,
    /// The engine failed at the operation.
    Engine,
    /// The connection to the engine ended in the middle of the operation.
    Disconnected,
    /// The engine's answer could not be understood.
    Protocol,
    /// The operation was cancelled by the caller.
    Cancelled,
    /// The operation's own bound has passed.
    Deadline,
    /// The driver or the container has been closed.
    Closed,
    /// Input or output on this host failed.
    Io,
}

impl ErrorKind {
    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::PoolEmpty
                | Self::RegistryBusy
                | Self::RegistryFailed
                | Self::EngineUnavailable
                | Self::Disconnected
                | Self::Deadline
        )
    }

    /// Whether the one who wrote the task has to change it.
    #[must_use]
    pub fn is_users_fault(self) -> bool {
        matches!(
            self,
            Self::InvalidInput
                | Self::Unsupported
                | Self::ImageNotFound
                | Self::ImageRejected
                | Self::RegistryUnauthorized
                | Self::NetworkNotFound
                | Self::LogDriver
        )
    }

    fn text(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid input",
            Self::Unsupported => "not supported",
            Self::InvalidState => "wrong state",
            Self::ImageNotFound => "image not found",
            Self::ImageRejected => "image rejected",
            Self::RegistryUnauthorized => "registry refused the credential",
            Self::RegistryBusy => "registry is busy",
            Self::RegistryFailed => "registry failed",
            Self::NetworkNotFound => "network not found",
            Self::LogDriver => "log driver failed",
            Self::Unhealthy => "unhealthy",
            Self::EndedEarly => "ended early",
            Self::NotFound => "not found",
            Self::HandleUnknown => "unknown handle",
            Self::HandleForeign => "foreign handle",
            Self::OwnerAlive => "owner is alive",
            Self::Expired => "expired",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::PoolEmpty => "pool is empty",
            Self::EngineUnavailable => "no engine",
            Self::EngineTooOld => "engine is too old",
            Self::PermissionDenied => "permission denied",
            Self::UnsafeArchive => "unsafe archive",
            Self::DiskFull => "disk is full",
            Self::Engine => "engine error",
            Self::Disconnected => "connection lost",
            Self::Protocol => "unintelligible answer",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline passed",
            Self::Closed => "closed",
            Self::Io => "input/output error",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A failed operation: its meaning, the operation, what to know, and the cause.
///
/// The text names the container, image or path at fault and never holds a secret. It displays as
/// `op: message; remedy`; the kind's own words stand in when there is no message.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    op: Cow<'static, str>,
    message: Option<String>,
    remedy: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` in the operation `op`, such as `"create"`.
    pub fn new(kind: ErrorKind, op: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            op: op.into(),
            message: None,
            remedy: None,
            retry_after: None,
            source: None,
        }))
    }

    /// Adds what there is to know: the name of the thing at fault, and what is wrong with it.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    /// Adds what to do about it. Fields of a task that it is about stand at its end in parentheses,
    /// as `(limits.memory, work_dir)`, so that others can give them the names that they have there.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds how long the other side asked to be left alone.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after = Some(pause);
        self
    }

    /// How long the other side asked to be left alone, where it said so: a registry that is busy
    /// does. Asking sooner only makes it longer.
    #[must_use]
    pub fn asks_to_wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What to do about it, where that was said apart from the message.
    #[must_use]
    pub fn what_to_do(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// The text without what to do.
    #[must_use]
    pub fn what(&self) -> String {
        let Inner { kind, op, message, .. } = &*self.0;
        match message {
            Some(message) => format!("{op}: {message}"),
            None => format!("{op}: {kind}"),
        }
    }

    /// What the error means.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed.
    #[must_use]
    pub fn op(&self) -> &str {
        &self.0.op
    }

    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// A second error with the same meaning and text, for one more waiter of the same operation.
    ///
    /// The cause becomes its text: an error cannot be cloned, and a shared operation has many
    /// waiters.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let mut copy = Self::new(self.0.kind, self.0.op.clone());
        copy.0.message.clone_from(&self.0.message);
        copy.0.remedy.clone_from(&self.0.remedy);
        copy.0.retry_after = self.0.retry_after;
        copy.0.source = self.0.source.as_ref().map(|source| source.to_string().into());
        copy
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        match &self.0.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("op", &self.0.op)
            .field("message", &self.0.message)
            .field("remedy", &self.0.remedy)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_operation_and_thing() {
        let error = Error::new(ErrorKind::ImageNotFound, "pull").message("no image named x");
        assert_eq!(error.to_string(), "pull: no image named x");
        assert_eq!(Error::new(ErrorKind::Busy, "create").to_string(), "create: busy");
    }

    #[test]
    fn what_to_do_follows_the_message_and_can_be_told_apart() {
        let error = Error::new(ErrorKind::InvalidInput, "create").message("no user x");
        assert_eq!(error.what_to_do(), None);
        let error = error.remedy("name another (security.user)");
        assert_eq!(error.to_string(), "create: no user x; name another (security.user)");
        assert_eq!(error.what(), "create: no user x");
        assert_eq!(error.what_to_do(), Some("name another (security.user)"));
    }

    #[test]
    fn a_duplicate_says_the_same() {
        let cause = std::io::Error::other("cut");
        let error = Error::new(ErrorKind::Disconnected, "wait").message("m").because(cause);
        let error = error.retry_after(Duration::from_secs(3)).remedy("r");
        let copy = error.duplicate();
        assert_eq!(copy.kind(), error.kind());
        assert_eq!(copy.to_string(), error.to_string());
        assert_eq!(copy.source().map(ToString::to_string), Some("cut".to_owned()));
        assert!(copy.is_retryable());
        assert_eq!(copy.asks_to_wait(), Some(Duration::from_secs(3)));
    }
}
