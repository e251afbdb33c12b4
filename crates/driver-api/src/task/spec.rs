//! The description of a task.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};

use super::validate::{self, InvalidSpec};
use super::{Device, Env, Limits, Mount, Network, Security, TaskSpecBuilder};
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
    /// How long the task may run, from its process's start; time in which it is frozen does not
    /// count. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub timeout: Option<Duration>,
    /// How the task is asked to end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop: Stop,
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
    /// How long after its creation the container is left for its owner to take up again, should
    /// the owner die. Absent: a reaper may remove it at once.
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
            timeout: None,
            stop: Stop::default(),
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

/// Where the engine itself keeps the output. The default is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LogDriver {
    /// The engine's name for it.
    pub driver: String,
    /// Its options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl Default for LogDriver {
    fn default() -> Self {
        Self::named("none")
    }
}

impl LogDriver {
    /// The engine's log driver of that name, without options.
    pub fn named(driver: impl Into<String>) -> Self {
        Self { driver: driver.into(), options: BTreeMap::new() }
    }

    /// Syslog at `address` (such as `tcp://logs:514`) in the format of RFC 5424, with tags written
    /// as `name=value,name=value`.
    pub fn syslog<'a>(
        address: impl Into<String>,
        tags: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut log = Self::named("syslog")
            .option("syslog-address", address)
            .option("syslog-facility", "user")
            .option("syslog-format", "rfc5424");
        let tags: Vec<String> =
            tags.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !tags.is_empty() {
            log = log.option("tag", tags.join(","));
        }
        log
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }
}
