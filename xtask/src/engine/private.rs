//! A private engine: where it is and what it is called.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::process;
use crate::http::Endpoint;
use crate::workspace::Workspace;

/// Sockets deep inside the run folder have paths about 45 bytes longer, and the kernel takes 107.
const LONGEST_RUN: usize = 60;

/// As many complaints of an engine as fit on a screen with the failure that they may explain.
const TROUBLES: usize = 20;

/// Everything of one private engine is under two folders and carries one label.
#[derive(Clone, Debug)]
pub(crate) struct Private {
    /// Data, log and configuration, under the target folder.
    pub(super) dir: PathBuf,
    /// Socket, pid file and exec root: the same folder if its path is short enough.
    pub(super) run: PathBuf,
    /// The containerd namespace and the parent of the containers' cgroups.
    pub(crate) label: String,
    /// The network bridge, of at most 15 bytes.
    pub(super) bridge: String,
}

impl Private {
    pub(crate) fn named(workspace: &Workspace, name: &str) -> Result<Private> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 20 || !name.bytes().all(plain) {
            bail!("{name:?} is no name for an engine: 1 to 20 of a-z, 0-9 and -");
        }
        Ok(Private::at(&workspace.target.join("engines").join(name), name))
    }

    pub(super) fn at(dir: &Path, name: &str) -> Private {
        let hash = Sha256::digest(dir.as_os_str().as_bytes());
        let hash: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let short = dir.as_os_str().len() <= LONGEST_RUN - "/run".len();
        Private {
            run: if short {
                dir.join("run")
            } else {
                Path::new("/run").join(format!("longshore-{hash}"))
            },
            dir: dir.to_owned(),
            label: format!("longshore-{name}-{hash}"),
            bridge: format!("ls-{hash}"),
        }
    }

    /// What [`named`](Self::named) was told.
    pub(crate) fn name(&self) -> &str {
        self.dir.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Every private engine of this workspace that has left anything.
    pub(crate) fn all(workspace: &Workspace) -> Vec<Private> {
        let entries = fs::read_dir(workspace.target.join("engines")).into_iter().flatten();
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| Private::named(workspace, &name).ok()).collect()
    }

    pub(crate) fn exec_root(&self) -> PathBuf {
        self.run.join("exec")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.run.join("engine.pid")
    }

    /// Holds the pool of the engine's addresses.
    pub(super) fn pool_file(&self) -> PathBuf {
        self.dir.join("pool")
    }

    /// Is there if the engine's containers live on without it.
    pub(super) fn live(&self) -> PathBuf {
        self.dir.join("live-restore")
    }

    /// Is there once the engine was restarted.
    pub(super) fn restarted(&self) -> PathBuf {
        self.dir.join("restarted")
    }

    pub(crate) fn was_restarted(&self) -> bool {
        self.restarted().exists()
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("engine.log")
    }

    /// The last of the lines in the engine's log that are warnings or worse.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let is_bad = |line: &&str| {
            ["warning", "error", "fatal"]
                .iter()
                .any(|level| line.contains(&format!("level={level}")))
        };
        let mut last: Vec<_> = log.lines().rev().filter(is_bad).take(TROUBLES).collect();
        last.reverse();
        last.into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.run.join("docker.sock"))
    }

    /// The running daemon. A pid file that names somebody else's process is none of ours.
    pub(crate) fn daemon(&self) -> Option<i32> {
        let pid = fs::read_to_string(self.pid_file()).ok()?;
        let process = process::one(pid.trim().parse().ok()?)?;
        let ours = process.state != 'Z' && self.is_named_by(&process.command);
        ours.then_some(process.pid)
    }

    /// Whether a command names one of the engine's folders, or its label.
    pub(crate) fn is_named_by(&self, command: &str) -> bool {
        let mut words = command.split([' ', '=', ',', ':']);
        words.any(|word| word == self.label || self.owns(word))
    }

    /// Whether a path lies in the engine's folders.
    pub(super) fn owns(&self, path: &str) -> bool {
        let path = Path::new(path);
        path.starts_with(&self.dir) || path.starts_with(&self.run)
    }

    /// The mounts that the engine sees: it may live in a namespace of its own.
    pub(crate) fn mountinfo(&self) -> Result<String> {
        let whose = self.daemon().map_or_else(|| "self".to_owned(), |pid| pid.to_string());
        fs::read_to_string(format!("/proc/{whose}/mountinfo")).context("read mountinfo")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Kind;

    #[test]
    fn sockets_stay_short_however_deep_the_workspace_is() {
        let near = Private::at(Path::new("/src/target/engines/a"), "a");
        assert_eq!(near.run, Path::new("/src/target/engines/a/run"));
        let deep = format!("/{}/target/engines/a", "deep/".repeat(30));
        let far = Private::at(Path::new(&deep), "a");
        let socket = far.exec_root().join("containerd/containerd-debug.sock.ttrpc");
        assert!(socket.as_os_str().len() < 108, "{}", socket.display());
        assert_eq!(far.dir, Path::new(&deep));
    }

    #[test]
    fn how_an_engine_was_started_is_known_when_it_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Private::at(folder.path(), "a");
        assert!(engine.noted().is_err());
        for kind in [Kind::Installed, Kind::Docker26, Kind::Podman5] {
            for storage in [None, Some("vfs")] {
                engine.note(kind, storage).unwrap();
                assert_eq!(engine.noted().unwrap(), (kind, storage.map(str::to_owned)));
            }
        }
    }

    #[test]
    fn engines_of_two_workspaces_share_no_name() {
        let one = Private::at(Path::new("/one/target/engines/a"), "a");
        let two = Private::at(Path::new("/two/target/engines/a"), "a");
        assert_ne!(one.label, two.label);
        assert_ne!(one.bridge, two.bridge);
        assert!(one.bridge.len() <= 15);
    }
}
