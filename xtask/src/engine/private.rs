//! A private engine: where it is and what it is called.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

use super::process;
use crate::http::Endpoint;
use crate::workspace::Workspace;

/// Sockets deep inside the run folder have paths about 45 bytes longer, and the kernel takes 107.
const LONGEST_RUN: usize = 60;

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

    fn at(dir: &Path, name: &str) -> Private {
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

    /// Every private engine of this workspace that has left anything.
    pub(crate) fn all(workspace: &Workspace) -> Vec<Private> {
        let entries = fs::read_dir(workspace.target.join("engines")).into_iter().flatten();
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| Private::named(workspace, &name).ok()).collect()
    }

    pub(crate) fn exec_root(&self) -> PathBuf {
        self.run.join("exec")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("daemon.json")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("dockerd.log")
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.run.join("docker.sock"))
    }

    /// The running daemon. A pid file that names somebody else's process is none of ours.
    pub(super) fn daemon(&self) -> Option<i32> {
        let pid = fs::read_to_string(self.run.join("docker.pid")).ok()?;
        let process = process::one(pid.trim().parse().ok()?)?;
        let config = self.config().display().to_string();
        let ours = process.state != 'Z' && process.command.contains(&config);
        ours.then_some(process.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn engines_of_two_workspaces_share_no_name() {
        let one = Private::at(Path::new("/one/target/engines/a"), "a");
        let two = Private::at(Path::new("/two/target/engines/a"), "a");
        assert_ne!(one.label, two.label);
        assert_ne!(one.bridge, two.bridge);
        assert!(one.bridge.len() <= 15);
    }
}
