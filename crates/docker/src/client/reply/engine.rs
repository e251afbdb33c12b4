//! What an engine says of itself.

use serde::Deserialize;

use super::nullable;

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
