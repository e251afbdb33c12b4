//! What Podman does differently behind the same API, and how that is made good.
//!
//! `docs/engines.md` lists what the tests found, engine by engine.

use longshore_driver_api::{Capabilities, CgroupVersion};
use serde_json::Value;

use crate::client::reply::{Info, LogConfig, Version};
use crate::running::bytes;

/// What the capabilities call it.
pub(crate) const NAME: &str = "podman";

/// The first version of Podman's monitor that was seen to tell kills for want of memory on control
/// groups of version 1. 2.1.6 writes its note of them where Podman doesn't look.
const TELLS_OOM: (u32, u32, u32) = (2, 1, 12);

/// Its log driver that keeps every byte; `json-file` is taken for it.
const KEEPING: [&str; 2] = ["k8s-file", "json-file"];

/// A log that is full is begun anew. One of this size, a petabyte, never is.
const NEVER_FULL: u64 = 1_000_000_000_000_000;

/// The engine's name, for its capabilities.
pub(crate) fn engine_name(version: &Version) -> &'static str {
    let podman = version.components.iter().any(|part| part.name.contains("Podman"));
    if podman { NAME } else { "docker" }
}

/// Sets what differs from Docker.
pub(crate) fn adjust(can: &mut Capabilities, version: &Version) {
    if can.engine != NAME {
        return;
    }
    // Its init is catatonit, unless its owner chose another one, which the engine does not tell.
    can.proves_one = false;
    // It forgets a process's number at its end, and puts its own words among the process's errors.
    can.exec_proves_start = false;
    // Its health checks are run by systemd's timers. Where there are none they never run, and
    // nothing says so.
    can.health = false;
    let monitor = version.components.iter().find(|part| part.name == "Conmon");
    let tells_oom = monitor.and_then(|part| monitor_version(&part.version));
    can.proves_oom = can.cgroup == Some(CgroupVersion::V2)
        || tells_oom.is_some_and(|version| version >= TELLS_OOM);
}

/// What tells a Podman from others: its host's name and the folder of its storage, since the id that
/// it gives is another one each time; empty if it lacks either. None on Docker.
pub(crate) fn engine_id(can: &Capabilities, info: &Info) -> Option<String> {
    let (host, folder) = (&info.name, &info.docker_root_dir);
    (can.engine == NAME).then(|| match host.is_empty() || folder.is_empty() {
        true => String::new(),
        false => format!("{host}:{folder}"),
    })
}

/// Whether everything is in its log, and told again byte by byte: 4.3 and 5.4 were seen to, what
/// older and later ones tell is not known. Where nothing else is said the bound is its owner's, who
/// tells nobody.
pub(crate) fn keeps_output(can: &Capabilities, log: &LogConfig) -> bool {
    let mut version = can.engine_version.split('.').map(|part| part.parse::<u32>().ok());
    let version = version.next().flatten().zip(version.next().flatten());
    let is_tried = version.is_some_and(|version| ((4, 3)..(6, 0)).contains(&version));
    // Of Docker's options it heeds none but the size.
    let is_plain = log.config.keys().all(|name| name == "max-size" || name == "max-file");
    let size = log.config.get("max-size").and_then(|size| bytes(size));
    is_tried
        && is_plain
        && KEEPING.contains(&log.kind.as_str())
        && size.is_some_and(|size| size >= NEVER_FULL)
}

/// From `conmon version 2.1.6, commit: unknown`.
fn monitor_version(text: &str) -> Option<(u32, u32, u32)> {
    let number = text.split([' ', ',']).find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let mut parts = number?.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// Has a removal kill at once: Podman gives the task this long to end by itself, 10 s by default,
/// where Docker kills without asking.
pub(crate) fn prepare(can: &Capabilities, body: &mut Value) {
    if can.engine == NAME && body["StopTimeout"].is_null() {
        body["StopTimeout"] = Value::from(0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As Podman 4.3.1 and 5.4.2 write it, the parts that are read.
    fn podman(monitor: &str) -> Version {
        serde_json::from_value(json!({
            "Version": "4.3.1", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64",
            "Components": [
                {"Name": "Podman Engine", "Version": "4.3.1"},
                {"Name": "Conmon", "Version": format!("conmon version {monitor}, commit: unknown")},
            ],
        }))
        .unwrap()
    }

    fn adjusted(version: &Version, cgroup: CgroupVersion) -> Capabilities {
        let mut can = Capabilities::nothing(engine_name(version), "");
        can.cgroup = Some(cgroup);
        can.proves_oom = true;
        can.proves_one = true;
        can.exec_proves_start = true;
        adjust(&mut can, version);
        can
    }

    #[test]
    fn an_old_monitor_proves_no_kill_for_want_of_memory_on_cgroup_v1() {
        let proves = |monitor, cgroup| adjusted(&podman(monitor), cgroup).proves_oom;
        assert!(!proves("2.1.6", CgroupVersion::V1));
        assert!(proves("2.1.12", CgroupVersion::V1));
        assert!(proves("2.2.0", CgroupVersion::V1));
        assert!(!proves("unknown", CgroupVersion::V1));
        assert!(proves("2.1.6", CgroupVersion::V2));
    }

    #[test]
    fn only_podmans_init_may_answer_one_and_only_its_removals_need_to_be_told_to_hurry() {
        let docker = Version::default();
        let (docker, podman) =
            (adjusted(&docker, CgroupVersion::V1), adjusted(&podman("2.1.12"), CgroupVersion::V1));
        assert!(!podman.proves_one && docker.proves_one);
        assert!(!podman.exec_proves_start && docker.exec_proves_start);
        assert!(docker.proves_oom);
        let mut body = json!({});
        prepare(&docker, &mut body);
        assert_eq!(body, json!({}));
        prepare(&podman, &mut body);
        assert_eq!(body, json!({"StopTimeout": 0}));
        let mut chosen = json!({"StopTimeout": 5});
        prepare(&podman, &mut chosen);
        assert_eq!(chosen, json!({"StopTimeout": 5}));
    }
}
