//! What a run of tests leaves behind, on the engine and on the machine.
//!
//! Images are not counted: the test images are made once and stay on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cgroups;
use crate::engine::{Engine, Private, process};
use crate::workspace::Workspace;

/// Engines and the kernel finish removals after they have answered.
const SETTLE: Duration = Duration::from_secs(15);

/// Where to look.
pub(crate) struct Scope {
    engine: Engine,
    /// Where the engine keeps its containers, if it is on this machine.
    root: Option<PathBuf>,
    private: Option<Private>,
}

/// Everything that could be left behind, by its kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<&'static str, BTreeSet<String>>);

impl Scope {
    pub(crate) fn of(engine: &Engine, workspace: &Workspace) -> Result<Scope> {
        let private = Private::all(workspace).into_iter().find(|p| p.endpoint() == engine.endpoint);
        let root = if engine.is_local() {
            let info = engine.info()?;
            Some(PathBuf::from(info["DockerRootDir"].as_str().context("the engine names no root")?))
        } else {
            None
        };
        Ok(Scope { engine: engine.clone(), root, private })
    }

    /// What there is now.
    pub(crate) fn look(&self) -> Result<Snapshot> {
        let engine = &self.engine;
        let mut snapshot = Snapshot::default();
        snapshot.add("container", engine.containers()?);
        snapshot.add(
            "network",
            engine.networks()?.into_iter().map(|(id, name)| format!("{name} {id}")),
        );
        snapshot.add("volume", engine.volumes()?);
        snapshot.add("process", children()?);
        snapshot.add("lease", leases(&run_directory()));
        if let Some(root) = &self.root {
            let mountinfo = fs::read_to_string("/proc/self/mountinfo").context("read mountinfo")?;
            snapshot.add("mount", mounts(&mountinfo, &[root, &self.exec_root()]));
            snapshot.add("cgroup", self.cgroups()?);
            snapshot.add("network namespace", namespaces(&self.exec_root().join("netns")));
            snapshot.add("process", shims(&process::all()?, &self.namespace()));
        }
        Ok(snapshot)
    }

    /// Waits until nothing is there that was not there before.
    ///
    /// # Errors
    /// What is still there when the bound has passed.
    pub(crate) fn expect_no_more_than(&self, before: &Snapshot) -> Result<()> {
        let start = Instant::now();
        loop {
            let leaked = self.look()?.beyond(before);
            if leaked.is_empty() {
                return Ok(());
            }
            if start.elapsed() > SETTLE {
                bail!("left behind after {SETTLE:?}:\n  {}", leaked.join("\n  "));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn exec_root(&self) -> PathBuf {
        match &self.private {
            Some(private) => private.exec_root(),
            None => PathBuf::from("/run/docker"),
        }
    }

    /// The containerd namespace, which every shim names.
    fn namespace(&self) -> String {
        match &self.private {
            Some(private) => private.label.clone(),
            None => "moby".to_owned(),
        }
    }

    fn cgroups(&self) -> Result<Vec<String>> {
        let parent = match &self.private {
            Some(private) => private.label.clone(),
            None => "docker".to_owned(),
        };
        let found = cgroups::find(|path| is_containers(path, &parent))?;
        Ok(found.iter().map(|path| path.display().to_string()).collect())
    }
}

impl Snapshot {
    fn add(&mut self, kind: &'static str, items: impl IntoIterator<Item = String>) {
        self.0.entry(kind).or_default().extend(items);
    }

    /// How many there are of each kind.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.0.iter().map(|(kind, items)| (*kind, items.len()))
    }

    /// What is here and not in `before`, one line each.
    fn beyond(&self, before: &Snapshot) -> Vec<String> {
        let none = BTreeSet::new();
        let kinds = self.0.iter().flat_map(|(kind, items)| {
            let known = before.0.get(kind).unwrap_or(&none);
            items.difference(known).map(move |item| format!("{kind} {item}"))
        });
        kinds.collect()
    }
}

/// Where a process of this user keeps its owner's lease, unless it is told otherwise.
fn run_directory() -> PathBuf {
    let user = rustix::process::geteuid();
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if !dir.is_empty() => Path::new(&dir).join("longshore"),
        _ if user.is_root() => PathBuf::from("/run/longshore"),
        _ => PathBuf::from(format!("/tmp/longshore-{}", user.as_raw())),
    }
}

/// The files `owners/<application>/<owner>.lease`: one that stays belongs to an owner that died and
/// after which nobody has cleaned up.
fn leases(run_directory: &Path) -> Vec<String> {
    let entries = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten();
    let applications = entries(run_directory.join("owners"));
    let files = applications.flat_map(|application| entries(application.path()));
    files.map(|file| file.path().display().to_string()).collect()
}

/// Whether a cgroup is a container's: under the engine's parent, in a scope of systemd's, or by name.
fn is_containers(path: &str, parent: &str) -> bool {
    let scope = path.strip_prefix("system.slice/").is_some_and(|name| name.starts_with("docker-"));
    let child = path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'));
    let engines = path.starts_with("longshore-") && !path.contains('/');
    child || scope || (path.contains("longshore") && !engines)
}

/// Mounts in these folders, and those with our name. The engine's own namespace is no container's.
fn mounts(mountinfo: &str, dirs: &[&Path]) -> Vec<String> {
    let targets = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    let ours = targets.filter(|target| {
        let inside = |dir: &&Path| Path::new(target).starts_with(dir) && Path::new(target) != *dir;
        (dirs.iter().any(inside) || target.contains("longshore"))
            && !target.ends_with("/netns/default")
    });
    ours.map(str::to_owned).collect()
}

fn namespaces(dir: &Path) -> Vec<String> {
    let dirs = [dir, Path::new("/run/netns")];
    let entries = dirs.iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
    let ours = entries.filter(|entry| entry.file_name() != "default");
    ours.map(|entry| entry.path().display().to_string()).collect()
}

fn shims(processes: &[process::Process], namespace: &str) -> Vec<String> {
    let namespace = format!(" -namespace {namespace} ");
    let ours = processes.iter().filter(|process| {
        process.state != 'Z'
            && process.command.contains("containerd-shim")
            && process.command.contains(&namespace)
    });
    ours.map(describe).collect()
}

/// What tests started and left: this process adopts it, once [`adopt`] has been called.
fn children() -> Result<Vec<String>> {
    let own = rustix::process::getpid().as_raw_pid();
    let processes = process::all()?.into_iter();
    let ours = processes.filter(|process| process.parent == own && process.state != 'Z');
    Ok(ours.map(|process| describe(&process)).collect())
}

fn describe(process: &process::Process) -> String {
    format!("{} {}", process.pid, process.command)
}

/// Makes this process the parent of every orphan among its descendants, so that none is missed.
pub(crate) fn adopt() -> Result<()> {
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).context("become a subreaper")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(items: &[(&'static str, &str)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (kind, item) in items {
            snapshot.add(kind, [String::from(*item)]);
        }
        snapshot
    }

    #[test]
    fn only_what_is_new_has_leaked() {
        let before = snapshot(&[("container", "a"), ("volume", "v")]);
        let after = snapshot(&[("container", "a"), ("container", "b"), ("mount", "/m")]);
        assert_eq!(after.beyond(&before), ["container b", "mount /m"]);
        assert!(before.beyond(&before).is_empty());
        assert!(snapshot(&[]).beyond(&before).is_empty());
    }

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
    }

    #[test]
    fn an_engines_mounts_are_told_from_others() {
        let lines = [
            "/",
            "/var/lib/docker",
            "/var/lib/docker/x/merged",
            "/var/lib/dockerized/x",
            "/run/docker/netns/0f",
            "/run/docker/netns/default",
            "/mnt/longshore-a",
        ];
        let table: String =
            lines.iter().map(|target| format!("1 1 0:1 / {target} rw - a b c\n")).collect();
        let found = mounts(&table, &[Path::new("/var/lib/docker"), Path::new("/run/docker")]);
        assert_eq!(found, ["/var/lib/docker/x/merged", "/run/docker/netns/0f", "/mnt/longshore-a"]);
    }

    #[test]
    fn an_engines_shims_are_told_from_anothers() {
        let shim = |pid, state, namespace: &str| process::Process {
            pid,
            parent: 1,
            state,
            command: format!("/usr/bin/containerd-shim-runc-v2 -namespace {namespace} -id 0f"),
        };
        let processes = [shim(1, 'S', "moby"), shim(2, 'S', "moby-2"), shim(3, 'Z', "moby")];
        let found = shims(&processes, "moby");
        assert_eq!(found, ["1 /usr/bin/containerd-shim-runc-v2 -namespace moby -id 0f"]);
    }

    #[test]
    fn a_lease_that_stays_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert!(leases(dir.path()).is_empty());
        let lease = dir.path().join("owners/app/0f.lease");
        fs::create_dir_all(lease.parent().unwrap()).unwrap();
        fs::write(&lease, "").unwrap();
        assert_eq!(leases(dir.path()), [lease.display().to_string()]);
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
        let found = children().unwrap();
        process::end(pid, Duration::ZERO).unwrap();
        assert!(found.iter().any(|line| *line == format!("{pid} sleep 321")), "{found:?}");
    }
}
