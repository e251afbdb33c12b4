//! Starts a private engine.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xshell::Shell;

use super::{Engine, Kind, Private, claim, docker, network, podman};
use crate::install;
use crate::workspace::Workspace;

/// How long an engine may take to answer: it may first have to build its storage.
const START: Duration = Duration::from_secs(60);

/// How often an engine is started that another one, which starts at that moment too, gets in the way of.
const ATTEMPTS: u32 = 4;

/// The pause before the second attempt; it grows.
const APART: Duration = Duration::from_secs(1);

/// Where an engine's files are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// Where this machine's are.
    Here,
    /// In the Debian in this folder, with a mount namespace of its own.
    Root(&'a Path),
    /// In the mount namespace of the engine that it takes the place of: containers that live on have
    /// their file systems there, and Podman and its runtime what they know of them.
    Within(&'a File),
}

impl<'a> Place<'a> {
    pub(super) fn of(root: Option<&'a Path>) -> Place<'a> {
        root.map_or(Place::Here, Place::Root)
    }
}

impl Private {
    /// Starts the engine, or finds it running. What a crashed one left is removed first, and what
    /// another Debian has to bring is made first.
    pub(crate) fn up(
        &self,
        sh: &Shell,
        workspace: &Workspace,
        kind: Kind,
        may_install: bool,
    ) -> Result<Engine> {
        if !install::is_root() {
            bail!("a private engine needs root: run it with sudo, or use an engine that runs");
        }
        if self.daemon().is_some()
            && let Ok(engine) = Engine::connect(self.endpoint())
        {
            ensure!(
                kind.matches(&engine.version),
                "the engine of this name is of version {}, not {kind}: take it down first",
                engine.version
            );
            return Ok(engine);
        }
        let root = kind.root().map(|plan| plan.ready(sh, workspace, may_install)).transpose()?;
        let mut needed = vec![("iptables", "iptables"), ("ip", "iproute2")];
        if root.is_none() {
            needed.push(("dockerd", "docker.io"));
        }
        for (program, package) in needed {
            if !install::has(program) {
                bail!("{program} is not installed; on Debian: apt-get install {package}");
            }
        }
        self.down().context("remove what an earlier engine left")?;
        let place = Place::of(root.as_deref());
        let mut started = self.start(sh, kind, place, None);
        if let Err(error) = &started
            && is_about_storage(error)
        {
            eprintln!("{error:#}");
            eprintln!("no storage driver works here but vfs, which copies whole images");
            self.down()?;
            started = self.start(sh, kind, place, Some("vfs"));
        }
        if started.is_err() {
            self.down()?;
        }
        started
    }

    pub(super) fn start(
        &self,
        sh: &Shell,
        kind: Kind,
        place: Place<'_>,
        storage: Option<&str>,
    ) -> Result<Engine> {
        for attempt in 1.. {
            match self.start_once(sh, kind, place, storage) {
                Err(error) if attempt < ATTEMPTS && is_about_another_engine(&error) => {
                    eprintln!("{error:#}");
                    eprintln!("another engine was in the way as it started: once more");
                    thread::sleep(APART * attempt);
                }
                started => return started,
            }
        }
        unreachable!("the loop ends only by returning")
    }

    fn start_once(
        &self,
        sh: &Shell,
        kind: Kind,
        place: Place<'_>,
        storage: Option<&str>,
    ) -> Result<Engine> {
        fs::create_dir_all(&self.run).with_context(|| format!("make {}", self.run.display()))?;
        fs::create_dir_all(&self.dir).with_context(|| format!("make {}", self.dir.display()))?;
        self.note(kind, storage)?;
        // One that is started again has both still.
        let (range, bridged) = match claim::claimed(&self.dir, &self.pool_file()) {
            Some(range) => (range, true),
            None => (claim::claim(&self.dir, &self.pool_file())?, false),
        };
        let command = if kind.is_podman() {
            podman::prepare(self, range, storage)?
        } else {
            if !bridged {
                network::make_bridge(sh, &self.bridge, range)?;
            }
            docker::prepare(self, range, storage)?
        };
        let command = match place {
            Place::Here => command,
            Place::Root(root) => self.in_root(root, kind, command),
            Place::Within(mounts) => self.within(mounts, kind, command),
        };
        let log = File::create(self.log()).context("make the engine's log")?;
        let daemon = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C in this terminal is not for the engine.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}", command[0].display()))?;
        if kind.is_podman() {
            // Docker writes its own. Each program on the way becomes the next, so the id stays.
            fs::write(self.pid_file(), daemon.id().to_string()).context("write the pid file")?;
        }
        self.await_answer(daemon, kind)
    }

    /// The command in a mount namespace of its own, with another root.
    fn in_root(&self, root: &Path, kind: Kind, command: Vec<OsString>) -> Vec<OsString> {
        let stage = self.dir.join("stage");
        // Slave: what another engine unmounts must not live on in here.
        let mut whole: Vec<OsString> =
            ["unshare", "--mount", "--propagation", "slave", "--"].map(Into::into).to_vec();
        whole.extend(self.enter(kind));
        whole.extend(["--root".into(), root.into(), "--stage".into(), stage.into()]);
        for dir in [&self.dir, &self.run] {
            whole.extend(["--keep".into(), dir.into()]);
        }
        whole.extend(command);
        whole
    }

    /// The command in a mount namespace that there is.
    fn within(&self, mounts: &File, kind: Kind, command: Vec<OsString>) -> Vec<OsString> {
        let mounts = format!("/proc/{}/fd/{}", std::process::id(), mounts.as_raw_fd());
        let mut whole = self.enter(kind);
        whole.extend(["--within".into(), mounts.into()]);
        whole.extend(command);
        whole
    }

    /// The program that becomes an engine.
    fn enter(&self, kind: Kind) -> Vec<OsString> {
        // A build may have put another program in the place of this one by now.
        let own = format!("/proc/{}/exe", std::process::id());
        let mut enter: Vec<OsString> = vec![own.into(), "enter".into()];
        if kind.is_podman() {
            enter.extend(["--cgroup".into(), OsString::from(&self.label)]);
        }
        enter
    }

    fn await_answer(&self, mut daemon: Child, kind: Kind) -> Result<Engine> {
        let start = Instant::now();
        loop {
            if let Some(status) = daemon.try_wait()? {
                bail!("{kind} ended at once ({status}): {}", self.last_words());
            }
            if let Ok(engine) = Engine::connect(self.endpoint()) {
                return Ok(engine);
            }
            if start.elapsed() > START {
                let log = self.log();
                bail!("{kind} does not answer after {START:?}; see {}", log.display());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let mut lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.reverse();
        lines.join("\n")
    }
}

fn is_about_storage(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("graphdriver") || text.contains("storage-driver")
}

/// All engines of a machine share one table of rules for packets. One looks whether its chains are
/// there and then makes or fills them, so that of two at a time one finds that the other was quicker,
/// or has just removed them to make them anew.
fn is_about_another_engine(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    let theirs =
        ["Chain already exists", "No chain/target/match by that name", "holding the xtables lock"];
    theirs.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn another_engines_rules_are_told_from_other_reasons_not_to_start() {
        for (words, expected) in [
            (
                "docker20 ended at once (exit status: 1): failed to start daemon: Error initializing \
                 network controller: error obtaining controller instance: failed to create NAT chain \
                 DOCKER: iptables failed: iptables -t nat -N DOCKER: iptables: Chain already exists.",
                true,
            ),
            (
                "unable to add return rule in DOCKER-ISOLATION-STAGE-2 chain:  (iptables failed: iptables \
                 --wait -A DOCKER-ISOLATION-STAGE-2 -j RETURN: iptables: No chain/target/match by that \
                 name.",
                true,
            ),
            ("Another app is currently holding the xtables lock; still 9s 0us time ahead", true),
            ("failed to start daemon: error initializing graphdriver: driver not supported", false),
            ("docker20 does not answer after 60s", false),
        ] {
            assert_eq!(is_about_another_engine(&anyhow!(words)), expected, "{words}");
        }
    }
}
