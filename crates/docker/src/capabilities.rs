//! What an engine can do, and what a task asks for that it cannot.

use longshore_driver_api::{
    Capabilities, CgroupVersion, Error, ErrorKind, Health, NetworkMode, Result, Seccomp, TaskSpec,
};

use longshore_stats::Timestamp;

use crate::client::reply::{Info, Version};
use crate::client::version::ApiVersion;
use crate::podman;

/// What the engine can do, by its own account.
pub(crate) fn found(version: &Version, info: &Info, api: ApiVersion) -> Capabilities {
    let option = |name: &str| {
        info.security_options.iter().any(|option| {
            option.split(',').any(|part| part == name || part.strip_prefix("name=") == Some(name))
        })
    };
    let rootless = option("rootless");
    let mut can = Capabilities::nothing(podman::engine_name(version), &version.version);
    can.api_version = api.to_string();
    can.platform = format!("{}/{}", version.os, version.arch);
    can.cgroup = match info.cgroup_version.as_str() {
        "1" => Some(CgroupVersion::V1),
        "2" => Some(CgroupVersion::V2),
        _ => None,
    };
    can.rootless = rootless;
    can.created_state = true;
    can.stdin = true;
    can.separate_stderr = true;
    // The stream just ends: nothing in it says that it is whole.
    can.output_end = false;
    can.tty = true;
    // Older engines take a size, and use it on Windows only.
    can.tty_size = api >= ApiVersion { major: 1, minor: 42 };
    // Without root, version 1 has no freezer to use.
    can.freeze = !(rootless && can.cgroup == Some(CgroupVersion::V1));
    can.exec = true;
    can.copy = true;
    can.stats = true;
    can.memory_limit = info.memory_limit;
    can.swap_limit = info.swap_limit;
    can.cpu_limit = info.cpu_cfs_quota;
    can.cpu_shares = info.cpu_shares;
    can.cpuset = info.cpu_set;
    can.pids_limit = info.pids_limit;
    // Overlay can do it on XFS with project quotas only, which the engine does not tell: it is
    // asked and refuses by itself.
    can.fs_size = matches!(
        info.driver.as_str(),
        "overlay2" | "btrfs" | "zfs" | "devicemapper" | "windowsfilter"
    );
    can.seccomp = option("seccomp");
    can.apparmor = option("apparmor");
    can.devices = !rootless;
    can.health = true;
    can.publish_ports = true;
    can.several_networks = true;
    can.pull = true;
    can.exec_proves_start = true;
    can.recover = info.system_time.parse::<Timestamp>().is_ok();
    can.proves_one = true;
    can.proves_oom = true;
    podman::adjust(&mut can, version);
    can.recover &= !engine_id(&can, info).is_empty();
    can
}

/// What tells the engine from others, and stays the same when it is started anew; empty where nothing
/// does. Two Docker engines of one host can share their id, never the folder of their storage.
pub(crate) fn engine_id(can: &Capabilities, info: &Info) -> String {
    podman::engine_id(can, info).unwrap_or_else(|| {
        match info.id.is_empty() || info.docker_root_dir.is_empty() {
            true => info.id.clone(),
            false => format!("{}:{}", info.id, info.docker_root_dir),
        }
    })
}

/// Refuses what the engine cannot do, all of it at once.
pub(crate) fn check(can: &Capabilities, spec: &TaskSpec) -> Result<()> {
    let limits = &spec.limits;
    let has_swap = limits.swap.is_some_and(|swap| swap.bytes() > 0);
    let asked = [
        (spec.tty_size.is_some() && !can.tty_size, "tty_size"),
        (
            spec.stats_interval.is_some() && !can.stats_interval,
            "stats_interval (statistics come at the engine's pace: it is not on this host, or stats_source says so)",
        ),
        (limits.memory.is_some() && !can.memory_limit, "limits.memory"),
        (limits.memory_reservation.is_some() && !can.memory_limit, "limits.memory_reservation"),
        (has_swap && !can.swap_limit, "limits.swap"),
        (limits.cpus.is_some() && !can.cpu_limit, "limits.cpus"),
        (limits.cpu_shares.is_some() && !can.cpu_shares, "limits.cpu_shares"),
        (limits.cpuset.is_some() && !can.cpuset, "limits.cpuset"),
        (limits.pids.is_some() && !can.pids_limit, "limits.pids"),
        (limits.fs_size.is_some() && !can.fs_size, "limits.fs_size"),
        (spec.security.apparmor.is_some() && !can.apparmor, "security.apparmor"),
        (matches!(spec.security.seccomp, Seccomp::Profile(_)) && !can.seccomp, "security.seccomp"),
        (!spec.devices.is_empty() && !can.devices, "devices"),
        (spec.health != Health::default() && !can.health, "health"),
        (!spec.network.publish.is_empty() && !can.publish_ports, "network.publish"),
        (!spec.network.also.is_empty() && !can.several_networks, "network.also"),
        (
            spec.network.mode == NetworkMode::Prefork && !can.prefork,
            "network.mode = \"prefork\" (the driver was given no pool)",
        ),
        (spec.recoverable_for.is_some() && !can.recover, "recoverable_for"),
    ];
    let refused: Vec<&str> =
        asked.into_iter().filter_map(|(refused, field)| refused.then_some(field)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "container").message(format!(
        "{} {} cannot do what the task asks for in {}: leave it out, or use another engine",
        can.engine,
        can.engine_version,
        refused.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use longshore_driver_api::ByteSize;

    use super::*;

    fn info() -> Info {
        serde_json::from_str(
            r#"{"Driver":"fuse-overlayfs","CgroupVersion":"2","MemoryLimit":true,"SwapLimit":false,
                "PidsLimit":true,"CpuCfsQuota":true,"CPUShares":true,
                "SecurityOptions":["name=seccomp,profile=default","name=rootless"]}"#,
        )
        .unwrap()
    }

    #[test]
    fn the_engines_account_is_read() {
        let version = Version {
            version: "20.10.24+dfsg1".into(),
            os: "linux".into(),
            arch: "amd64".into(),
            ..Version::default()
        };
        let can = found(&version, &info(), ApiVersion { major: 1, minor: 41 });
        assert_eq!(
            (can.engine.as_str(), can.engine_version.as_str()),
            ("docker", "20.10.24+dfsg1")
        );
        assert_eq!(can.platform, "linux/amd64");
        assert_eq!(can.cgroup, Some(CgroupVersion::V2));
        assert!(can.rootless && can.seccomp && can.memory_limit);
        assert!(can.cpu_limit && can.cpu_shares && !can.cpuset);
        assert!(can.tty && !can.tty_size, "before 1.42 a size has no effect");
        assert!(found(&version, &info(), ApiVersion { major: 1, minor: 42 }).tty_size);
        assert!(!can.apparmor && !can.fs_size && !can.devices && !can.swap_limit);
    }

    #[test]
    fn everything_that_cannot_be_done_is_named_at_once() {
        let can = found(&Version::default(), &info(), ApiVersion { major: 1, minor: 41 });
        let spec = TaskSpec::builder("x")
            .memory(ByteSize::mib(64))
            .edit(|spec| {
                spec.limits.cpuset = Some("0".into());
                spec.limits.fs_size = Some(ByteSize::mib(1));
                spec.security.apparmor = Some("p".into());
            })
            .build()
            .unwrap();
        let error = check(&can, &spec).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(
            error.to_string().contains("limits.cpuset, limits.fs_size, security.apparmor"),
            "{error}"
        );
        check(&can, &TaskSpec::builder("x").memory(ByteSize::mib(64)).build().unwrap()).unwrap();
    }
}
