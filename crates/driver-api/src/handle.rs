//! What a task can be taken up again by, after its owner's death.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Container, Error, ErrorKind, Result, Running, TaskSpec};

/// The form in which handles are written.
const FORM: u32 = 1;
const OP: &str = "read handle";

/// What a recoverable task can be taken up again by, in this process or another.
///
/// It is plain data, to be kept where its owner's death does not reach it: with serde, or as a line
/// of text ([`Display`](fmt::Display), [`FromStr`]). What is in it is the backend's affair; values
/// of the environment and credentials are not. It tells where the task's output was when it was
/// taken, so the newest one is the best.
///
/// ```
/// use longshore_driver_api::Handle;
///
/// let handle = Handle::new("mine", 1, &"c0ffee")?.at(17, 0);
/// let again: Handle = handle.to_string().parse()?;
/// assert_eq!(again, handle);
/// assert_eq!(again.state::<String>("mine", 1)?, "c0ffee");
/// assert_eq!(again.stdout(), 17);
/// # Ok::<(), longshore_driver_api::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Written")]
pub struct Handle(Written);

/// A handle as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Written {
    longshore: u32,
    backend: String,
    version: u32,
    stdout: u64,
    stderr: u64,
    keeps_output: bool,
    state: Value,
}

impl Handle {
    /// A handle of a backend, with whatever the backend needs, in the form that it calls `version`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `state` cannot be written as JSON.
    pub fn new(
        backend: impl Into<String>,
        version: u32,
        state: &(impl Serialize + ?Sized),
    ) -> Result<Self> {
        let state = serde_json::to_value(state).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "make handle").message(error.to_string())
        })?;
        let backend = backend.into();
        let (stdout, stderr, keeps_output) = (0, 0, false);
        Ok(Self(Written { longshore: FORM, backend, version, stdout, stderr, keeps_output, state }))
    }

    /// Sets how many bytes of the two streams were delivered.
    #[must_use]
    pub fn at(mut self, stdout: u64, stderr: u64) -> Self {
        (self.0.stdout, self.0.stderr) = (stdout, stderr);
        self
    }

    /// Sets whether the engine keeps the output, so that it can be delivered again from there.
    #[must_use]
    pub fn keeping_output(mut self, keeps: bool) -> Self {
        self.0.keeps_output = keeps;
        self
    }

    /// The name of the backend that made it.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.0.backend
    }

    /// How many bytes of stdout were delivered when it was taken. Whoever recovers the task is
    /// given what comes behind.
    #[must_use]
    pub fn stdout(&self) -> u64 {
        self.0.stdout
    }

    /// How many bytes of stderr were delivered when it was taken.
    #[must_use]
    pub fn stderr(&self) -> u64 {
        self.0.stderr
    }

    /// Whether the engine keeps the output for as long as there is room for it. Without that, what
    /// the task writes while it has no owner is lost.
    #[must_use]
    pub fn keeps_output(&self) -> bool {
        self.0.keeps_output
    }

    /// What the backend has put into it.
    ///
    /// # Errors
    ///
    /// `HandleForeign` if another backend made it; `HandleUnknown` if it is of another version, or
    /// damaged.
    pub fn state<T: DeserializeOwned>(&self, backend: &str, version: u32) -> Result<T> {
        let Written { backend: theirs, version: its, state, .. } = &self.0;
        if theirs != backend {
            let text = format!("the handle is one of backend {theirs:?}, and this is {backend:?}");
            return Err(Error::new(ErrorKind::HandleForeign, "recover").message(text));
        }
        if *its != version {
            return Err(unknown(format!("it is of version {its}, and {version} is known here")));
        }
        T::deserialize(state).map_err(|error| unknown(error.to_string()))
    }
}

fn unknown(why: impl fmt::Display) -> Error {
    let text = format!("the handle cannot be used: {why}");
    Error::new(ErrorKind::HandleUnknown, OP).message(text)
}

impl From<Handle> for Written {
    fn from(handle: Handle) -> Self {
        handle.0
    }
}

impl TryFrom<Value> for Handle {
    type Error = Error;

    /// What a later version has written is told apart from what is damaged.
    fn try_from(value: Value) -> Result<Self> {
        match value.get("longshore").and_then(Value::as_u64) {
            Some(form) if form == u64::from(FORM) => {}
            Some(form) => {
                return Err(unknown(format!("it is of form {form}, and {FORM} is known here")));
            }
            None => return Err(unknown("it is none")),
        }
        Written::deserialize(value).map(Self).map_err(unknown)
    }
}

/// One line of JSON.
impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for Handle {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(unknown)?;
        Self::try_from(value)
    }
}

/// Without the backend's part, which holds the task's arguments.
impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("backend", &self.0.backend)
            .field("stdout", &self.0.stdout)
            .field("stderr", &self.0.stderr)
            .finish_non_exhaustive()
    }
}

/// What is missing of a stream between the position of the [`Handle`] and the first byte that is
/// delivered after it was recovered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Missing {
    /// The caller does not want the stream.
    #[default]
    NotAttached,
    /// Nothing: the next byte is the one behind the handle's position.
    Nothing,
    /// So many bytes.
    Bytes(u64),
    /// Nobody knows whether anything is, and how much.
    Unknown,
}

impl Missing {
    /// Whether bytes are missing, or may be.
    #[must_use]
    pub fn is_loss(self) -> bool {
        match self {
            Self::NotAttached | Self::Nothing => false,
            Self::Bytes(bytes) => bytes > 0,
            Self::Unknown => true,
        }
    }
}

/// What was lost of a task while it had no owner. Its input always is: the task saw it end with its
/// owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lost {
    /// Of its stdout, or of all its output if it has a terminal.
    pub stdout: Missing,
    /// Of its stderr.
    pub stderr: Missing,
}

impl Lost {
    /// What was lost of the two streams.
    #[must_use]
    pub const fn new(stdout: Missing, stderr: Missing) -> Self {
        Self { stdout, stderr }
    }
}

/// A task that was taken up again. It is the caller's as if it had been started here: dropping both
/// handles closes it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recovered {
    /// Its container. The description is what the handle or the engine kept of it: without the
    /// environment, the log driver's options and extensions.
    pub container: Arc<dyn Container>,
    /// The task itself, which may have ended meanwhile.
    pub running: Arc<dyn Running>,
    /// What was lost of its output. A stream that has lost anything is reported as cut in the end.
    pub lost: Lost,
}

impl Recovered {
    /// A task that was taken up again.
    #[must_use]
    pub fn new(container: Arc<dyn Container>, running: Arc<dyn Running>, lost: Lost) -> Self {
        Self { container, running, lost }
    }
}

impl TaskSpec {
    /// The description as it may be kept beside a task: without what can hold secrets, which are the
    /// environment, the log driver's options, and extensions.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mut spec = self.clone();
        spec.env = crate::Env::default();
        spec.log.options.clear();
        spec.extensions.clear();
        spec
    }
}
