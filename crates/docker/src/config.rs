//! What a driver is opened with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    ByteSize, CredentialSource, Error, ErrorKind, NamespaceSource, Result, duration,
};
use serde::{Deserialize, Deserializer, Serialize};

use crate::image::volumes::ImageVolumes;
use crate::release::Release;

/// What a [`DockerDriver`](crate::DockerDriver) is opened with. The default finds the engine as
/// Docker's own client does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DockerConfig {
    /// The engine's address: `unix:///path`, `tcp://host:port`, `https://host:port`. Absent:
    /// `DOCKER_HOST`, then the chosen Docker context, then the default sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The oldest engine that is accepted, such as `"20.10"`. Absent: every engine that speaks an API
    /// that is known here (Docker 20.10 and newer). What distributions add to a version counts for
    /// nothing. It is compared with the version of whichever engine answers: Podman counts in numbers
    /// of its own. One that has no number (`dev`) is accepted with a warning in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// The application that everything made belongs to. A reaper never touches another's.
    pub application: String,
    /// Where the owner's lease is kept, as an absolute path. Absent: the user's own run directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_dir: Option<PathBuf>,
    /// Whether a container of its own proves on the engine that this owner lives.
    pub keeper: KeeperUse,
    /// Networks of the engine, one of which a task gets that leaves the choice to the driver
    /// (`NetworkMode::Auto`): the one that fewest containers of this driver are on. Written as a
    /// list, or as one text with spaces between the names.
    #[serde(
        alias = "docker_networks",
        deserialize_with = "words",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub networks: Vec<String>,
    /// Whether opening begins, in the background, to remove what dead owners left.
    pub reap_on_open: bool,
    /// Where the statistics of tasks come from.
    pub stats_source: StatsSource,
    /// How long the engine may take.
    pub timeouts: Timeouts,
    /// Which images may declare volumes. One that may not is refused whenever it is asked for, whether it
    /// was there or pulled, and no container of it is made.
    #[serde(alias = "image_enable_volume")]
    pub image_volumes: ImageVolumes,
    /// An archive of images (as `docker save` makes it) that is loaded when the driver is opened. One
    /// that is not there or cannot be loaded fails the opening.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_load_file: Option<PathBuf>,
    /// How large all images on the engine may be together. What is above it goes in the background:
    /// whole images with all their names, whoever brought them there, the least recently used
    /// first; never one of which there is a container, nor one that is exempt. Absent, or zero: images
    /// are never removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_clean_max_size: Option<ByteSize>,
    /// Images that are never removed: references, of which `busybox` is the same as
    /// `docker.io/library/busybox:latest`, or ids (`sha256:…`).
    pub image_clean_exempt_tags: Vec<String>,
    /// Where the order in which images were used is kept: an absolute path, of a file of this kind or
    /// of nothing yet. Absent: in the run directory, a file for each application and engine. It is one
    /// driver's at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_clean_state_file: Option<PathBuf>,
    /// How often a pull is tried at most, the first attempt included: 1 or more. Only failures that pass by
    /// themselves are tried again, within the bound of a whole pull.
    pub pull_attempts: u32,
    /// Where credentials for registries come from when the task's hooks give none. Absent: the
    /// user's own Docker configuration, with its credential helpers.
    #[serde(skip)]
    pub credentials: Option<Arc<dyn CredentialSource>>,
    /// Where tasks borrow a network from that ask for one (`NetworkMode::Prefork`), such as a pool of
    /// [`DockerPlaceholders`](crate::DockerPlaceholders) on the same engine. The driver closes it
    /// when it is closed itself, after its tasks. Absent: such tasks are refused.
    #[serde(skip)]
    pub namespaces: Option<Arc<dyn NamespaceSource>>,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self {
            host: None,
            server_version: None,
            application: "longshore".to_owned(),
            run_dir: None,
            keeper: KeeperUse::default(),
            networks: Vec::new(),
            reap_on_open: true,
            stats_source: StatsSource::default(),
            timeouts: Timeouts::default(),
            image_volumes: ImageVolumes::default(),
            docker_load_file: None,
            image_clean_max_size: None,
            image_clean_exempt_tags: Vec::new(),
            image_clean_state_file: None,
            pull_attempts: 3,
            credentials: None,
            namespaces: None,
        }
    }
}

/// Where the statistics of tasks come from. What was chosen is in the log when the driver is opened,
/// and in the capability [`stats_interval`](longshore_driver_api::Capabilities::stats_interval): it
/// is there where the kernel's files are read.
///
/// The metrics are the same either way, but for what only one of them tells: the pressure on a
/// container is in the kernel's files alone, and so are, on some engines, swap and the network
/// figures of a container without a network; the limit of a container without a limit is the
/// machine's memory to the engine, and absent from the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StatsSource {
    /// The kernel's files if the engine is on this host, as far as can be told when the driver is
    /// opened; else the engine. A container whose files turn out not to be seen from here gets the
    /// engine's statistics, at the engine's pace, and a warning in the log.
    #[default]
    Auto,
    /// The engine's own stream, about a sample a second. A task cannot choose its interval.
    Engine,
    /// The kernel's files of the container's control group. The driver does not open on an engine
    /// that is not on this host, and a container whose files are not seen has no statistics but a
    /// warning in the log.
    Cgroup,
}

/// Whether a keeper proves on the engine that the owner lives: a container, hardened as a placeholder
/// is, whose one process ends when the connection ends that the driver holds to it.
///
/// An owner's lease is a file of its own host, which reapers on that host see, in whatever run directory
/// it is. One on another machine cannot judge it, and leaves alone what belongs to the owner. With a keeper it can: an
/// owner that has none for twice [`Timeouts::engine_gone`] (10 s at least), while the engine answers,
/// is dead to such a reaper. One that is only cut off for so long, so that it cannot make another
/// keeper, is taken for dead as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KeeperUse {
    /// On a Docker engine that is reached by TCP, or by a socket that `ssh` forwards. Where there can
    /// be none (Podman, or a processor other than those of `linux/amd64` and `linux/arm64`), the log
    /// has a warning.
    #[default]
    Auto,
    /// On any engine. The driver does not open where there can be none.
    Always,
    /// None: reapers elsewhere leave alone what this owner leaves.
    Never,
}

/// A list of words, or one text of them.
fn words<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        Text(String),
        List(Vec<String>),
    }
    Ok(match Words::deserialize(from)? {
        Words::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
        Words::List(list) => list,
    })
}

/// How long the engine may take. Every call has a bound around the whole of it, longer than zero.
///
/// Written as texts such as `"5s"` and `"10m"`. More than thirty years, such as [`Duration::MAX`], is
/// taken as thirty years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Timeouts {
    /// To open a connection.
    #[serde(with = "duration::text")]
    pub connect: Duration,
    /// A call that reads or changes little.
    #[serde(with = "duration::text")]
    pub call: Duration,
    /// A call that makes the engine work: create, start, remove.
    #[serde(with = "duration::text")]
    pub work: Duration,
    /// From one value to the next of a stream that never pauses, such as statistics.
    #[serde(with = "duration::text")]
    pub stream_idle: Duration,
    /// From one step of a pull to the next, for each of its attempts.
    #[serde(with = "duration::text")]
    pub pull_idle: Duration,
    /// A whole pull, for each of those who wait for it, and a whole load of an archive.
    #[serde(with = "duration::text")]
    pub pull_total: Duration,
    /// An engine that went away while a task runs, until the task counts as lost.
    #[serde(with = "duration::text")]
    pub engine_gone: Duration,
    /// Closing the driver.
    #[serde(with = "duration::text")]
    pub close: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(30),
            work: Duration::from_secs(120),
            stream_idle: Duration::from_secs(30),
            pull_idle: Duration::from_secs(60),
            pull_total: Duration::from_secs(30 * 60),
            engine_gone: Duration::from_secs(30),
            close: Duration::from_secs(60),
        }
    }
}

/// Far enough in the future for every clock to count on.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

impl Timeouts {
    /// The same, with nothing that a clock cannot add to its time.
    pub(crate) fn capped(self) -> Self {
        Self {
            connect: self.connect.min(FAR),
            call: self.call.min(FAR),
            work: self.work.min(FAR),
            stream_idle: self.stream_idle.min(FAR),
            pull_idle: self.pull_idle.min(FAR),
            pull_total: self.pull_total.min(FAR),
            engine_gone: self.engine_gone.min(FAR),
            close: self.close.min(FAR),
        }
    }
}

impl DockerConfig {
    /// Refuses what nothing could work with, all of it at once.
    pub(crate) fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        if self.pull_attempts == 0 {
            wrong.push("pull_attempts: must be 1 or more; 1 tries once".to_owned());
        }
        wrong.extend(self.image_volumes.problems());
        let unread = self.server_version.as_ref().filter(|text| Release::read(text).is_none());
        wrong.extend(unread.map(|text| {
            format!("server_version: {text:?} is no version such as \"20.10\" or \"20.10.24\"")
        }));
        for (key, path, usual) in [
            ("run_dir", &self.run_dir, "the user's own"),
            ("image_clean_state_file", &self.image_clean_state_file, "one in the run directory"),
        ] {
            if let Some(path) = path.as_ref().filter(|path| !path.is_absolute()) {
                wrong.push(format!(
                    "{key}: {path:?} is not an absolute path, and would be another one wherever the process is started: begin it with a slash, or leave it out for {usual}"
                ));
            }
        }
        let times = &self.timeouts;
        for (key, time) in [
            ("connect", times.connect),
            ("call", times.call),
            ("work", times.work),
            ("stream_idle", times.stream_idle),
            ("pull_idle", times.pull_idle),
            ("pull_total", times.pull_total),
            ("engine_gone", times.engine_gone),
            ("close", times.close),
        ] {
            if time.is_zero() {
                wrong.push(format!(
                    "timeouts.{key}: must be longer than zero; leave it out for the usual one"
                ));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let message = format!("invalid configuration: {}", wrong.join("; "));
        Err(Error::new(ErrorKind::InvalidInput, "open").message(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_and_an_unknown_key_is_named() {
        let text = r#"{"host":"unix:///s","timeouts":{"call":"5s"}}"#;
        let config: DockerConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.host.as_deref(), Some("unix:///s"));
        assert_eq!(config.timeouts.call, Duration::from_secs(5));
        assert_eq!(config.timeouts.work, Timeouts::default().work);
        let error = serde_json::from_str::<DockerConfig>(r#"{"hots":"x"}"#).unwrap_err();
        assert!(error.to_string().contains("`hots`"), "{error}");
        let error = serde_json::from_str::<Timeouts>(r#"{"call":"soon"}"#).unwrap_err();
        assert!(error.to_string().contains("soon"), "{error}");
    }

    #[test]
    fn what_nothing_could_work_with_is_named_all_at_once() {
        DockerConfig::default().check().unwrap();
        let text = r#"{"image_volumes":["Not/A ref"],"pull_attempts":0,"server_version":"newest",
            "run_dir":"here/run","timeouts":{"connect":"0s","call":"0s",
            "work":"0s","stream_idle":"0s","pull_idle":"0s","pull_total":"0s","engine_gone":"0s",
            "close":"0s"}}"#;
        let config: DockerConfig = serde_json::from_str(text).unwrap();
        let error = config.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = error.to_string();
        assert!(error.contains("run_dir: \"here/run\" is not an absolute path"), "{error}");
        assert!(error.contains("image_volumes: \"Not/A ref\""), "{error}");
        assert!(error.contains("server_version: \"newest\" is no version"), "{error}");
        assert!(error.contains("pull_attempts: must be 1 or more"), "{error}");
        let times = serde_json::to_value(config.timeouts).unwrap();
        for key in times.as_object().unwrap().keys() {
            assert!(error.contains(&format!("timeouts.{key}: must be longer")), "{key}: {error}");
        }
    }

    #[test]
    fn networks_are_a_list_or_the_seeds_text() {
        for text in [r#"{"networks":["a","b"]}"#, r#"{"docker_networks":" a  b "}"#] {
            let config: DockerConfig = serde_json::from_str(text).unwrap();
            assert_eq!(config.networks, ["a", "b"]);
        }
    }

    #[test]
    fn whether_images_may_declare_volumes_is_read_by_the_seeds_name_too() {
        for text in [r#"{"image_volumes":"refuse"}"#, r#"{"image_enable_volume":false}"#] {
            let config: DockerConfig = serde_json::from_str(text).unwrap();
            assert_eq!(config.image_volumes, ImageVolumes::Refuse);
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = serde_json::to_string(&DockerConfig::default()).unwrap();
        let config: DockerConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(config.timeouts, Timeouts::default());
        assert_eq!(config.application, "longshore");
    }
}
