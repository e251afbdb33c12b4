//! Checks a whole description and reports every problem.

use std::collections::BTreeSet;
use std::fmt;

use longshore_image_ref::ImageRef;

use super::{LogDriver, Mount, MountKind, Network, NetworkMode, TaskSpec};
use crate::owner::LABEL_PREFIX;
use crate::{Error, ErrorKind};

/// One thing that is wrong with a description.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The field, as it is written: `limits.memory`, `mounts[2].target`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// Everything that is wrong with a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSpec(Vec<Problem>);

impl InvalidSpec {
    /// The problems, at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid task: ")?;
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", problem.field, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidSpec {}

impl From<InvalidSpec> for Error {
    fn from(invalid: InvalidSpec) -> Self {
        Self::new(ErrorKind::InvalidInput, "container").message(invalid.to_string())
    }
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), message: message.into() });
    }

    fn check(&mut self, good: bool, field: impl Into<String>, message: impl Into<String>) {
        if !good {
            self.add(field, message);
        }
    }
}

pub(super) fn validate(spec: &TaskSpec) -> Result<(), InvalidSpec> {
    let mut problems = Problems(Vec::new());
    let p = &mut problems;
    process(spec, p);
    limits(spec, p);
    security(spec, p);
    network(&spec.network, p);
    mounts(spec, p);
    log(&spec.log, p);
    for name in spec.labels.keys() {
        p.check(!name.is_empty(), "labels", "a label has no name");
        p.check(
            !name.starts_with(LABEL_PREFIX),
            "labels",
            format!("{name:?}: names that begin with {LABEL_PREFIX:?} are kept for the driver"),
        );
    }
    if problems.0.is_empty() { Ok(()) } else { Err(InvalidSpec(problems.0)) }
}

fn process(spec: &TaskSpec, p: &mut Problems) {
    let plain = |text: &str| !text.chars().any(char::is_control);
    p.check(
        !spec.id.is_empty() && spec.id.len() <= 256 && plain(&spec.id),
        "id",
        "must be 1 to 256 bytes without control characters",
    );
    if let Err(error) = spec.image.parse::<ImageRef>() {
        p.add("image", error.to_string());
    }
    if let Some(platform) = &spec.platform {
        let parts: Vec<&str> = platform.split('/').collect();
        let good = (2..=3).contains(&parts.len())
            && parts.iter().all(|part| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_')
            });
        p.check(
            good,
            "platform",
            format!("{platform:?} is not of the form os/arch or os/arch/variant"),
        );
    }
    for (field, words) in
        [("entrypoint", spec.entrypoint.as_deref().unwrap_or_default()), ("args", &spec.args)]
    {
        for (index, word) in words.iter().enumerate() {
            p.check(!word.contains('\0'), format!("{field}[{index}]"), "holds a null byte");
        }
    }
    for (name, value) in spec.env.iter() {
        p.check(
            !name.is_empty() && !name.contains(['=', '\0']),
            "env",
            format!("{name:?} is not a name: it is empty, or holds '=' or a null byte"),
        );
        p.check(!value.contains('\0'), format!("env.{name}"), "holds a null byte");
    }
    if let Some(path) = &spec.work_dir {
        absolute(path, "work_dir", p);
    }
    p.check(
        spec.timeout.is_none_or(|time| !time.is_zero()),
        "timeout",
        "must be longer than zero; leave it out for no timeout",
    );
    p.check(
        spec.recoverable_for.is_none_or(|time| !time.is_zero()),
        "recoverable_for",
        "must be longer than zero; leave it out for a task that cannot be recovered",
    );
}

const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn limits(spec: &TaskSpec, p: &mut Problems) {
    let limits = &spec.limits;
    let zero = "must be more than zero; leave it out for no limit";
    for (field, size) in [
        ("limits.memory", limits.memory),
        ("limits.memory_reservation", limits.memory_reservation),
        ("limits.fs_size", limits.fs_size),
        ("limits.shm_size", limits.shm_size),
    ] {
        p.check(size.is_none_or(|size| size.bytes() > 0), field, zero);
        p.check(
            size.is_none_or(|size| i64::try_from(size.bytes()).is_ok()),
            field,
            "is more than 8EiB",
        );
    }
    if let Some(swap) = limits.swap {
        p.check(limits.memory.is_some(), "limits.swap", "needs limits.memory");
        let sum = limits.memory.unwrap_or_default().bytes().checked_add(swap.bytes());
        p.check(
            sum.is_some_and(|sum| i64::try_from(sum).is_ok()),
            "limits.swap",
            "is more than 8EiB together with the memory",
        );
    }
    if let (Some(memory), Some(reservation)) = (limits.memory, limits.memory_reservation) {
        p.check(
            reservation <= memory,
            "limits.memory_reservation",
            format!("{reservation} is more than the memory, {memory}"),
        );
    }
    p.check(limits.cpus.is_none_or(|cpus| cpus.as_milli() > 0), "limits.cpus", zero);
    p.check(
        limits.cpu_shares.is_none_or(|shares| (2..=262_144).contains(&shares)),
        "limits.cpu_shares",
        "must be from 2 to 262144",
    );
    if let Some(set) = &limits.cpuset {
        p.check(
            cpuset(set),
            "limits.cpuset",
            format!("{set:?} is not a list of CPUs such as \"0-2,4\""),
        );
    }
    p.check(limits.pids != Some(0), "limits.pids", zero);
    for (name, limit) in &limits.ulimits {
        p.check(
            ULIMITS.contains(&name.as_str()),
            format!("limits.ulimits.{name}"),
            format!("is not one of {}", ULIMITS.join(", ")),
        );
        p.check(
            limit.soft <= limit.hard,
            format!("limits.ulimits.{name}"),
            format!("the soft limit {} is above the hard one, {}", limit.soft, limit.hard),
        );
        p.check(
            i64::try_from(limit.hard).is_ok(),
            format!("limits.ulimits.{name}"),
            "is more than 2^63 - 1",
        );
    }
}

fn cpuset(set: &str) -> bool {
    let number = |text: &str| {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            None
        } else {
            text.parse::<u32>().ok()
        }
    };
    set.split(',').all(|part| match part.split_once('-') {
        Some((first, last)) => {
            matches!((number(first), number(last)), (Some(first), Some(last)) if first <= last)
        }
        None => number(part).is_some(),
    })
}

fn security(spec: &TaskSpec, p: &mut Problems) {
    let security = &spec.security;
    let name =
        |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':');
    let good = match security.user.split_once(':') {
        Some((user, group)) => !user.is_empty() && !group.is_empty() && name(user) && name(group),
        None => name(&security.user),
    };
    p.check(
        good,
        "security.user",
        format!("{:?} is not of the form user or user:group", security.user),
    );
    for (index, group) in security.groups.iter().enumerate() {
        p.check(
            !group.is_empty() && name(group),
            format!("security.groups[{index}]"),
            format!("{group:?} is not a group"),
        );
    }
    for (index, device) in spec.devices.iter().enumerate() {
        absolute(&device.host, &format!("devices[{index}].host"), p);
        if let Some(path) = &device.container {
            absolute(path, &format!("devices[{index}].container"), p);
        }
        let good =
            !device.permissions.is_empty() && device.permissions.chars().all(|c| "rwm".contains(c));
        p.check(
            good,
            format!("devices[{index}].permissions"),
            format!("{:?} is not a choice of r, w and m", device.permissions),
        );
    }
}

fn network(network: &Network, p: &mut Problems) {
    if let NetworkMode::Named(name) = &network.mode {
        let mut bytes = name.bytes();
        let good = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        p.check(
            good,
            "network.mode",
            format!("{name:?} is not none, bridge, host or the name of a network"),
        );
    } else {
        p.check(network.aliases.is_empty(), "network.aliases", "need a network by name");
    }
    if let Some(name) = &network.hostname {
        p.check(hostname(name), "network.hostname", format!("{name:?} is not a host name"));
        p.check(
            network.mode != NetworkMode::Host,
            "network.hostname",
            "cannot be set on the host's own network",
        );
    }
    for name in network.extra_hosts.keys() {
        p.check(hostname(name), format!("network.extra_hosts.{name}"), "is not a host name");
    }
}

fn hostname(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

fn mounts(spec: &TaskSpec, p: &mut Problems) {
    let mut targets = BTreeSet::new();
    for (index, Mount { kind, target, .. }) in spec.mounts.iter().enumerate() {
        let field = |name: &str| format!("mounts[{index}].{name}");
        absolute(target, &field("target"), p);
        p.check(!target.trim_end_matches('/').is_empty(), field("target"), "cannot be the root");
        p.check(
            targets.insert(target.trim_end_matches('/')),
            field("target"),
            format!("{target:?} is mounted twice"),
        );
        match kind {
            MountKind::Bind { source, .. } => absolute(source, &field("source"), p),
            MountKind::Volume { source: Some(name) } => {
                p.check(
                    !name.is_empty() && !name.contains('/'),
                    field("source"),
                    format!("{name:?} is not the name of a volume"),
                );
            }
            MountKind::Volume { source: None } => {}
            MountKind::Tmpfs { size, inodes, mode } => {
                p.check(
                    size.is_none_or(|size| size.bytes() > 0),
                    field("size"),
                    "must be more than zero",
                );
                p.check(*inodes != Some(0), field("inodes"), "must be more than zero");
                p.check(
                    mode.is_none_or(|mode| mode <= 0o7777),
                    field("mode"),
                    "is more than 0o7777",
                );
            }
        }
    }
}

fn absolute(path: &str, field: &str, p: &mut Problems) {
    let good =
        path.starts_with('/') && !path.contains('\0') && !path.split('/').any(|part| part == "..");
    p.check(good, field, format!("{path:?} is not an absolute path without \"..\""));
}

fn log(log: &LogDriver, p: &mut Problems) {
    p.check(!log.driver.is_empty(), "log.driver", "is empty; \"none\" keeps nothing");
    p.check(
        log.driver != "none" || log.options.is_empty(),
        "log.options",
        "do not apply to the log driver none",
    );
}
