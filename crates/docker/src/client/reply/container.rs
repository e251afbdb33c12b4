//! What an engine says of a container, and of its end.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::labels::our_labels;
use super::nullable;

/// The answer to `POST /containers/create`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Created {
    /// The container's id.
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    /// What the engine could not do as asked.
    #[serde(deserialize_with = "nullable")]
    pub(crate) warnings: Vec<String>,
}

/// The answer to `POST /containers/{id}/wait`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WaitResult {
    /// The exit code.
    pub(crate) status_code: i64,
    /// A failure of the wait itself, or of the start.
    #[serde(default)]
    pub(crate) error: Option<WaitError>,
}

/// Why a wait failed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct WaitError {
    /// The engine's words.
    #[serde(deserialize_with = "nullable")]
    pub(crate) message: String,
}

/// The answer to `GET /containers/{id}/json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Container {
    /// The container's id.
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    /// Its name, after a slash.
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: String,
    /// Its program, as it was named.
    #[serde(deserialize_with = "nullable")]
    pub(crate) path: String,
    /// Its binds and volumes.
    #[serde(deserialize_with = "nullable")]
    pub(crate) mounts: Vec<MountPoint>,
    /// What it was given of its host.
    #[serde(deserialize_with = "nullable")]
    pub(crate) host_config: ContainerHost,
    /// When it was made, in RFC 3339.
    #[serde(deserialize_with = "nullable")]
    pub(crate) created: String,
    /// Its state.
    #[serde(deserialize_with = "nullable")]
    pub(crate) state: State,
    /// What it was made from.
    #[serde(deserialize_with = "nullable")]
    pub(crate) config: ContainerConfig,
    /// Where it can be reached.
    #[serde(deserialize_with = "nullable")]
    pub(crate) network_settings: NetworkSettings,
}

/// What a container was made from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ContainerConfig {
    /// Its labels, as far as they are ours.
    #[serde(deserialize_with = "our_labels")]
    pub(crate) labels: HashMap<String, String>,
    /// Its environment, `NAME=value`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) env: Vec<String>,
    /// Its working directory; nothing for the root.
    #[serde(deserialize_with = "nullable")]
    pub(crate) working_dir: String,
    /// The signal that asks it to end; the image's where the task has none.
    #[serde(deserialize_with = "nullable")]
    pub(crate) stop_signal: String,
}

/// What a container was given of its host.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ContainerHost {
    /// Where the engine keeps its output.
    #[serde(deserialize_with = "nullable")]
    pub(crate) log_config: LogConfig,
    /// Where it has file systems in memory, with their options.
    #[serde(deserialize_with = "nullable")]
    pub(crate) tmpfs: BTreeMap<String, String>,
}

/// A bind or a volume, or a file system in memory that was asked for as a mount.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct MountPoint {
    /// `bind`, `volume`, `tmpfs` or another.
    #[serde(rename = "Type", deserialize_with = "nullable")]
    pub(crate) kind: String,
    /// Where it is in the container.
    #[serde(deserialize_with = "nullable")]
    pub(crate) destination: String,
}

/// Where the engine keeps a container's output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct LogConfig {
    /// The log driver's name.
    #[serde(rename = "Type", deserialize_with = "nullable")]
    pub(crate) kind: String,
    /// Its options.
    #[serde(deserialize_with = "nullable")]
    pub(crate) config: BTreeMap<String, String>,
}

/// The state of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct State {
    /// Such as `created`, `running`, `paused`, `exited`, and on Podman `stopped` or `stopping`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) status: String,
    /// Whether its main process lives, frozen or not.
    #[serde(deserialize_with = "nullable")]
    pub(crate) running: bool,
    /// Whether it is frozen.
    #[serde(deserialize_with = "nullable")]
    pub(crate) paused: bool,
    /// Whether the kernel killed a process of it because memory ran out.
    #[serde(rename = "OOMKilled", deserialize_with = "nullable")]
    pub(crate) oom_killed: bool,
    /// The main process's id on the engine's host.
    #[serde(deserialize_with = "nullable")]
    pub(crate) pid: i64,
    /// The exit code: that of the main process, or 128 and the signal's number. One that is not told
    /// is none, and not the zero of a success.
    pub(crate) exit_code: Option<i64>,
    /// What its health check says; absent where there is none.
    pub(crate) health: Option<Health>,
    /// Why it could not be started.
    #[serde(deserialize_with = "nullable")]
    pub(crate) error: String,
    /// When it was started, in RFC 3339; the year 1 if it never was.
    #[serde(deserialize_with = "nullable")]
    pub(crate) started_at: String,
    /// When it ended, in RFC 3339; the year 1 if it has not.
    #[serde(deserialize_with = "nullable")]
    pub(crate) finished_at: String,
}

impl State {
    /// Whether the engine says that it was never started. Podman 4.3 goes on saying so of some that
    /// were, even when they have ended; their code is 0 then, whatever they gave.
    pub(crate) fn is_unstarted(&self) -> bool {
        !self.running && self.status == "created"
    }
}

/// What a container is on and can be reached by.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NetworkSettings {
    /// Its networks, by name.
    #[serde(deserialize_with = "nullable")]
    pub(crate) networks: BTreeMap<String, Endpoint>,
    /// Where its ports are published: `80/tcp` to places on the host.
    #[serde(deserialize_with = "nullable")]
    pub(crate) ports: BTreeMap<String, Option<Vec<Binding>>>,
}

/// A container's place on a network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    /// Its IPv4 address, or nothing.
    #[serde(rename = "IPAddress", deserialize_with = "nullable")]
    pub(crate) ipv4: String,
    /// Its IPv6 address, or nothing.
    #[serde(rename = "GlobalIPv6Address", deserialize_with = "nullable")]
    pub(crate) ipv6: String,
}

/// A place on the host that a port is published on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Binding {
    /// The host's address, or nothing for all.
    #[serde(deserialize_with = "nullable")]
    pub(crate) host_ip: String,
    /// The host's port.
    #[serde(deserialize_with = "nullable")]
    pub(crate) host_port: String,
}

/// What a health check says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Health {
    /// `starting`, `healthy`, `unhealthy`, or `none` where there is no check.
    #[serde(deserialize_with = "nullable")]
    pub(crate) status: String,
    /// The last checks, the newest at the end.
    #[serde(deserialize_with = "nullable")]
    pub(crate) log: Vec<Check>,
}

/// One run of a health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Check {
    /// Its code; below zero where the engine ended it.
    #[serde(deserialize_with = "nullable")]
    pub(crate) exit_code: i64,
    /// What it wrote, or what the engine says of it.
    #[serde(deserialize_with = "nullable")]
    pub(crate) output: String,
}
