//! Ends a private engine's daemon and starts it again, on all that it had.

use std::fs::{self, File};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use xshell::Shell;

use super::start::Place;
use super::{Engine, Kind, Private, process};
use crate::workspace::Workspace;

/// How long a daemon may take to end its containers.
const GRACE: Duration = Duration::from_secs(60);

/// How a daemon ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As its own command would have it.
    Asked,
    /// As by `kill -9`.
    Killed,
}

impl Private {
    /// Whatever its containers are by then, it finds them and its images again; with `live`, Docker
    /// lets those run on that have not ended.
    pub(crate) fn restart(
        &self,
        sh: &Shell,
        workspace: &Workspace,
        end: End,
        live: bool,
    ) -> Result<Engine> {
        let pid = self.daemon().context("no engine of this name runs")?;
        let (kind, storage) = self.noted()?;
        let root = kind.root().map(|plan| plan.ready(sh, workspace, false)).transpose()?;
        let hold = |_| {
            let mounts = format!("/proc/{pid}/ns/mnt");
            File::open(&mounts).with_context(|| format!("hold {mounts}"))
        };
        let mounts = root.as_ref().map(hold).transpose()?;
        let grace = if end == End::Asked { GRACE } else { Duration::ZERO };
        process::end(pid, grace)?;
        // Docker's own containerd dies with it, a little later: the next one would rely on it.
        let containerd = self.exec_root().join("containerd/containerd.pid");
        if let Some(pid) = fs::read_to_string(&containerd).ok().and_then(|pid| pid.parse().ok()) {
            process::end(pid, GRACE)?;
        }
        // What one that was killed left: an address that is taken, and processes that Docker takes for
        // running as long as nobody has asked what became of them.
        for left in [self.run.join("docker.sock"), self.pid_file(), containerd] {
            if fs::exists(&left)? {
                fs::remove_file(&left).with_context(|| format!("remove {}", left.display()))?;
            }
        }
        fs::write(self.restarted(), "").context("note that it is restarted")?;
        if live {
            fs::write(self.live(), "").context("note that containers live on")?;
        } else if self.live().exists() {
            fs::remove_file(self.live()).context("note that containers do not live on")?;
        }
        let place = mounts.as_ref().map_or(Place::of(root.as_deref()), Place::Within);
        self.start(sh, kind, place, storage.as_deref())
    }

    /// Notes how the engine is started, so that it can be started again.
    pub(super) fn note(&self, kind: Kind, storage: Option<&str>) -> Result<()> {
        let how = json!({"kind": kind.name(), "storage": storage});
        fs::write(self.dir.join("started.json"), how.to_string()).context("note how it is started")
    }

    pub(super) fn noted(&self) -> Result<(Kind, Option<String>)> {
        let text = fs::read(self.dir.join("started.json")).context("how was it started?")?;
        let how: Value = serde_json::from_slice(&text).context("how was it started?")?;
        let name = how["kind"].as_str().unwrap_or_default();
        let storage = how["storage"].as_str().map(str::to_owned);
        if name == Kind::Installed.name() {
            return Ok((Kind::Installed, storage));
        }
        ensure!(!name.is_empty(), "nothing says how it was started");
        Ok((name.parse()?, storage))
    }
}
