//! What a driver cannot do it refuses.

use longshore_driver_api::{
    ByteSize, Capabilities, Cpus, Device, ErrorKind, HealthCheck, NetworkMode, PublishedPort,
    Seccomp, TaskIo, TaskSpec, TtySize,
};

use crate::Act;
use crate::trial::Trial;
use crate::verdict::Outcome;

/// A capability, and what needs it.
struct Row {
    name: &'static str,
    has: fn(&Capabilities) -> bool,
    ask: fn(&mut TaskSpec, &mut TaskIo),
}

const ROWS: &[Row] = &[
    Row {
        name: "stdin",
        has: |caps| caps.stdin,
        ask: |_, io| *io = std::mem::take(io).stdin(tokio::io::empty()),
    },
    Row {
        name: "separate_stderr",
        has: |caps| caps.separate_stderr,
        ask: |_, io| *io = std::mem::take(io).stdout(tokio::io::sink()).stderr(tokio::io::sink()),
    },
    Row { name: "tty", has: |caps| caps.tty, ask: |spec, _| spec.tty = true },
    Row {
        name: "tty_size",
        has: |caps| caps.tty && caps.tty_size,
        ask: |spec, _| {
            spec.tty = true;
            spec.tty_size = Some(TtySize { rows: 31, columns: 97 });
        },
    },
    Row {
        name: "stats",
        has: |caps| caps.stats,
        ask: |_, io| *io = std::mem::take(io).stats(|_| {}),
    },
    Row {
        name: "stats_interval",
        has: |caps| caps.stats_interval,
        ask: |spec, _| spec.stats_interval = Some(std::time::Duration::from_millis(10)),
    },
    Row {
        name: "memory_limit",
        has: |caps| caps.memory_limit,
        ask: |spec, _| spec.limits.memory = Some(ByteSize::mib(64)),
    },
    Row {
        name: "swap_limit",
        has: |caps| caps.memory_limit && caps.swap_limit,
        ask: |spec, _| {
            spec.limits.memory = Some(ByteSize::mib(64));
            spec.limits.swap = Some(ByteSize::mib(64));
        },
    },
    Row {
        name: "cpu_limit",
        has: |caps| caps.cpu_limit,
        ask: |spec, _| spec.limits.cpus = Some(Cpus::milli(500)),
    },
    Row {
        name: "cpu_shares",
        has: |caps| caps.cpu_shares,
        ask: |spec, _| spec.limits.cpu_shares = Some(512),
    },
    Row {
        name: "cpuset",
        has: |caps| caps.cpuset,
        ask: |spec, _| spec.limits.cpuset = Some("0".to_owned()),
    },
    Row {
        name: "pids_limit",
        has: |caps| caps.pids_limit,
        ask: |spec, _| spec.limits.pids = Some(64),
    },
    Row {
        name: "fs_size",
        has: |caps| caps.fs_size,
        ask: |spec, _| spec.limits.fs_size = Some(ByteSize::gib(1)),
    },
    Row {
        name: "seccomp",
        has: |caps| caps.seccomp,
        ask: |spec, _| {
            let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#;
            spec.security.seccomp = Seccomp::Profile(profile.to_owned());
        },
    },
    Row {
        name: "apparmor",
        has: |caps| caps.apparmor,
        ask: |spec, _| spec.security.apparmor = Some("docker-default".to_owned()),
    },
    Row {
        name: "devices",
        has: |caps| caps.devices,
        ask: |spec, _| spec.devices = vec![Device::new("/dev/null")],
    },
    Row {
        name: "health",
        has: |caps| caps.health,
        ask: |spec, _| {
            spec.health.check = HealthCheck::Run(vec!["/check".to_owned()]);
        },
    },
    Row {
        name: "publish_ports",
        has: |caps| caps.publish_ports,
        ask: |spec, _| {
            spec.network.mode = NetworkMode::Bridge;
            spec.network.publish = vec![PublishedPort::tcp(80)];
        },
    },
    Row {
        name: "several_networks",
        has: |caps| caps.several_networks,
        ask: |spec, _| {
            spec.network.mode = NetworkMode::Bridge;
            spec.network.also = vec!["another".to_owned()];
        },
    },
    Row {
        name: "prefork",
        has: |caps| caps.prefork,
        ask: |spec, _| spec.network.mode = NetworkMode::Prefork,
    },
    Row {
        name: "recover",
        has: |caps| caps.recover,
        ask: |spec, _| spec.recoverable_for = Some(std::time::Duration::from_secs(60)),
    },
];

pub(crate) async fn what_a_driver_cannot_do_is_refused_before_anything_is_made(
    t: Trial,
) -> Outcome {
    for row in ROWS {
        let mut task = t.task(&Act::Exit(0));
        (row.ask)(&mut task.spec, &mut task.io);
        let has = (row.has)(t.caps());
        match t.driver().container(task) {
            Ok(container) if has => t.ok("close", container.close()).await?,
            Ok(_) => panic!("{} is not there, and asking for it was not refused", row.name),
            Err(error) if has => panic!("{} is there, and was refused: {error}", row.name),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{}: {error}", row.name),
        }
    }
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}
