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
    /// Whether a terminal can have a size from the start ([`tty_size`](crate::TaskSpec::tty_size)).
    /// Without it such a task is refused, and a size can be set once it runs
    /// ([`Running::resize`](crate::Running::resize)).
    pub tty_size: bool,
    /// Whether containers can be frozen.
    pub freeze: bool,
    /// Whether a further process can be run in the container of a task that runs.
    pub exec: bool,
    /// Whether such a process can be killed. Without it, cancelling one lets go of its streams, and
    /// it lives until it ends by itself or its container is closed.
    pub exec_kill: bool,
    /// Whether files can be copied into a container and out of it.
    pub copy: bool,
    /// Whether such a process that could not be started can be told from one that ends with 125,
    /// 126 or 127 itself. Without it the engine's words come as the process's own errors.
    pub exec_proves_start: bool,
    /// Whether statistics can be streamed.
    pub stats: bool,
    /// Whether a task can choose how often a sample of its statistics is taken
    /// ([`stats_interval`](crate::TaskSpec::stats_interval)).
    pub stats_interval: bool,
    /// Whether memory can be limited.
    pub memory_limit: bool,
    /// Whether swap can be limited.
    pub swap_limit: bool,
    /// Whether CPU time can be limited.
    pub cpu_limit: bool,
    /// Whether CPU time can be shared by weight.
    pub cpu_shares: bool,
    /// Whether a task can be kept on certain CPUs.
    pub cpuset: bool,
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
    /// Whether a task's health can be checked and waited for.
    pub health: bool,
    /// Whether ports can be published.
    pub publish_ports: bool,
    /// Whether a task can be on several networks.
    pub several_networks: bool,
    /// Whether images can be pulled.
    pub pull: bool,
    /// Whether networks made beforehand can be borrowed.
    pub prefork: bool,
    /// Whether a task can be taken up again after its owner's death.
    pub recover: bool,
    /// Whether death by a signal can be told from a code above 128.
    pub proves_signal: bool,
    /// Whether a program that could not be started can always be told from the codes 126 and 127.
    /// Where it cannot, it may be in many cases: then the exit has no alternatives.
    pub proves_start: bool,
    /// Whether the code 1 is a task's own. Where it is not, and `proves_start` is not set either, an
    /// init answers it for any program that it cannot start.
    pub proves_one: bool,
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
            tty_size: false,
            freeze: false,
            exec: false,
            exec_kill: false,
            copy: false,
            exec_proves_start: false,
            stats: false,
            stats_interval: false,
            memory_limit: false,
            swap_limit: false,
            cpu_limit: false,
            cpu_shares: false,
            cpuset: false,
            pids_limit: false,
            fs_size: false,
            seccomp: false,
            apparmor: false,
            devices: false,
            health: false,
            publish_ports: false,
            several_networks: false,
            pull: false,
            prefork: false,
            recover: false,
            proves_signal: false,
            proves_start: false,
            proves_one: false,
            proves_oom: false,
            counts_oom: false,
        }
    }
}
