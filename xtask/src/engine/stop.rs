//! Ends a private engine and removes all that it had, however it ended before.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::network::{self, Range};
use super::{Engine, Private, process};
use crate::cgroups;

/// What an engine starts, beside containers. Nothing else is ended, whatever it has open.
const PROGRAMS: [&str; 6] =
    ["dockerd", "containerd", "containerd-shim", "docker-proxy", "fuse-overlayfs", "runc"];

impl Private {
    /// Stops the engine. Nothing to stop is success.
    pub(crate) fn down(&self) -> Result<()> {
        let sh = Shell::new()?;
        if let Some(pid) = self.daemon() {
            if let Ok(engine) = Engine::connect(self.endpoint()) {
                engine.clear().context("remove the engine's containers")?;
            }
            process::end(pid, Duration::from_secs(20))?;
        }
        // A daemon that was killed leaves its containerd, and that one its shims, which hold mounts.
        for pid in self.processes()? {
            process::end(pid, Duration::from_secs(5))?;
        }
        self.end_containers()?;
        for mount in self.mounts()? {
            cmd!(sh, "umount --lazy {mount}").quiet().run()?;
        }
        if let Some(range) = self.range() {
            network::remove_bridges(&sh, range)?;
        }
        for cgroup in self.cgroups()?.iter().rev() {
            fs::remove_dir(cgroup).with_context(|| format!("remove {}", cgroup.display()))?;
        }
        for dir in [&self.run, &self.dir] {
            if fs::exists(dir)? {
                fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
            }
        }
        Ok(())
    }

    /// The engine's own processes: its programs with its folders or its label among the arguments.
    fn processes(&self) -> Result<Vec<i32>> {
        let found = process::all()?.into_iter().filter(|process| {
            let mut words = process.command.split([' ', '=', ',', ':']);
            let program = words.next().and_then(|word| word.rsplit('/').next());
            let known = |program: &str| PROGRAMS.iter().any(|known| program.starts_with(known));
            program.is_some_and(known)
                && process.state != 'Z'
                && words.any(|word| word == self.label || self.owns(word))
        });
        Ok(found.map(|process| process.pid).collect())
    }

    /// Without a shim, what runs in a container is known by its cgroup alone.
    fn end_containers(&self) -> Result<()> {
        for cgroup in self.cgroups()? {
            let pids = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
            for pid in pids.lines().filter_map(|line| line.parse().ok()) {
                process::end(pid, Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// Mounts under the engine's folders, the innermost first.
    fn mounts(&self) -> Result<Vec<String>> {
        let table = fs::read_to_string("/proc/self/mountinfo").context("read mountinfo")?;
        let targets = table.lines().filter_map(|line| line.split(' ').nth(4));
        let mut mounts: Vec<_> =
            targets.filter(|target| self.owns(target)).map(str::to_owned).collect();
        mounts.reverse();
        Ok(mounts)
    }

    /// The range of addresses that the engine was given.
    fn range(&self) -> Option<Range> {
        let config = fs::read(self.config()).ok()?;
        let config: serde_json::Value = serde_json::from_slice(&config).ok()?;
        Range::of_pool(config["default-address-pools"][0]["base"].as_str()?)
    }

    fn cgroups(&self) -> Result<Vec<std::path::PathBuf>> {
        cgroups::find(|path| path.rsplit('/').next() == Some(&self.label))
    }

    /// Whether a path lies in the engine's folders.
    fn owns(&self, path: &str) -> bool {
        let path = Path::new(path);
        path.starts_with(&self.dir) || path.starts_with(&self.run)
    }
}
