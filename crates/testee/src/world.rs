//! Reads from `/proc`, `/sys` and `/etc` what the container decided.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use longshore_testee::{Capabilities, Limit, Mount, World};

use crate::args::Args;
use crate::failure::{Failure, What};
use crate::streams::{report, terminals};

/// By number, from `linux/capability.h`.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Where the limits are on cgroup v2 (without a folder) and v1.
const CGROUP_FILES: [&str; 12] = [
    "cpu.max",
    "cpu.weight",
    "memory.max",
    "memory.swap.max",
    "pids.max",
    "cpu/cpu.cfs_period_us",
    "cpu/cpu.cfs_quota_us",
    "cpu/cpu.shares",
    "cpuset/cpuset.cpus",
    "memory/memory.limit_in_bytes",
    "memory/memory.memsw.limit_in_bytes",
    "pids/pids.max",
];

pub(crate) fn world(args: &mut Args) -> Result<u8, Failure> {
    args.finish()?;
    let status = read("/proc/self/status")?;
    let status = fields(&status);
    let field = |name: &str| status.get(name).copied().unwrap_or_default();
    // The second of the four ids is the effective one.
    let id = |name| field(name).split_whitespace().nth(1).map_or(Ok(0), number);
    let groups = field("Groups").split_whitespace().map(number);
    report(&World {
        pid: std::process::id(),
        parent: number(field("PPid"))?,
        init: read("/proc/1/comm")?.trim_end().to_owned(),
        uid: id("Uid")?,
        gid: id("Gid")?,
        groups: groups.collect::<Result<_, _>>()?,
        capabilities: Capabilities {
            inheritable: capabilities(field("CapInh"))?,
            permitted: capabilities(field("CapPrm"))?,
            effective: capabilities(field("CapEff"))?,
            bounding: capabilities(field("CapBnd"))?,
            ambient: capabilities(field("CapAmb"))?,
        },
        no_new_privs: field("NoNewPrivs") == "1",
        seccomp: number(field("Seccomp"))?,
        mounts: read("/proc/self/mountinfo")?.lines().filter_map(mount).collect(),
        limits: read("/proc/self/limits")?.lines().skip(1).filter_map(limit).collect(),
        env: std::env::vars_os().map(|(k, v)| (lossy(k), lossy(v))).collect(),
        args: std::env::args_os().map(lossy).collect(),
        cwd: lossy(std::env::current_dir().what("find the working directory")?),
        hostname: read("/proc/sys/kernel/hostname")?.trim_end().to_owned(),
        descriptors: descriptors()?,
        interfaces: interfaces(),
        resolv_conf: fs::read_to_string("/etc/resolv.conf").ok(),
        hosts: fs::read_to_string("/etc/hosts").ok(),
        cgroup: cgroup(),
        devices: names("/dev"),
        terminals: terminals(),
    })
}

fn fields(status: &str) -> BTreeMap<&str, &str> {
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name, value.trim())).collect()
}

fn capabilities(hex: &str) -> Result<Vec<String>, Failure> {
    let bits = u64::from_str_radix(hex, 16);
    let bits = bits.map_err(|_| Failure::Impossible(format!("world: {hex:?} is no set")))?;
    let set = (0..64).filter(|bit| bits & (1 << bit) != 0);
    let name = |bit: usize| match CAPABILITIES.get(bit) {
        Some(name) => format!("CAP_{name}"),
        None => format!("CAP_{bit}"),
    };
    Ok(set.map(name).collect())
}

/// A line of `mountinfo`: the optional fields before the dash vary in number.
fn mount(line: &str) -> Option<Mount> {
    let (place, system) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(4);
    let mut system = system.split(' ');
    let list = |text: &str| text.split(',').map(str::to_owned).collect();
    Some(Mount {
        target: place.next()?.to_owned(),
        options: list(place.next()?),
        kind: system.next()?.to_owned(),
        source: system.next()?.to_owned(),
        super_options: list(system.next()?),
    })
}

/// A line of `limits`: a name of several words, then two figures, then perhaps a unit.
fn limit(line: &str) -> Option<(String, Limit)> {
    // The columns stand at fixed places; see fs/proc/base.c.
    let name = line.get(..26)?.trim().to_lowercase();
    let mut figures = line.get(26..)?.split_whitespace();
    let mut figure = || figures.next().map(|text| text.parse().ok());
    Some((name, Limit { soft: figure()?, hard: figure()? }))
}

fn descriptors() -> Result<BTreeMap<u32, String>, Failure> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd").what("read /proc/self/fd")? {
        let entry = entry.what("read /proc/self/fd")?;
        // The descriptor of this directory is closed again before the report is read.
        let target = fs::read_link(entry.path());
        let target = lossy(target.what("read a descriptor's target")?);
        if target != format!("/proc/{}/fd", std::process::id()) {
            found.insert(number(&lossy(entry.file_name()))?, target);
        }
    }
    Ok(found)
}

/// From the process's own table: `/sys/class/net` may show the host's.
fn interfaces() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let lines = table.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, _)| name.trim().to_owned()).collect()
}

fn cgroup() -> BTreeMap<String, String> {
    let files = CGROUP_FILES.iter().filter_map(|name| {
        let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?;
        Some((String::from(*name), text.trim_end().to_owned()))
    });
    files.collect()
}

fn names(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| lossy(entry.file_name())).collect();
    names.sort();
    names
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).what(format!("read {path}"))
}

fn number(text: &str) -> Result<u32, Failure> {
    let parsed = text.parse();
    parsed.map_err(|_| Failure::Impossible(format!("world: {text:?} is no number")))
}

fn lossy(text: impl AsRef<OsStr>) -> String {
    text.as_ref().to_string_lossy().into_owned()
}
