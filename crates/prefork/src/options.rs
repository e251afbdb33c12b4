//! How a pool is set up.

mod words;

use std::time::Duration;

use longshore_driver_api::{
    ByteSize, Error, ErrorKind, NetworkMode, PlaceholderSpec, Result, WhenEmpty, duration,
};
use serde::{Deserialize, Serialize};

use crate::slot::Rules;

/// How a pool is set up. The names in the written form are those of Fn's driver where it has them.
///
/// ```
/// use longshore_prefork::PoolOptions;
///
/// let options: PoolOptions = toml::from_str(
///     r#"
///     pre_fork_pool_size = 4
///     pre_fork_networks = "blue green"
///     when_empty = { wait = "2s" }
///     "#,
/// )?;
/// assert_eq!(options.size, 4);
/// assert_eq!(options.networks, ["blue", "green"]);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Slots that there always are. 0, the default: no pool.
    #[serde(rename = "pre_fork_pool_size", deserialize_with = "words::whole")]
    pub size: usize,
    /// Slots that there are at most: more are added while requests find none free, and taken away
    /// when they are not needed. Less than `size`, the default: as many as `size`.
    #[serde(rename = "pre_fork_pool_max", deserialize_with = "words::whole")]
    pub max_size: usize,
    /// The placeholders' image. Absent: the backend's own, which needs no registry.
    #[serde(rename = "pre_fork_image", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What they run, with an `image` that has it. Empty: the image's own program. Written as one
    /// text, cut at white space, or as a list.
    #[serde(rename = "pre_fork_cmd", alias = "pre_fork_pool_cmd", with = "words")]
    pub command: Vec<String>,
    /// Their networks: slot `i` takes number `i`, modulo their count. Empty: the engine's default
    /// network. Written as one text, cut at white space, or as a list.
    #[serde(rename = "pre_fork_networks", with = "words")]
    pub networks: Vec<String>,
    /// Whether no placeholder is lent twice. Written as true and false, or as 1 and 0.
    #[serde(rename = "pre_fork_use_once", deserialize_with = "words::flag")]
    pub use_once: bool,
    /// What to do when no slot is free, unless the task says it.
    pub when_empty: WhenEmpty,
    /// Whether tasks share System V objects, POSIX queues and shared memory with the placeholder.
    /// Each is then used once: what a task leaves there cannot be told.
    pub share_ipc: bool,
    /// Whether tasks see the placeholder's processes. Each is then used once.
    pub share_pid: bool,
    /// Whether a placeholder has its name as its host name, on networks that allow one. Tasks see
    /// it.
    pub hostname: bool,
    /// The placeholders' `user[:group]`.
    pub user: String,
    /// How much memory a placeholder may use.
    pub memory: ByteSize,
    /// How many processes a placeholder may have.
    #[serde(deserialize_with = "words::whole")]
    pub pids: u32,
    /// How many placeholders are made in a second, at most. 0: any number.
    #[serde(deserialize_with = "words::whole")]
    pub rate: u32,
    /// How many may be made at once before that holds.
    #[serde(deserialize_with = "words::whole")]
    pub burst: u32,
    /// How long a slot beyond `size` has to be free all the time until it is taken away.
    #[serde(with = "duration::text")]
    pub shrink_after: Duration,
    /// How long closing may take.
    #[serde(with = "duration::text")]
    pub close_within: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        let usual = PlaceholderSpec::new("", NetworkMode::Bridge);
        Self {
            size: 0,
            max_size: 0,
            image: None,
            command: Vec::new(),
            networks: Vec::new(),
            use_once: false,
            when_empty: WhenEmpty::Wait(Duration::from_secs(10)),
            share_ipc: false,
            share_pid: false,
            hostname: false,
            user: usual.user,
            memory: usual.memory,
            pids: usual.pids,
            rate: 10,
            burst: 20,
            shrink_after: Duration::from_secs(60),
            close_within: Duration::from_secs(30),
        }
    }
}

impl PoolOptions {
    /// A pool of `size` slots, all else as usual.
    #[must_use]
    pub fn sized(size: usize) -> Self {
        Self { size, ..Self::default() }
    }

    /// Whether there is to be a pool at all: one of no slots is none.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.size > 0 || self.max_size > 0
    }

    /// Checks the whole.
    ///
    /// # Errors
    ///
    /// `InvalidInput` with everything that is wrong, each by its written name.
    pub fn validate(&self) -> Result<()> {
        let mut wrong = Vec::new();
        if !self.is_on() {
            wrong.push("pre_fork_pool_size: a pool of no slots lends nothing".to_owned());
        }
        if self.size.max(self.max_size) > MOST {
            wrong.push(format!("pre_fork_pool_size, pre_fork_pool_max: more than {MOST}"));
        }
        if self.image.is_none() && !self.command.is_empty() {
            let why =
                "pre_fork_cmd: needs pre_fork_image; what the backend's own image runs is settled";
            wrong.push(why.to_owned());
        }
        for name in &self.networks {
            let mode = NetworkMode::from(name.as_str());
            if matches!(mode, NetworkMode::Host | NetworkMode::Auto | NetworkMode::Prefork)
                || name.starts_with("container:")
            {
                wrong.push(format!("pre_fork_networks: {name:?} is no network of its own"));
            }
        }
        let (image, id) = (self.image.as_deref().unwrap_or("builtin"), "placeholder");
        for slot in 0..self.networks.len().max(1) {
            if let Err(error) = self.placeholder(slot, id.to_owned()).task(image, false) {
                wrong.push(error.to_string());
                break;
            }
        }
        if self.close_within.is_zero() || self.shrink_after.is_zero() {
            wrong.push("close_within, shrink_after: must be longer than zero".to_owned());
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidInput, "prefork pool").message(wrong.join("; ")))
    }

    /// The network of a slot.
    pub(crate) fn network(&self, slot: usize) -> NetworkMode {
        match self.networks.len() {
            0 => NetworkMode::Bridge,
            count => NetworkMode::from(self.networks[slot % count].as_str()),
        }
    }

    /// What a slot's placeholder is made of.
    pub(crate) fn placeholder(&self, slot: usize, id: String) -> PlaceholderSpec {
        let network = self.network(slot);
        let mut spec = PlaceholderSpec::new(id, network);
        // Only a network of the container's own has room for a host name.
        spec.hostname = self.hostname.then(|| spec.id.clone());
        spec.image.clone_from(&self.image);
        spec.command.clone_from(&self.command);
        spec.ipc = self.share_ipc;
        spec.pid = self.share_pid;
        spec.user.clone_from(&self.user);
        spec.memory = self.memory;
        spec.pids = self.pids;
        spec
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            min: self.size,
            max: self.size.max(self.max_size),
            use_once: self.use_once || self.share_ipc || self.share_pid,
        }
    }
}

/// A network namespace costs the kernel and the engine too much to hold more.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_names_and_spellings_are_read() {
        let text = r#"{"pre_fork_pool_size":2,"pre_fork_image":"busybox","pre_fork_pool_cmd":"tail -f /dev/null",
            "pre_fork_networks":" a  b ","pre_fork_use_once":1}"#;
        let options: PoolOptions = serde_json::from_str(text).unwrap();
        assert_eq!(options.command, ["tail", "-f", "/dev/null"]);
        assert_eq!((options.networks.len(), options.use_once), (2, true));
        let networks: Vec<_> = (0..3).map(|slot| options.network(slot).to_string()).collect();
        assert_eq!(networks, ["a", "b", "a"]);
        options.validate().unwrap();
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut options = PoolOptions::sized(3);
        options.when_empty = WhenEmpty::FallBack;
        options.networks = vec!["a".to_owned()];
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<PoolOptions>(&text).unwrap(), options);
        let text = toml::to_string(&options).unwrap();
        assert_eq!(toml::from_str::<PoolOptions>(&text).unwrap(), options);
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let mut options = PoolOptions::sized(0);
        options.networks = vec!["host".to_owned(), "container:x".to_owned()];
        options.image = Some("Not An Image".to_owned());
        options.close_within = Duration::ZERO;
        let error = options.validate().unwrap_err().to_string();
        for part in ["pre_fork_pool_size", "\"host\"", "\"container:x\"", "image", "close_within"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_command_needs_an_image_that_has_it() {
        let mut options = PoolOptions::sized(1);
        options.command = vec!["tail".to_owned(), "-f".to_owned(), "/dev/null".to_owned()];
        assert!(options.validate().unwrap_err().to_string().contains("pre_fork_image"));
        options.image = Some("busybox".to_owned());
        options.validate().unwrap();
    }

    #[test]
    fn sharing_more_than_the_network_means_using_once() {
        let mut options = PoolOptions::sized(1);
        assert!(!options.rules().use_once);
        options.share_ipc = true;
        assert!(options.rules().use_once);
    }
}
