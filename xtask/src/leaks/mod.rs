//! What a run of tests leaves behind, on the engine and on the machine.
//!
//! Images are not counted: the test images are made once and stay on purpose.

mod adopt;
mod command;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cgroups;
use crate::engine::{Engine, OWN_NETWORKS, Private, process};
use crate::workspace::Workspace;

pub(crate) use adopt::adopt;
pub(crate) use command::run;

/// Engines and the kernel finish removals after they have answered.
const SETTLE: Duration = Duration::from_secs(15);

/// Where to look.
pub(crate) struct Scope {
    engine: Engine,
    /// Where the engine keeps its containers, if it is on this machine.
    root: Option<PathBuf>,
    /// The engine, if it is one of this workspace's own.
    private: Option<Private>,
}

/// How a network is counted. An engine that is started anew makes its own ones anew, with new ids.
fn network((id, name): (String, String)) -> String {
    if OWN_NETWORKS.contains(&name.as_str()) { name } else { format!("{name} {id}") }
}

/// Everything that could be left behind, by its kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    kinds: BTreeMap<&'static str, BTreeSet<String>>,
    /// What an engine that was killed has left of itself: it is told, and is no leak.
    forgotten: Vec<String>,
    /// Leases of owners that live. None of theirs is left behind: a process that this run has started
    /// counts as one, and what another has made is its own.
    alive: BTreeSet<String>,
}

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

    pub(crate) fn private(&self) -> Option<&Private> {
        self.private.as_ref()
    }

    /// What there is now.
    pub(crate) fn look(&self) -> Result<Snapshot> {
        let engine = &self.engine;
        let mut snapshot = Snapshot::default();
        let containers = engine.containers()?;
        snapshot.add("container", containers.iter().cloned());
        snapshot.add("network", engine.networks()?.into_iter().map(network));
        snapshot.add("volume", engine.volumes()?);
        // The engine itself is no leak; it may have been started again meanwhile.
        let daemon = self.private.as_ref().and_then(Private::daemon);
        snapshot.add("process", look::children(daemon, self.root.as_deref())?);
        for lease in look::leases(&look::run_directory())? {
            if lease.is_alive {
                snapshot.alive.insert(lease.line.clone());
            }
            snapshot.add("lease", [lease.line]);
        }
        if let Some(root) = &self.root {
            let mountinfo = match &self.private {
                Some(private) => private.mountinfo()?,
                None => fs::read_to_string("/proc/self/mountinfo").context("read mountinfo")?,
            };
            let mounts = look::mounts(&mountinfo, &[root, &self.exec_root()]);
            let (namespaces, mounts): (Vec<_>, Vec<_>) =
                mounts.into_iter().partition(|mount| look::is_namespace(mount));
            snapshot.add("mount", mounts);
            snapshot.add("network namespace", namespaces);
            snapshot.add("cgroup", self.cgroups()?);
            let processes = process::all()?;
            snapshot.add("process", look::shims(&processes, &self.namespace()));
            snapshot.add("process", look::monitors(&processes, root));
            if self.private.as_ref().is_some_and(Private::was_restarted) {
                let forgotten = look::forgotten(&processes, &self.namespace(), &containers);
                snapshot.remove("process", &forgotten);
                snapshot.forgotten = forgotten;
            }
        }
        Ok(snapshot)
    }

    /// Waits until nothing is there that was not there before.
    ///
    /// # Errors
    /// What is still there when the bound has passed.
    pub(crate) fn expect_no_more_than(&self, before: &Snapshot) -> Result<()> {
        self.expect_within(before, SETTLE)
    }

    fn expect_within(&self, before: &Snapshot, settle: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let now = self.look()?;
            let leaked = now.beyond(before);
            if leaked.is_empty() {
                for shim in now.forgotten.iter().filter(|shim| !before.forgotten.contains(shim)) {
                    println!("left by the engine itself when it was killed: {shim}");
                }
                return Ok(());
            }
            if start.elapsed() > settle {
                bail!("left behind after {settle:?}:\n  {}", leaked.join("\n  "));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Prints what a private engine complained of lately: it may be why a test failed.
    pub(crate) fn show_troubles(&self) {
        for line in self.private.iter().flat_map(Private::troubles) {
            eprintln!("engine: {line}");
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
        let found = cgroups::find(|path| look::is_containers(path, &parent))?;
        Ok(found.iter().map(|path| path.display().to_string()).collect())
    }
}

impl Snapshot {
    fn add(&mut self, kind: &'static str, items: impl IntoIterator<Item = String>) {
        self.kinds.entry(kind).or_default().extend(items);
    }

    fn remove(&mut self, kind: &'static str, items: &[String]) {
        let known = self.kinds.entry(kind).or_default();
        known.retain(|item| !items.contains(item));
    }

    /// How many there are of each kind.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.kinds.iter().map(|(kind, items)| (*kind, items.len()))
    }

    /// What is here and not in `before`, one line each.
    fn beyond(&self, before: &Snapshot) -> Vec<String> {
        let none = BTreeSet::new();
        let kinds = self.kinds.iter().flat_map(|(kind, items)| {
            let known = before.kinds.get(kind).unwrap_or(&none);
            let left = items.difference(known).filter(|item| !self.alive.contains(*item));
            left.map(move |item| format!("{kind} {item}"))
        });
        kinds.collect()
    }
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
    fn an_engines_own_network_is_the_same_under_another_id() {
        let of = |id: &str, name: &str| network((id.to_owned(), name.to_owned()));
        assert_eq!(of("1", "bridge"), of("2", "bridge"));
        assert_ne!(of("1", "mine"), of("2", "mine"));
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
    fn a_lease_has_leaked_if_it_is_new_and_its_owner_dead() {
        let with = |leases: &[(&str, bool)]| {
            let mut snapshot = Snapshot::default();
            for (lease, is_alive) in leases {
                snapshot.add("lease", [String::from(*lease)]);
                snapshot.alive.extend(is_alive.then(|| String::from(*lease)));
            }
            snapshot
        };
        let before = with(&[("old", false), ("others", true)]);
        let after = with(&[("old", false), ("others", false), ("lives", true), ("left", false)]);
        assert_eq!(after.beyond(&before), ["lease left"]);
    }
}
