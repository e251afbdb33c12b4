//! What the program prints about itself and its surroundings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything about a process that its container decides (`world`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The process id, as the process sees it.
    pub pid: u32,
    /// The parent's process id; 0 when the parent is outside the pid namespace.
    pub parent: u32,
    /// The name of process 1: the program itself, or the init that runs it.
    pub init: String,
    /// The effective user id.
    pub uid: u32,
    /// The effective group id.
    pub gid: u32,
    /// The supplementary groups, in ascending order.
    pub groups: Vec<u32>,
    /// The five sets of capabilities.
    pub capabilities: Capabilities,
    /// Whether an executed file can give more rights than the process has.
    pub no_new_privs: bool,
    /// The seccomp mode: 0 none, 1 strict, 2 a filter.
    pub seccomp: u32,
    /// What is mounted, in the kernel's order.
    pub mounts: Vec<Mount>,
    /// Resource limits by the kernel's names in small letters (`max open files`).
    pub limits: BTreeMap<String, Limit>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The arguments, the program's own path first.
    pub args: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// The host name.
    pub hostname: String,
    /// Open descriptors and what they lead to, but for the one that was needed to look.
    pub descriptors: BTreeMap<u32, String>,
    /// The names of the network interfaces, in the kernel's order.
    pub interfaces: Vec<String>,
    /// The text of `/etc/resolv.conf`, if there is one.
    pub resolv_conf: Option<String>,
    /// The text of `/etc/hosts`, if there is one.
    pub hosts: Option<String>,
    /// The control files of the memory, cpu and pids controllers that can be read, by path.
    pub cgroup: BTreeMap<String, String>,
    /// Devices directly under `/dev`, sorted.
    pub devices: Vec<String>,
    /// What the standard streams are.
    pub terminals: Terminals,
}

/// The sets of capabilities, as names (`CAP_KILL`) in the kernel's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the kernel's")]
pub struct Capabilities {
    pub inheritable: Vec<String>,
    pub permitted: Vec<String>,
    pub effective: Vec<String>,
    pub bounding: Vec<String>,
    pub ambient: Vec<String>,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where it is.
    pub target: String,
    /// The device or name of what is mounted.
    pub source: String,
    /// The type of the file system.
    pub kind: String,
    /// The options of this mount (`ro`, `nosuid`).
    pub options: Vec<String>,
    /// The options of the file system (`size=65536k`).
    pub super_options: Vec<String>,
}

/// A resource limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the kernel's")]
pub struct Limit {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// Which standard streams are terminals (`isatty`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminals {
    /// Whether stdin is one.
    pub stdin: bool,
    /// Whether stdout is one.
    pub stdout: bool,
    /// Whether stderr is one.
    pub stderr: bool,
    /// The window's height, if any of them is one.
    pub rows: Option<u16>,
    /// The window's width, if any of them is one.
    pub columns: Option<u16>,
}

/// How much processor time was burnt (`burn`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burnt {
    /// Processor time, in milliseconds.
    pub cpu_ms: u64,
    /// Time on the clock, in milliseconds; more than `cpu_ms` where processor time is limited.
    pub wall_ms: u64,
}

/// How a child ended (`alloc-child`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildFate {
    /// Its code, if it exited.
    pub code: Option<i32>,
    /// The signal, if one killed it.
    pub signal: Option<i32>,
}

/// How many children could be started (`fork`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forked {
    /// How many were wanted.
    pub asked: u32,
    /// How many ran at the same time.
    pub started: u32,
    /// The error number of the first that failed.
    pub errno: Option<i32>,
}

/// How much fitted on a file system (`fill`, `touch`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// How many bytes, or files, were wanted.
    pub asked: u64,
    /// How many were written, or made.
    pub written: u64,
    /// The error number that ended it early.
    pub errno: Option<i32>,
}

/// How many files could be open at once (`open`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// How many were wanted.
    pub asked: u64,
    /// How many were opened, beside the three standard streams.
    pub opened: u64,
    /// The error number that ended it early.
    pub errno: Option<i32>,
}

/// What a name leads to (`resolve`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The addresses, sorted as texts.
    pub addresses: Vec<String>,
}

/// Where the program listens (`listen-tcp`, `listen-udp`, `listen-unix`); printed before it accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// The address with its port, or the path.
    pub address: String,
}
