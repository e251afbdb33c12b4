//! What a driver refuses because it cannot do it.

use longshore_driver_api::{
    Capabilities, Error, ErrorKind, Health, NetworkMode, PullPolicy, Result, Seccomp, Task,
};

use crate::Op;

/// Refuses a task that asks for what the driver cannot do, naming all of it.
pub(crate) fn check(task: &Task, can: &Capabilities) -> Result<()> {
    let spec = &task.spec;
    let limits = &spec.limits;
    let asked = [
        ("stdin", task.io.stdin.is_some(), can.stdin),
        ("a stderr apart from stdout", task.io.stderr.is_some() && !spec.tty, can.separate_stderr),
        ("statistics", task.io.stats.is_some(), can.stats),
        ("stats_interval", spec.stats_interval.is_some(), can.stats_interval),
        ("tty", spec.tty, can.tty),
        ("tty_size", spec.tty_size.is_some(), can.tty_size),
        ("pull = \"always\"", spec.pull == PullPolicy::Always, can.pull),
        ("platform", spec.platform.as_ref().is_some_and(|wanted| !runs(wanted, can)), false),
        (
            "limits.memory",
            limits.memory.is_some() || limits.memory_reservation.is_some(),
            can.memory_limit,
        ),
        ("limits.swap", limits.swap.is_some_and(|swap| swap.bytes() > 0), can.swap_limit),
        ("limits.cpus", limits.cpus.is_some(), can.cpu_limit),
        ("limits.cpu_shares", limits.cpu_shares.is_some(), can.cpu_shares),
        ("limits.cpuset", limits.cpuset.is_some(), can.cpuset),
        ("limits.pids", limits.pids.is_some(), can.pids_limit),
        ("limits.fs_size", limits.fs_size.is_some(), can.fs_size),
        ("security.seccomp", spec.security.seccomp != Seccomp::Default, can.seccomp),
        ("security.apparmor", spec.security.apparmor.is_some(), can.apparmor),
        ("devices", !spec.devices.is_empty(), can.devices),
        ("health", spec.health != Health::default(), can.health),
        ("network.publish", !spec.network.publish.is_empty(), can.publish_ports),
        ("network.also", !spec.network.also.is_empty(), can.several_networks),
        ("network.mode = \"prefork\"", spec.network.mode == NetworkMode::Prefork, can.prefork),
        ("recoverable_for", spec.recoverable_for.is_some(), can.recover),
    ];
    let refused: Vec<&str> = asked
        .into_iter()
        .filter(|(_, wanted, able)| *wanted && !able)
        .map(|(name, ..)| name)
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    let text = format!(
        "task {:?} asks for what this engine cannot do: {}; leave that out, or use another engine",
        spec.id,
        refused.join(", ")
    );
    Err(Error::new(ErrorKind::Unsupported, Op::Reserve.name()).message(text))
}

/// Whether images for a platform run here; a variant makes no difference.
fn runs(wanted: &str, can: &Capabilities) -> bool {
    let base = |platform: &str| platform.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
    can.platform.is_empty() || base(wanted) == base(&can.platform)
}
