//! Reads what there is on this machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::engine::process;

/// Where a process of this user keeps its owner's lease, unless it is told otherwise.
pub(super) fn run_directory() -> PathBuf {
    let user = rustix::process::geteuid();
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if !dir.is_empty() => Path::new(&dir).join("longshore"),
        _ if user.is_root() => PathBuf::from("/run/longshore"),
        _ => PathBuf::from(format!("/tmp/longshore-{}", user.as_raw())),
    }
}

/// A file `owners/<application>/<owner>.lease`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// Where it is, and what it says of its process: it may be one that this run has not started.
    pub(super) line: String,
    /// Whether the owner lives. One that stays after its owner's death is one after which nobody has
    /// cleaned up.
    pub(super) is_alive: bool,
}

pub(super) fn leases(run_directory: &Path) -> Result<Vec<Lease>> {
    let entries = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten();
    let applications = entries(run_directory.join("owners"));
    let files = applications.flat_map(|application| entries(application.path()));
    let files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    if files.is_empty() {
        return Ok(Vec::new());
    }
    // Asking for the lock itself could be in the way of a reaper.
    let locks = fs::read_to_string("/proc/locks").context("read the locks")?;
    let lease = |path: PathBuf| {
        // It may be gone by now, in good order.
        let meta = path.metadata().ok()?;
        let text = fs::read_to_string(&path).ok()?;
        let whose = text.lines().next().unwrap_or("nothing is known of its process");
        let line = format!("{} ({whose})", path.display());
        Some(Lease { line, is_alive: is_locked(&locks, meta.dev(), meta.ino()) })
    };
    Ok(files.into_iter().filter_map(lease).collect())
}

/// Whether the kernel's table of locks has one on a file.
fn is_locked(locks: &str, device: u64, inode: u64) -> bool {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    // What waits for a lock has another word there.
    locks.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some("FLOCK") && words.any(|word| word == file)
    })
}

/// Whether a cgroup is a container's: under the engine's parent, in a scope of systemd's, or by name.
pub(super) fn is_containers(path: &str, parent: &str) -> bool {
    let scope = path.strip_prefix("system.slice/").is_some_and(|name| name.starts_with("docker-"));
    let child = path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'));
    // What an engine makes for itself and keeps: its own cgroup, and those that hold all of Podman's.
    let podmans = ["/libpod_parent", "/libpod_parent/conmon"].iter().any(|end| path.ends_with(end));
    let engines = path.starts_with("longshore-") && (!path.contains('/') || podmans);
    (child && !podmans)
        || scope
        || (path.contains("longshore") && !engines && !is_anothers(path, parent))
}

/// Whether a cgroup is of another private engine, which has a label like `longshore-a-0f0f0f0f`.
fn is_anothers(path: &str, parent: &str) -> bool {
    let top = path.split('/').next().unwrap_or_default();
    let hash = top.strip_prefix("longshore-").and_then(|rest| rest.rsplit_once('-'));
    let is_label = hash.is_some_and(|(_, hash)| {
        hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    is_label && top != parent
}

/// Mounts in these folders, and those with our name. The engine's own namespace is no container's.
pub(super) fn mounts(mountinfo: &str, dirs: &[&Path]) -> Vec<String> {
    let targets = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    let ours = targets.filter(|target| {
        let inside = |dir: &&Path| Path::new(target).starts_with(dir) && Path::new(target) != *dir;
        let named = target.contains("longshore") || target.starts_with("/run/netns/");
        // Podman keeps the top of its storage mounted while one of its processes needs it.
        let storage = |dir: &&Path| Path::new(target) == dir.join("overlay");
        if dirs.iter().any(storage) {
            return false;
        }
        (dirs.iter().any(inside) || named) && !target.ends_with("/netns/default")
    });
    ours.map(str::to_owned).collect()
}

/// Whether a mount is what keeps a network namespace. The file that it is mounted on says nothing:
/// Docker removes those once a minute.
pub(super) fn is_namespace(mount: &str) -> bool {
    mount.contains("/netns/")
}

/// containerd's shims: each names the namespace of its engine, and its container.
pub(super) fn shims(processes: &[process::Process], namespace: &str) -> Vec<String> {
    shims_of(processes, namespace).map(describe).collect()
}

/// Shims without a process and without a container: a containerd that is killed while it makes a
/// container knows nothing of the shim afterwards, and nobody can ask it to end that
/// (<https://github.com/containerd/containerd/issues/6860>).
pub(super) fn forgotten(
    processes: &[process::Process],
    namespace: &str,
    containers: &[String],
) -> Vec<String> {
    let is_known = |shim: &process::Process| {
        let after = shim.command.split_once(" -id ").map(|(_, rest)| rest);
        let id = after.and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        containers.iter().any(|container| container == id)
    };
    let found =
        shims_of(processes, namespace).filter(|shim| !is_known(shim) && !has_work(processes, shim));
    found.map(describe).collect()
}

/// Whether there is a process that the shim looks after.
fn has_work(processes: &[process::Process], shim: &process::Process) -> bool {
    processes.iter().any(|process| process.parent == shim.pid && process.state != 'Z')
}

fn shims_of<'a>(
    processes: &'a [process::Process],
    namespace: &str,
) -> impl Iterator<Item = &'a process::Process> {
    let namespace = format!(" -namespace {namespace} ");
    processes.iter().filter(move |process| {
        process.state != 'Z'
            && process.command.contains("containerd-shim")
            && process.command.contains(&namespace)
    })
}

/// Podman's shims: each names the folder of its container. That of a further process stays for five
/// minutes after that has ended, by Podman's own order, whatever became of the container: it waits in a
/// copy of itself, which tidies up then.
pub(super) fn monitors(processes: &[process::Process], root: &Path) -> Vec<String> {
    let has_more = |shim: &process::Process| {
        let mut of = processes.iter().filter(|it| it.parent == shim.pid && it.state != 'Z');
        of.any(|process| process.command != shim.command)
    };
    let ours = processes.iter().filter(|process| {
        process.state != 'Z'
            && is_monitor(process, root)
            && (has_more(process) || !process.command.contains(" --exit-delay "))
    });
    ours.map(describe).collect()
}

fn is_monitor(process: &process::Process, root: &Path) -> bool {
    let mut words = process.command.split(' ');
    words.next().is_some_and(|program| program.ends_with("conmon"))
        && words.any(|word| Path::new(word).starts_with(root))
}

/// What tests started and left: this process adopts it, once `adopt` has been called. One of them
/// may be the engine, and those of an engine that keeps its containers at `root` are its `monitors`.
pub(super) fn children(engine: Option<i32>, root: Option<&Path>) -> Result<Vec<String>> {
    let own = rustix::process::getpid().as_raw_pid();
    let processes = process::all()?.into_iter();
    let ours = processes.filter(|process| {
        process.parent == own
            && process.state != 'Z'
            && Some(process.pid) != engine
            && !root.is_some_and(|root| is_monitor(process, root))
    });
    Ok(ours.map(|process| describe(&process)).collect())
}

fn describe(process: &process::Process) -> String {
    format!("{} {}", process.pid, process.command)
}

#[cfg(test)]
mod tests {
    use super::super::adopt::adopt;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_containers_cgroup_is_told_from_others() {
        for path in ["docker/0f", "system.slice/docker-0f.scope", "longshore-a/0f", "x/longshore/y"]
        {
            assert!(is_containers(path, "docker"), "{path}");
        }
        for path in
            ["docker", "longshore-a", "dockerd/x", "system.slice/docker.service", "user.slice"]
        {
            assert!(!is_containers(path, "docker"), "{path}");
        }
        assert!(is_containers("longshore-a/0f", "longshore-a"));
        let own = "longshore-a-0f0f0f0f";
        for path in ["longshore-a-0f0f0f0f/0f", "longshore-a-0f0f0f0f/libpod_parent/libpod-0f"] {
            assert!(is_containers(path, own), "{path}");
            assert!(!is_containers(path, "longshore-b-0f0f0f0f"), "{path}");
            assert!(!is_containers(path, "docker"), "{path}");
        }
    }

    #[test]
    fn an_engines_mounts_are_told_from_others() {
        let lines = [
            "/",
            "/var/lib/docker",
            "/var/lib/docker/overlay",
            "/var/lib/docker/x/merged",
            "/var/lib/dockerized/x",
            "/run/docker/netns/0f",
            "/run/netns/blue",
            "/run/docker/netns/default",
            "/mnt/longshore-a",
        ];
        let table: String =
            lines.iter().map(|target| format!("1 1 0:1 / {target} rw - a b c\n")).collect();
        let found = mounts(&table, &[Path::new("/var/lib/docker"), Path::new("/run/docker")]);
        let expected = [
            "/var/lib/docker/x/merged",
            "/run/docker/netns/0f",
            "/run/netns/blue",
            "/mnt/longshore-a",
        ];
        assert_eq!(found, expected);
    }

    fn shim(pid: i32, state: char, namespace: &str, id: &str) -> process::Process {
        let command =
            format!("/usr/bin/containerd-shim-runc-v2 -namespace {namespace} -id {id} -address a");
        process::Process { pid, parent: 1, state, command }
    }

    #[test]
    fn an_engines_shims_are_told_from_anothers() {
        let processes =
            [shim(1, 'S', "moby", "0f"), shim(2, 'S', "moby-2", "0f"), shim(3, 'Z', "moby", "0f")];
        let found = shims(&processes, "moby");
        assert_eq!(found, ["1 /usr/bin/containerd-shim-runc-v2 -namespace moby -id 0f -address a"]);
    }

    #[test]
    fn a_shim_is_forgotten_without_a_container_and_without_a_process() {
        let mut processes = vec![
            shim(1, 'S', "moby", "known"),
            shim(2, 'S', "moby", "works"),
            shim(3, 'S', "moby", "idle"),
            shim(4, 'S', "other", "idle"),
        ];
        let child = |parent, state| process::Process {
            pid: parent + 10,
            parent,
            state,
            command: "sleep 1".to_owned(),
        };
        processes.extend([child(2, 'S'), child(3, 'Z')]);
        let found = forgotten(&processes, "moby", &["known".to_owned()]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("3 "), "{found:?}");
    }

    #[test]
    fn a_podman_shim_that_only_waits_for_its_own_delay_is_left_out() {
        let root = Path::new("/data");
        let shim = |pid, more: &str| process::Process {
            pid,
            parent: 1,
            state: 'S',
            command: format!("/usr/bin/conmon -b /data/overlay-containers/0f{more}"),
        };
        let delay = " --exec-attach --exit-delay 300";
        let mut processes = vec![shim(1, ""), shim(2, delay), shim(3, delay)];
        processes.push(process::Process {
            pid: 4,
            parent: 3,
            state: 'S',
            command: "sleep 9".to_owned(),
        });
        processes.push(process::Process { parent: 2, ..shim(5, delay) });
        let found = monitors(&processes, root);
        let pids: Vec<_> = found.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(pids, ["1", "3"]);
    }

    #[test]
    fn a_lease_that_stays_is_found_with_its_process_and_told_from_a_living_ones() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(leases(dir.path()).unwrap(), []);
        let lease = dir.path().join("owners/app/0f.lease");
        fs::create_dir_all(lease.parent().unwrap()).unwrap();
        fs::write(&lease, "process 77 since 1700000000\n").unwrap();
        let expect = |is_alive| {
            let line = format!("{} (process 77 since 1700000000)", lease.display());
            assert_eq!(leases(dir.path()).unwrap(), [Lease { line, is_alive }]);
        };
        expect(false);
        let owner = fs::File::open(&lease).unwrap();
        owner.try_lock().unwrap();
        expect(true);
        owner.unlock().unwrap();
        expect(false);
    }

    #[test]
    fn a_lock_is_one_of_that_file_and_one_that_is_held() {
        let table = "1: FLOCK  ADVISORY  WRITE 31 fe:00:77 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 31 fe:00:78 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 31 00:1a:79 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 31 fe:00:80 0 EOF\n";
        let device = rustix::fs::makedev(0xfe, 0);
        assert!(is_locked(table, device, 77));
        assert!(is_locked(table, rustix::fs::makedev(0, 0x1a), 79));
        for inode in [7, 78, 79, 80] {
            assert!(!is_locked(table, device, inode), "{inode}");
        }
    }

    #[test]
    fn an_orphan_is_found() {
        adopt().unwrap();
        // The shell ends at once; what it left in the background has no parent but this process.
        let output = std::process::Command::new("sh")
            .args(["-c", "sleep 321 >/dev/null 2>&1 & echo $!"])
            .output()
            .unwrap();
        let pid: i32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        // Other tests' children come and go meanwhile.
        let is_among = |found: Vec<String>| found.contains(&format!("{pid} sleep 321"));
        let (found, excepted) = (children(None, None).unwrap(), children(Some(pid), None).unwrap());
        process::end(pid, Duration::ZERO).unwrap();
        assert!(is_among(found) && !is_among(excepted));
    }

    #[test]
    fn a_shim_that_podman_leaves_to_whoever_adopts_it_is_counted_as_one() {
        let mut command = std::process::Command::new("sh");
        std::os::unix::process::CommandExt::arg0(&mut command, "/usr/bin/conmon");
        command.args(["-c", "read line", "/data/0f"]).stdin(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let line = format!("{} /usr/bin/conmon -c read line /data/0f", child.id());
        let is_among = |root| children(None, Some(Path::new(root))).unwrap().contains(&line);
        let (elsewhere, here) = (is_among("/elsewhere"), is_among("/data"));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(elsewhere && !here);
    }
}
