//! What is mounted into a container, and its devices.

use serde::{Deserialize, Serialize};

use super::mount_text::MountText;
use crate::units::ByteSize;

/// One mount.
///
/// Written as one table: `{ type = "bind", source = "/data", target = "/in", read_only = true }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "MountText", into = "MountText")]
#[non_exhaustive]
pub struct Mount {
    /// What is mounted.
    pub kind: MountKind,
    /// The absolute path inside the container.
    pub target: String,
    /// Whether the task may only read it.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountKind {
    /// A file or folder of the engine's host.
    Bind {
        /// Its absolute path on the engine's host. It has to exist.
        source: String,
        /// How mounts inside it spread.
        propagation: Propagation,
    },
    /// A volume of the engine.
    Volume {
        /// Its name. Without one it is anonymous and goes with the container; with one it stays, even
        /// if the engine made it for this container.
        source: Option<String>,
    },
    /// A file system in memory, which goes with the container.
    Tmpfs {
        /// How much it holds. Absent: the kernel's default, half of the memory.
        size: Option<ByteSize>,
        /// How many files and folders it holds.
        inodes: Option<u64>,
        /// The permissions of its root, such as `0o1777`.
        mode: Option<u32>,
    },
}

/// How mounts and unmounts spread between the host and the container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Propagation {
    /// Not at all, recursively.
    #[default]
    Rprivate,
    /// Not at all.
    Private,
    /// Both ways, recursively.
    Rshared,
    /// Both ways.
    Shared,
    /// From the host into the container, recursively.
    Rslave,
    /// From the host into the container.
    Slave,
}

impl Mount {
    /// A file or folder of the engine's host, writable.
    pub fn bind(source: impl Into<String>, target: impl Into<String>) -> Self {
        let kind = MountKind::Bind { source: source.into(), propagation: Propagation::default() };
        Self { kind, target: target.into(), read_only: false }
    }

    /// A named volume of the engine, writable. It is meant to outlive the task: an engine makes one of a
    /// name that it does not know, and neither the container's end nor a reaper removes that. For one
    /// that goes with its owner, make it with the owner's labels before.
    pub fn volume(name: impl Into<String>, target: impl Into<String>) -> Self {
        let kind = MountKind::Volume { source: Some(name.into()) };
        Self { kind, target: target.into(), read_only: false }
    }

    /// A volume of the container's own, removed with it.
    pub fn anonymous_volume(target: impl Into<String>) -> Self {
        Self { kind: MountKind::Volume { source: None }, target: target.into(), read_only: false }
    }

    /// A file system in memory.
    pub fn tmpfs(target: impl Into<String>, size: Option<ByteSize>) -> Self {
        let kind = MountKind::Tmpfs { size, inodes: None, mode: None };
        Self { kind, target: target.into(), read_only: false }
    }

    /// The same mount, only to be read.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}

/// A device of the engine's host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Device {
    /// Its path on the engine's host.
    pub host: String,
    /// Its path in the container. Absent: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What the task may do: a choice of `r` (read), `w` (write) and `m` (make).
    #[serde(default = "all_permissions")]
    pub permissions: String,
}

fn all_permissions() -> String {
    "rwm".to_owned()
}

impl Device {
    /// A device with all permissions at the same path.
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into(), container: None, permissions: all_permissions() }
    }
}
