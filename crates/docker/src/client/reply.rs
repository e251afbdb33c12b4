//! The engine's answers: only the fields that are needed, and words as text, so that a state or a
//! field that a newer engine invents does not spoil the whole answer.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};

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
}

/// The answer to `GET /info`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Info {
    /// The storage driver.
    #[serde(deserialize_with = "nullable")]
    pub(crate) driver: String,
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
    /// Such as `name=seccomp,profile=default` and `name=rootless`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) security_options: Vec<String>,
}

/// The answer to `GET /images/{name}/json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Image {
    /// The operating system.
    #[serde(deserialize_with = "nullable")]
    pub(crate) os: String,
    /// The processor, such as `amd64`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) architecture: String,
    /// The processor's variant, such as `v8`.
    #[serde(deserialize_with = "nullable")]
    pub(crate) variant: String,
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
    /// Its state.
    #[serde(deserialize_with = "nullable")]
    pub(crate) state: State,
    /// What it was made from.
    #[serde(deserialize_with = "nullable")]
    pub(crate) config: ContainerConfig,
}

/// What a container was made from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ContainerConfig {
    /// The signal that asks it to end; the image's where the task has none.
    #[serde(deserialize_with = "nullable")]
    pub(crate) stop_signal: String,
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

/// One container of `GET /containers/json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Listed {
    /// The container's id.
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    /// Its labels.
    #[serde(deserialize_with = "nullable")]
    pub(crate) labels: HashMap<String, String>,
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
