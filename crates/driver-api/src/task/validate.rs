//! Checks a whole description and reports every problem.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use longshore_image_ref::ImageRef;

use super::{
    CapabilityDrop, Health, HealthCheck, LogDriver, Mount, MountKind, Network, NetworkMode,
    Seccomp, Security, TaskSpec, words,
};
use crate::owner::LABEL_PREFIX;
use crate::{Error, ErrorKind};

/// Reading a container's figures takes a good part of a millisecond.
const LEAST_STATS_INTERVAL: Duration = Duration::from_millis(10);

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
    pub(super) fn of(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

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
    health(&spec.health, p);
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
    for (field, list) in
        [("entrypoint", spec.entrypoint.as_deref().unwrap_or_default()), ("args", &spec.args)]
    {
        for (index, word) in list.iter().enumerate() {
            if let Some(problem) = words::problem(word, word.len()) {
                p.add(format!("{field}[{index}]"), problem);
            }
        }
    }
    for (name, value) in spec.env.iter() {
        p.check(
            !name.is_empty() && !name.contains(['=', '\0']),
            "env",
            format!("{name:?} is not a name: it is empty, or holds '=' or a null byte"),
        );
        if let Some(problem) = words::problem(value, words::variable(name, value)) {
            p.add(format!("env.{name}"), problem);
        }
    }
    if let Some(path) = &spec.work_dir {
        absolute(path, "work_dir", p);
    }
    if let Some(size) = spec.tty_size {
        p.check(
            spec.tty,
            "tty_size",
            "is for a task with a terminal: set tty too, or leave it out",
        );
        p.check(
            size.rows > 0 && size.columns > 0,
            "tty_size",
            "must have rows and columns; leave it out for the engine's own",
        );
    }
    p.check(
        spec.timeout.is_none_or(|time| !time.is_zero()),
        "timeout",
        "must be longer than zero; leave it out for no timeout",
    );
    p.check(
        spec.stats_interval.is_none_or(|time| time >= LEAST_STATS_INTERVAL),
        "stats_interval",
        "must be 10ms or more; leave it out for the backend's own pace",
    );
    p.check(
        spec.recoverable_for.is_none_or(|time| !time.is_zero()),
        "recoverable_for",
        "must be longer than zero; leave it out for a task that cannot be recovered",
    );
    p.check(
        spec.recoverable_for.is_none() || spec.network.mode != NetworkMode::Prefork,
        "recoverable_for",
        "a borrowed network ends with its owner: choose another network.mode",
    );
}

fn health(health: &Health, p: &mut Problems) {
    for (field, time) in [
        ("health.interval", health.interval),
        ("health.timeout", health.timeout),
        ("health.start_period", health.start_period),
    ] {
        // An engine counts in nanoseconds, takes zero for its own, and refuses less than this.
        let least = Duration::from_millis(1);
        let good = time.is_none_or(|time| time >= least && i64::try_from(time.as_nanos()).is_ok());
        p.check(good, field, "must be 1ms or more, and less than 290 years");
    }
    p.check(health.retries != Some(0), "health.retries", "must be 1 or more");
    p.check(
        health.wait.is_none_or(|time| !time.is_zero()),
        "health.wait",
        "must be longer than zero; leave it out to start without waiting",
    );
    p.check(
        health.wait.is_none() || health.check != HealthCheck::Off,
        "health.wait",
        "there is nothing to wait for when health.check is off",
    );
    if let HealthCheck::Run(words) = &health.check {
        let good = !words.is_empty() && !words.iter().any(|word| word.contains('\0'));
        p.check(good, "health.check", "must be a program and its arguments, without null bytes");
    }
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
    // The init's own code would then pass for the program's.
    p.check(
        limits.pids != Some(1) || !spec.security.init,
        "limits.pids",
        "of 1 leaves no room for the program beside its init: allow 2 or more, or set security.init to false",
    );
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
    if security.privileged {
        unprivileged(security, p);
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
        p.check(
            !security.privileged || !good || "rwm".chars().all(|c| device.permissions.contains(c)),
            format!("devices[{index}].permissions"),
            "cannot be less than rwm beside security.privileged, which gives all devices whole",
        );
    }
}

/// Names what a privileged task would not get, although it is asked for.
fn unprivileged(security: &Security, p: &mut Problems) {
    p.check(
        security.cap_drop == CapabilityDrop::These(Vec::new()),
        "security.cap_drop",
        "has no effect beside security.privileged, which gives all capabilities: set it to an empty list, or leave privileged out",
    );
    p.check(
        !matches!(security.seccomp, Seccomp::Profile(_)),
        "security.seccomp",
        "has no effect beside security.privileged, which filters nothing: leave one of them out",
    );
}

fn network(network: &Network, p: &mut Problems) {
    let mode = &network.mode;
    if let NetworkMode::Named(name) = mode {
        p.check(
            network_name(name),
            "network.mode",
            format!("{name:?} is not none, bridge, host, auto, prefork or the name of a network"),
        );
    } else {
        p.check(network.aliases.is_empty(), "network.aliases", "need a network by name");
    }
    let resolver = [
        ("network.dns", network.dns.is_empty()),
        ("network.dns_search", network.dns_search.is_empty()),
        ("network.dns_options", network.dns_options.is_empty()),
    ];
    for (field, unset) in resolver {
        p.check(
            unset || !network.mode.is_none(),
            field,
            "has no effect without a network: set network.mode, or leave it out",
        );
    }
    let alone = matches!(mode, NetworkMode::None | NetworkMode::Host | NetworkMode::Prefork);
    let mut names = BTreeSet::from([mode.as_str()]);
    for (index, name) in network.also.iter().enumerate() {
        let field = format!("network.also[{index}]");
        let reserved = !matches!(NetworkMode::from(name.as_str()), NetworkMode::Named(_));
        p.check(
            network_name(name),
            field.as_str(),
            format!("{name:?} is not the name of a network"),
        );
        p.check(
            !reserved,
            field.as_str(),
            format!("{name:?} cannot be one of several: further networks are given by their names"),
        );
        p.check(reserved || names.insert(name), field, format!("{name:?} is there twice"));
    }
    p.check(
        network.also.is_empty() || !alone,
        "network.also",
        format!("cannot be beside the network {mode}"),
    );
    p.check(
        network.publish.is_empty() || !alone,
        "network.publish",
        format!("nothing can be published on the network {mode}"),
    );
    let mut taken = BTreeSet::new();
    for (index, port) in network.publish.iter().enumerate() {
        let field = format!("network.publish[{index}]");
        p.check(port.port > 0, field.as_str(), "the port of the task must be more than zero");
        let host = port.fixed_host().map(|host| (port.address, host, port.protocol));
        let again = host.is_some_and(|host| !taken.insert(host));
        p.check(!again, field, format!("{port} takes a port of the host a second time"));
    }
    if let Some(name) = &network.hostname {
        p.check(hostname(name), "network.hostname", format!("{name:?} is not a host name"));
        p.check(
            network.mode != NetworkMode::Host,
            "network.hostname",
            "cannot be set on the host's own network",
        );
    }
    if network.mode == NetworkMode::Prefork {
        borrowed(network, p);
    } else {
        p.check(
            network.when_empty.is_none(),
            "network.when_empty",
            "is only for the network \"prefork\"",
        );
    }
    for name in network.extra_hosts.keys() {
        p.check(hostname(name), format!("network.extra_hosts.{name}"), "is not a host name");
    }
}

fn network_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// What belongs to a network's holder cannot be set by the one who borrows it.
fn borrowed(network: &Network, p: &mut Problems) {
    for (field, set) in [
        ("network.hostname", network.hostname.is_some()),
        ("network.dns", !network.dns.is_empty()),
        ("network.dns_search", !network.dns_search.is_empty()),
        ("network.dns_options", !network.dns_options.is_empty()),
        ("network.extra_hosts", !network.extra_hosts.is_empty()),
    ] {
        p.check(!set, field, "cannot be set on a borrowed network");
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
    if let Some(problem) = crate::archive::path_problem(path) {
        p.add(field, format!("{path:?} {problem}"));
    }
}

fn log(log: &LogDriver, p: &mut Problems) {
    p.check(!log.driver.is_empty(), "log.driver", "is empty; \"none\" keeps nothing");
    p.check(
        log.driver != "none" || log.options.is_empty(),
        "log.options",
        "do not apply to the log driver none",
    );
    if let ("syslog", Some(address)) = (log.driver.as_str(), log.options.get("syslog-address")) {
        p.check(
            address.split_once("://").is_some_and(|(how, to)| !how.is_empty() && !to.is_empty()),
            "log.options.syslog-address",
            format!("{address:?} is not of the form protocol://address, such as tcp://logs:514"),
        );
    }
    if let ("json-file" | "local", Some(count)) = (log.driver.as_str(), log.options.get("max-file"))
    {
        p.check(
            count.parse::<u32>().is_ok_and(|count| count > 0),
            "log.options.max-file",
            format!("{count:?} is not a number of at least 1"),
        );
    }
}
