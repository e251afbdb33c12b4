//! The engine's answers: only the fields that are needed, and words as text, so that a state or a
//! field that a newer engine invents does not spoil the whole answer.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The answer to `GET /version`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Version {
    /// The engine's version, such as `20.10.24+dfsg1`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) version: String,
    /// The newest API that it speaks.
    #[serde(deserialize_with = "nullable")]
    pub(crate) api_version: String,
    /// The oldest API that it speaks.
    #[serde(rename = "MinAPIVersion")]
    pub(crate) min_api_version: Option<String>,
    /// What its containers run on, such as `linux`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) os: String,
    /// In Go's words, as images name it: `amd64`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) arch: String,
    /// Its parts; the first one tells Docker from Podman.
    #[serde(deserialize_with = "nullable")]
    pub(crate) components: Vec<Component>,
}

/// A part of an engine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Component {
    /// Such as `Engine` or `Podman Engine`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: String,
    /// Its version, in whatever words the part has for it.
    #[serde(deserialize_with = "nullable")]
    pub(crate) version: String,
}

/// The answer to `GET /info`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Info {
    /// What tells a Docker from others, and stays the same when it is started anew.
    #[serde(rename = "ID", deserialize_with = "nullable")]
    pub(crate) id: String,
    /// The time on its clock, in RFC 3339.
    #[serde(deserialize_with = "nullable")]
    pub(crate) system_time: String,
    /// Its host's name.
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: String,
    /// The folder of its storage.
    #[serde(deserialize_with = "nullable")]
    pub(crate) docker_root_dir: String,
    /// The storage driver.
    #[serde(deserialize_with = "nullable")]
    pub(crate) driver: String,
    /// Whether its containers outlive it.
    #[serde(deserialize_with = "nullable")]
    pub(crate) live_restore_enabled: bool,
    /// `1` or `2`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) cgroup_version: String,
    /// Whether memory can be limited.
    #[serde(deserialize_with = "nullable")]
    pub(crate) memory_limit: bool,
    /// Whether swap can be limited.
    #[serde(deserialize_with = "nullable")]
    pub(crate) swap_limit: bool,
    /// Whether the count of processes can be limited.
    #[serde(deserialize_with = "nullable")]
    pub(crate) pids_limit: bool,
    /// Whether CPU time can be limited.
    #[serde(deserialize_with = "nullable")]
    pub(crate) cpu_cfs_quota: bool,
    /// Whether it can be shared by weight.
    #[serde(rename = "CPUShares", deserialize_with = "nullable")]
    pub(crate) cpu_shares: bool,
    /// Whether CPUs can be chosen.
    #[serde(rename = "CPUSet", deserialize_with = "nullable")]
    pub(crate) cpu_set: bool,
    /// Such as `name=seccomp,profile=default` and `name=rootless`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) security_options: Vec<String>,
}

/// The answer to `GET /images/{name}/json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Image {
    /// The image's id.
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    /// Its names with a tag.
    #[serde(deserialize_with = "nullable")]
    pub(crate) repo_tags: Vec<String>,
    /// Its names with a digest.
    #[serde(deserialize_with = "nullable")]
    pub(crate) repo_digests: Vec<String>,
    /// Bytes of all its layers.
    #[serde(deserialize_with = "nullable")]
    pub(crate) size: i64,
    /// The operating system.
    #[serde(deserialize_with = "nullable")]
    pub(crate) os: String,
    /// The processor, such as `amd64`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) architecture: String,
    /// The processor's variant, such as `v8`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) variant: String,
    /// What its containers begin with.
    #[serde(deserialize_with = "nullable")]
    pub(crate) config: ImageConfig,
}

/// What an image gives to its containers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ImageConfig {
    /// The volumes that it declares, by their paths.
    #[serde(deserialize_with = "nullable")]
    pub(crate) volumes: BTreeMap<String, Value>,
}

/// The answer to `GET /system/df`, as far as it is about images.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct DiskUsage {
    /// Bytes of all layers, each counted once.
    pub(crate) layers_size: Option<i64>,
    /// The images.
    #[serde(deserialize_with = "nullable")]
    pub(crate) images: Vec<ListedImage>,
}

/// One image of a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ListedImage {
    /// The image's id.
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    /// Its names with a tag.
    #[serde(deserialize_with = "nullable")]
    pub(crate) repo_tags: Vec<String>,
    /// Its names with a digest.
    #[serde(deserialize_with = "nullable")]
    pub(crate) repo_digests: Vec<String>,
    /// Bytes of all its layers.
    #[serde(deserialize_with = "nullable")]
    pub(crate) size: i64,
    /// Bytes of those of its layers that other images have as well; less than 0 if not known.
    #[serde(deserialize_with = "nullable")]
    pub(crate) shared_size: i64,
    /// The image that it was built on, where it was built here.
    #[serde(deserialize_with = "nullable")]
    pub(crate) parent_id: String,
    /// When it was made, in seconds since 1970.
    #[serde(deserialize_with = "nullable")]
    pub(crate) created: i64,
}

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
    /// Its labels.
    #[serde(deserialize_with = "nullable")]
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
    /// The exit code: that of the main process, or 128 and the signal's number.
    #[serde(deserialize_with = "nullable")]
    pub(crate) exit_code: i64,
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

/// The answer to `POST /containers/{id}/exec`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatedExec {
    /// The further process's id on the engine.
    pub(crate) id: String,
}

/// The answer to `GET /exec/{id}/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ExecState {
    /// Whether it runs, as far as the engine knows.
    pub(crate) running: bool,
    /// Its exit code, once it has ended.
    pub(crate) exit_code: Option<i64>,
    /// Its process id on the engine's host; 0 if it never was started.
    #[serde(deserialize_with = "nullable")]
    pub(crate) pid: i64,
}

/// One thing of a list: a container, a network, a volume.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Listed {
    /// Its id.
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    /// Of a container: such as `created`, `running`, `exited`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) state: String,
    /// Its labels.
    #[serde(deserialize_with = "nullable")]
    pub(crate) labels: HashMap<String, String>,
}

impl Listed {
    /// What one of our labels says. Where there is nothing to say, it has no value.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// One value of `GET /events`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    /// Such as `die`, `oom`, and `health_status: healthy`.
    #[serde(rename = "Action", deserialize_with = "nullable")]
    pub(crate) action: String,
    /// What it happened to.
    #[serde(rename = "Actor", deserialize_with = "nullable")]
    pub(crate) actor: Actor,
    /// When, on the engine's clock.
    #[serde(rename = "timeNano", deserialize_with = "nullable")]
    pub(crate) time_nano: i64,
}

/// What an event happened to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Actor {
    /// Its id.
    #[serde(rename = "ID", deserialize_with = "nullable")]
    pub(crate) id: String,
    /// What there is to know, and its labels: a label takes the place of what the engine has to say
    /// under the same name.
    #[serde(rename = "Attributes", deserialize_with = "nullable")]
    pub(crate) attributes: HashMap<String, String>,
}

/// Where the event of an end has the exit code.
const EXIT_CODE: &str = "exitCode";

impl Event {
    /// The code that a main process ended with, or what a label says about it.
    pub(crate) fn exit_code(&self) -> Option<i64> {
        self.actor.attributes.get(EXIT_CODE)?.parse().ok()
    }

    /// Whether there is anything where the exit code is. Of an event that is no end, that is a label.
    pub(crate) fn has_exit_code(&self) -> bool {
        self.actor.attributes.contains_key(EXIT_CODE)
    }

    /// What a health check says, if it is sure. No label writes the action.
    pub(crate) fn health(&self) -> Option<bool> {
        match self.action.strip_prefix("health_status: ")? {
            "healthy" => Some(true),
            "unhealthy" => Some(false),
            _ => None,
        }
    }
}

/// The answer to `GET /volumes`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Volumes {
    /// The volumes.
    #[serde(deserialize_with = "nullable")]
    pub(crate) volumes: Vec<Volume>,
}

/// A volume, which has a name and no id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Volume {
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: String,
    /// Its labels.
    #[serde(deserialize_with = "nullable")]
    pub(crate) labels: HashMap<String, String>,
}

impl From<Volume> for Listed {
    fn from(volume: Volume) -> Self {
        Self { id: volume.name, labels: volume.labels, ..Self::default() }
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

/// Go writes an empty list or a missing part as `null`: it counts as not there.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_state_and_unknown_fields_are_no_failure() {
        let text = r#"{"Id":"c","State":{"Status":"stopped","Running":false,"ExitCode":3,"New":{}},"Else":1}"#;
        let container: Container = serde_json::from_str(text).unwrap();
        assert_eq!(container.state.status, "stopped");
        assert_eq!(container.state.exit_code, 3);
    }

    #[test]
    fn null_stands_for_nothing() {
        let image: Image =
            serde_json::from_str(r#"{"Id":"i","Config":null,"RepoDigests":null}"#).unwrap();
        assert_eq!((image.os.as_str(), image.architecture.as_str()), ("", ""));
        let created: Created = serde_json::from_str(r#"{"Id":"c","Warnings":null}"#).unwrap();
        assert!(created.warnings.is_empty());
    }

    #[test]
    fn a_wait_without_an_exit_code_is_no_exit() {
        assert!(serde_json::from_str::<WaitResult>("{}").is_err());
    }
}
