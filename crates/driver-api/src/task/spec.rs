//! The description of a task.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};

use super::read;
use super::validate::{self, InvalidSpec};
use super::{Device, Env, Health, Limits, LogDriver, Mount, Network, Security, TaskSpecBuilder};
use crate::TtySize;
use crate::units::{Signal, duration};

/// What to run: plain data, which can be written as TOML or JSON.
///
/// Sizes, CPU amounts, durations and signals are read in the units that people write: `"64MiB"`,
/// `"500m"`, `"5s"`, `"SIGTERM"`. An unknown key is an error.
///
/// ```
/// use longshore_driver_api::{ByteSize, TaskSpec};
///
/// let spec = TaskSpec::builder("alpine:3.20")
///     .args(["echo", "hello"])
///     .memory(ByteSize::mib(64))
///     .build()?;
/// assert_eq!(spec.limits.memory, Some(ByteSize::mib(64)));
///
/// let problems = TaskSpec::builder("Not An Image").work_dir("relative").build().unwrap_err();
/// assert_eq!(problems.problems().len(), 2);
/// # Ok::<(), longshore_driver_api::InvalidSpec>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TaskSpec {
    /// The caller's name for the task: a label on the engine, never a name there, so that two
    /// tasks may have the same one. Absent in the written form: a random one.
    #[serde(default = "random_id")]
    pub id: String,
    /// The image.
    pub image: String,
    /// When the image is pulled.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pull: PullPolicy,
    /// The platform of the image, `os/arch[/variant]`. Absent: the engine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The program and its first arguments. Absent: the image's. Empty: none, so that the
    /// arguments begin with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The arguments. Empty: the image's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables, on top of the image's.
    #[serde(default, skip_serializing_if = "Env::is_empty")]
    pub env: Env,
    /// The absolute path of the working directory. Absent: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    /// Whether the task has a terminal: then there is one output stream, stdout.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tty: bool,
    /// The size that its terminal has from the start. Absent: the engine's, often nothing at all,
    /// until [`Running::resize`](crate::Running::resize).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty_size: Option<TtySize>,
    /// How long the task may run, from its process's start; time in which it is frozen does not
    /// count. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub timeout: Option<Duration>,
    /// How the task is asked to end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop: Stop,
    /// How often a sample of the task's statistics is taken: every 10 ms or less often. Absent: at
    /// the backend's own pace, about once a second. Without effect where nobody wants statistics.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub stats_interval: Option<Duration>,
    /// How it is found out whether the task does well, and whether its start waits for that.
    #[serde(default, skip_serializing_if = "is_default")]
    pub health: Health,
    /// How much the task may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What the task may do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub security: Security,
    /// What the task sees of the network.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: Network,
    /// What is mounted into the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Devices of the engine's host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Labels of the container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Where the engine itself keeps the output, besides what is streamed to the caller.
    #[serde(default, skip_serializing_if = "is_default")]
    pub log: LogDriver,
    /// How long after its creation the container is left to be taken up again
    /// ([`Driver::recover`](crate::Driver::recover)), should its owner die. Its output meanwhile is
    /// lost unless [`log`](Self::log) keeps every byte ([`LogDriver::local`]; on Podman `k8s-file`
    /// with a `max-size` of a petabyte or more, such as `1p`). Absent: a reaper may remove it at
    /// once.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub recoverable_for: Option<Duration>,
    /// What only some backends understand.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extensions: BTreeMap<String, String>,
}

impl TaskSpec {
    /// Begins a description of a task that runs `image`.
    pub fn builder(image: impl Into<String>) -> TaskSpecBuilder {
        TaskSpecBuilder::new(image)
    }

    /// Reads a description from a tree of values, and checks the whole.
    ///
    /// Deserialising stops at the first error. This one goes on, so that whoever wrote a file with
    /// five mistakes in it mends all of them at once. No value of the environment is repeated.
    ///
    /// ```
    /// use longshore_driver_api::TaskSpec;
    ///
    /// let tree = serde_json::json!({"image": 7, "work_dir": "relative", "limits": {"memroy": "1m"}});
    /// let invalid = TaskSpec::from_value(tree).unwrap_err();
    /// let fields: Vec<&str> = invalid.problems().iter().map(|p| p.field.as_str()).collect();
    /// assert_eq!(fields, ["image", "limits.memroy", "work_dir"]);
    /// ```
    ///
    /// # Errors
    ///
    /// All problems at once, of type and of value, unknown keys and missing ones, each with the
    /// name of its field.
    pub fn from_value(tree: serde_json::Value) -> Result<Self, InvalidSpec> {
        read::read(tree)
    }

    /// Checks the whole description.
    ///
    /// # Errors
    ///
    /// All problems at once, each with the name of its field.
    pub fn validate(&self) -> Result<(), InvalidSpec> {
        validate::validate(self)
    }

    pub(super) fn with_image(image: String) -> Self {
        Self {
            id: random_id(),
            image,
            pull: PullPolicy::default(),
            platform: None,
            entrypoint: None,
            args: Vec::new(),
            env: Env::default(),
            work_dir: None,
            tty: false,
            tty_size: None,
            timeout: None,
            stats_interval: None,
            stop: Stop::default(),
            health: Health::default(),
            limits: Limits::default(),
            security: Security::default(),
            network: Network::default(),
            mounts: Vec::new(),
            devices: Vec::new(),
            labels: BTreeMap::new(),
            log: LogDriver::default(),
            recoverable_for: None,
            extensions: BTreeMap::new(),
        }
    }
}

fn random_id() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 16).to_ascii_lowercase()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PullPolicy {
    /// Never: an image that is not there is an error, and no registry is asked.
    Never,
    /// When it is not there.
    #[default]
    Missing,
    /// Before every task, so that a moved tag is seen. An image that is named by its digest
    /// cannot move: it is pulled only when it is not there.
    Always,
}

/// How a task is asked to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Stop {
    /// The signal that asks. Absent: the image's, else `SIGTERM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// How long the task may take to end after it. Then it is killed.
    #[serde(with = "duration::text")]
    pub grace: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: None, grace: Duration::from_secs(10) }
    }
}
