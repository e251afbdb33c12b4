//! What copies do not see: file systems that there are only where the container's processes are.
//!
//! An engine copies into the files below them, and out of those, and says nothing: the task never sees
//! what was copied in, and what is copied out is not the task's.

use longshore_driver_api::{Error, ErrorKind, Result};
use serde_json::Value;

use super::failed;
use crate::client::reply::Container;
use crate::container::core::{Core, Stage};
use crate::podman;
use crate::retry::again;

/// The type of a mount that is a file system in memory.
const MEMORY: &str = "tmpfs";
/// Those of the kernel and of devices, which every container has.
const ALWAYS: [&str; 3] = ["/dev", "/proc", "/sys"];

/// The way of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Into the container.
    In,
    /// Out of it.
    Out,
}

/// What hides a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hides {
    /// Only what every container has.
    Always,
    /// That, and file systems in memory.
    Memory,
}

/// Refuses a path that copies do not see.
pub(super) async fn check(
    core: &Core,
    op: &'static str,
    id: &str,
    path: &str,
    way: Way,
) -> Result<()> {
    let Some(hides) = hides(core, way) else { return Ok(()) };
    let path = plain(path);
    // Nothing is asked where nothing can be hidden. What another owner has asked for is not known.
    let may_be = ALWAYS.iter().any(|place| is_within(&path, place))
        || (hides == Hides::Memory && (core.is_adopted || has_memory(&core.options().body)));
    if !may_be {
        return Ok(());
    }
    let asked = again("inspect_container", || core.shared.api.inspect_container(id)).await;
    let container = asked.map_err(|error| failed(core, op, &path, error))?;
    let Some(place) = hidden_by(&container, hides, &path) else { return Ok(()) };
    Err(Error::new(ErrorKind::Unsupported, op)
        .message(format!(
            "{path:?} in {}: the engine's copies do not see the file system at {place}, which is the task's processes' alone",
            core.subject()
        ))
        .remedy("copy to or from another folder, mount a volume there instead (mounts), or have a further process do it (exec)"))
}

/// What hides a path now. Podman copies as one of the container's processes while they run, but gives
/// an empty archive of what every container has; before the start, what it has copied below a file
/// system in memory gets into that; afterwards, and while they stand still, it is as Docker always is.
fn hides(core: &Core, way: Way) -> Option<Hides> {
    if core.shared.capabilities.engine != podman::NAME {
        return Some(Hides::Memory);
    }
    match (core.stage(), way) {
        (Stage::Running, _) if *core.frozen.borrow() => Some(Hides::Memory),
        (Stage::Running, Way::In) => None,
        (Stage::Running, Way::Out) | (Stage::Unstarted, _) => Some(Hides::Always),
        (Stage::Exited, _) => Some(Hides::Memory),
    }
}

/// Whether a request asks for a file system in memory.
fn has_memory(body: &Value) -> bool {
    let host = &body["HostConfig"];
    let mounts =
        host["Mounts"].as_array().is_some_and(|all| all.iter().any(|it| it["Type"] == MEMORY));
    mounts || host["Tmpfs"].as_object().is_some_and(|all| !all.is_empty())
}

/// Where the file system is that hides a path: the innermost of those that it is in, unless that is
/// one which copies see.
fn hidden_by(container: &Container, hides: Hides, path: &str) -> Option<String> {
    let seen = |kind: &str| kind != MEMORY || hides == Hides::Always;
    let mounts = container.mounts.iter().map(|it| (plain(&it.destination), seen(&it.kind)));
    let memory = container.host_config.tmpfs.keys().map(|it| (plain(it), seen(MEMORY)));
    let always = ALWAYS.map(|place| (place.to_owned(), false));
    let all = always.into_iter().chain(memory).chain(mounts);
    let around = all.filter(|(place, _)| is_within(path, place));
    let (place, is_seen) = around.max_by_key(|(place, _)| place.len())?;
    (!is_seen).then_some(place)
}

/// A path without what says nothing in it.
fn plain(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.fold(String::new(), |path, part| path + "/" + part)
}

/// Whether a path is a place or below it, both of them plain.
fn is_within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_innermost_file_system_decides() {
        let container: Container = serde_json::from_value(json!({
            "Id": "c", "State": {"Status": "created"},
            "HostConfig": {"Tmpfs": {"/tmp/": "", "/a/b": ""}},
            "Mounts": [
                {"Type": "volume", "Destination": "/tmp/kept"},
                {"Type": "tmpfs", "Destination": "/m"},
                {"Type": "bind", "Destination": "/dev/disk"},
            ],
        }))
        .unwrap();
        let table = [
            ("/tmp", Some("/tmp"), None),
            ("/tmp//x/./y", Some("/tmp"), None),
            ("/tmpx", None, None),
            ("/tmp/kept/x", None, None),
            ("/tmp/keptx", Some("/tmp"), None),
            ("/m/x", Some("/m"), None),
            ("/a", None, None),
            ("/a/b/c", Some("/a/b"), None),
            ("/dev/shm/x", Some("/dev"), Some("/dev")),
            ("/dev/disk/x", None, None),
            ("/proc", Some("/proc"), Some("/proc")),
            ("/sys/x", Some("/sys"), Some("/sys")),
            ("/", None, None),
        ];
        for (path, memory, always) in table {
            let by = |hides| hidden_by(&container, hides, &plain(path));
            assert_eq!(by(Hides::Memory).as_deref(), memory, "{path}");
            assert_eq!(by(Hides::Always).as_deref(), always, "{path}");
        }
    }

    #[test]
    fn what_may_hide_is_read_from_the_request() {
        for (host, expected) in [
            (json!({"Tmpfs": {"/tmp": ""}}), true),
            (json!({"Mounts": [{"Type": "volume"}, {"Type": "tmpfs"}]}), true),
            (json!({"Mounts": [{"Type": "volume"}], "Tmpfs": {}}), false),
            (json!({"Tmpfs": null}), false),
            (json!({}), false),
        ] {
            assert_eq!(has_memory(&json!({"HostConfig": host})), expected, "{host}");
        }
    }
}
