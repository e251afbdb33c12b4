//! What a driver can do, on its engine and host.

use serde::Serialize;

/// The version of control groups that the engine's host uses for limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CgroupVersion {
    /// Version 1, or a hybrid whose limits are set by version 1.
    V1,
    /// Version 2.
    V2,
}

/// What a driver can do, as found when it was opened. Asking for what it cannot do is refused with
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), before anything is created wherever
/// that can be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// The engine's name, such as `docker`.
    pub engine: String,
    /// The engine's version, as it gives it.
    pub engine_version: String,
    /// The version of the protocol that is spoken with it.
    pub api_version: String,
    /// The platform that its containers run on, `os/arch`.
    pub platform: String,
    /// The version of control groups.
    pub cgroup: Option<CgroupVersion>,
    /// Whether the engine runs without root.
    pub rootless: bool,
    /// Whether a container can be there without its process running.
    pub created_state: bool,
    /// Whether input can be streamed and half-closed.
    pub stdin: bool,
    /// Whether stdout and stderr come apart.
    pub separate_stderr: bool,
    /// Whether the engine marks the end of output, so that it can be proven whole.
    pub output_end: bool,
    /// Whether a task can have a terminal.
    pub tty: bool,
    /// Whether containers can be frozen.
    pub freeze: bool,
    /// Whether statistics can be streamed.
    pub stats: bool,
    /// Whether memory can be limited.
    pub memory_limit: bool,
    /// Whether swap can be limited.
    pub swap_limit: bool,
    /// Whether CPU time can be limited.
    pub cpu_limit: bool,
    /// Whether processes can be limited.
    pub pids_limit: bool,
    /// Whether the writable part of the root file system can be limited.
    pub fs_size: bool,
    /// Whether system calls can be filtered.
    pub seccomp: bool,
    /// Whether AppArmor profiles can be set.
    pub apparmor: bool,
    /// Whether devices of the host can be given.
    pub devices: bool,
    /// Whether images can be pulled.
    pub pull: bool,
    /// Whether a task can be taken up again after its owner's death.
    pub recover: bool,
    /// Whether death by a signal can be told from a code above 128.
    pub proves_signal: bool,
    /// Whether a program that could not be started can be told from the codes 126 and 127.
    pub proves_start: bool,
    /// Whether kills for want of memory are seen.
    pub proves_oom: bool,
    /// Whether kills for want of memory are counted.
    pub counts_oom: bool,
}

impl Capabilities {
    /// A driver that can do nothing yet: a backend sets what it can.
    pub fn nothing(engine: impl Into<String>, engine_version: impl Into<String>) -> Self {
        Self {
            engine: engine.into(),
            engine_version: engine_version.into(),
            api_version: String::new(),
            platform: String::new(),
            cgroup: None,
            rootless: false,
            created_state: false,
            stdin: false,
            separate_stderr: false,
            output_end: false,
            tty: false,
            freeze: false,
            stats: false,
            memory_limit: false,
            swap_limit: false,
            cpu_limit: false,
            pids_limit: false,
            fs_size: false,
            seccomp: false,
            apparmor: false,
            devices: false,
            pull: false,
            recover: false,
            proves_signal: false,
            proves_start: false,
            proves_oom: false,
            counts_oom: false,
        }
    }
}
