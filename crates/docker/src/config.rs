//! What a driver is opened with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::CredentialSource;
use serde::{Deserialize, Serialize};

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
    /// The application that everything made belongs to. A reaper never touches another's.
    pub application: String,
    /// Where the owner's lease is kept. Absent: the user's own run directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_dir: Option<PathBuf>,
    /// Whether opening begins, in the background, to remove what dead owners left.
    pub reap_on_open: bool,
    /// How long the engine may take.
    pub timeouts: Timeouts,
    /// How often a pull is tried at most, the first attempt included. Only failures that pass by
    /// themselves are tried again, within the bound of a whole pull.
    pub pull_attempts: u32,
    /// Where credentials for registries come from when the task's hooks give none. Absent: the
    /// user's own Docker configuration, with its credential helpers.
    #[serde(skip)]
    pub credentials: Option<Arc<dyn CredentialSource>>,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self {
            host: None,
            application: "longshore".to_owned(),
            run_dir: None,
            reap_on_open: true,
            timeouts: Timeouts::default(),
            pull_attempts: 3,
            credentials: None,
        }
    }
}

/// How long the engine may take. Every call has a bound around the whole of it.
///
/// Written as texts such as `"5s"` and `"10m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Timeouts {
    /// To open a connection.
    #[serde(with = "text")]
    pub connect: Duration,
    /// A call that reads or changes little.
    #[serde(with = "text")]
    pub call: Duration,
    /// A call that makes the engine work: create, start, remove.
    #[serde(with = "text")]
    pub work: Duration,
    /// From one value to the next of a stream that never pauses, such as statistics.
    #[serde(with = "text")]
    pub stream_idle: Duration,
    /// From one step of a pull to the next.
    #[serde(with = "text")]
    pub pull_idle: Duration,
    /// A whole pull.
    #[serde(with = "text")]
    pub pull_total: Duration,
    /// An engine that went away while a task runs, until the task counts as lost.
    #[serde(with = "text")]
    pub engine_gone: Duration,
    /// Closing the driver.
    #[serde(with = "text")]
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

/// Durations as people write them.
mod text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text)
            .map_err(|error| de::Error::custom(format!("{text:?} is no duration: {error}")))
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
    fn what_is_written_can_be_read() {
        let text = serde_json::to_string(&DockerConfig::default()).unwrap();
        let config: DockerConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(config.timeouts, Timeouts::default());
        assert_eq!(config.application, "longshore");
    }
}
