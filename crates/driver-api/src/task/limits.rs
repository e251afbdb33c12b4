//! How much a task may use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, Cpus};

/// How much a task may use. What is absent is not limited by the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Memory, of all processes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Swap on top of the memory. Absent or zero: none, wherever memory is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<ByteSize>,
    /// Memory below which the kernel does not reclaim first under pressure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<ByteSize>,
    /// CPU time for each unit of real time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// Weight against others when CPU is short, 2 to 262144; 1024 is the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u32>,
    /// The CPUs to run on, such as `"0-2,4"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<String>,
    /// Processes and threads together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// What the task may write into its root file system, where the engine's storage can count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_size: Option<ByteSize>,
    /// The size of `/dev/shm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<ByteSize>,
    /// Limits of each process by the kernel's names, such as `nofile` or `memlock`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// What the task may write to each of its output streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputLimit>,
}

/// A soft and a hard limit of one process.
///
/// Reads and writes a number for both, or `{ soft = 1, hard = 2 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "UlimitText", into = "UlimitText")]
pub struct Ulimit {
    /// The limit in force, which the process may raise up to the hard one.
    pub soft: u64,
    /// The limit that the process may not raise.
    pub hard: u64,
}

impl Ulimit {
    /// The same limit, soft and hard.
    #[must_use]
    pub const fn both(limit: u64) -> Self {
        Self { soft: limit, hard: limit }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a whole number, or { soft = 1, hard = 2 }")]
enum UlimitText {
    Both(u64),
    Each { soft: u64, hard: u64 },
}

impl From<UlimitText> for Ulimit {
    fn from(text: UlimitText) -> Self {
        match text {
            UlimitText::Both(limit) => Self::both(limit),
            UlimitText::Each { soft, hard } => Self { soft, hard },
        }
    }
}

impl From<Ulimit> for UlimitText {
    fn from(limit: Ulimit) -> Self {
        if limit.soft == limit.hard {
            Self::Both(limit.soft)
        } else {
            Self::Each { soft: limit.soft, hard: limit.hard }
        }
    }
}

/// How many bytes of each output stream are delivered, and what happens beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OutputLimit {
    /// Bytes of each stream: exactly that many are delivered of a longer one.
    pub bytes: ByteSize,
    /// What happens when a stream goes beyond.
    #[serde(default)]
    pub then: OverLimit,
}

impl OutputLimit {
    /// Delivers at most `bytes` of each stream; the rest is read, counted and thrown away.
    #[must_use]
    pub const fn discard_beyond(bytes: ByteSize) -> Self {
        Self { bytes, then: OverLimit::Discard }
    }

    /// Delivers at most `bytes` of each stream and ends the task when one goes beyond.
    #[must_use]
    pub const fn stop_beyond(bytes: ByteSize) -> Self {
        Self { bytes, then: OverLimit::Stop }
    }
}

/// What happens when a stream goes beyond its limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OverLimit {
    /// The rest is read, counted and thrown away, so that the task never blocks.
    #[default]
    Discard,
    /// The task is killed; its outcome is the output limit.
    Stop,
}
