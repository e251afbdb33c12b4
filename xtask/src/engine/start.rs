//! Starts a private engine.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use xshell::Shell;

use super::network::{self, Range};
use super::{Engine, Private};
use crate::install;

/// How long an engine may take to answer: it may first have to build its storage.
const START: Duration = Duration::from_secs(60);

impl Private {
    /// Starts the engine, or finds it running. What a crashed one left is removed first.
    pub(crate) fn up(&self, sh: &Shell) -> Result<Engine> {
        if !install::is_root() {
            bail!("a private engine needs root: run it with sudo, or use an engine that runs");
        }
        if self.daemon().is_some()
            && let Ok(engine) = Engine::connect(self.endpoint())
        {
            return Ok(engine);
        }
        for (program, package) in
            [("dockerd", "docker.io"), ("iptables", "iptables"), ("ip", "iproute2")]
        {
            if !install::has(program) {
                bail!("{program} is not installed; on Debian: apt-get install {package}");
            }
        }
        self.down().context("remove what an earlier engine left")?;
        let mut started = self.start(sh, None);
        if let Err(error) = &started
            && is_about_storage(error)
        {
            eprintln!("{error:#}");
            eprintln!("no storage driver works here but vfs, which copies whole images");
            self.down()?;
            started = self.start(sh, Some("vfs"));
        }
        if started.is_err() {
            self.down()?;
        }
        started
    }

    fn start(&self, sh: &Shell, storage: Option<&str>) -> Result<Engine> {
        fs::create_dir_all(&self.run).with_context(|| format!("make {}", self.run.display()))?;
        fs::create_dir_all(&self.dir).with_context(|| format!("make {}", self.dir.display()))?;
        let range = Range::free()?;
        let config = self.configuration(range, storage);
        fs::write(self.config(), format!("{config:#}\n")).context("write daemon.json")?;
        network::make_bridge(sh, &self.bridge, range)?;
        let log = File::create(self.log()).context("make dockerd.log")?;
        let daemon = Command::new("dockerd")
            .arg("--config-file")
            .arg(self.config())
            // Engine 20.10 takes these two from the command line only.
            .args(["--containerd-namespace", &self.label])
            .args(["--containerd-plugins-namespace", &format!("plugins.{}", self.label)])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C in this terminal is not for the engine.
            .process_group(0)
            .spawn()
            .context("start dockerd")?;
        self.await_answer(daemon)
    }

    fn configuration(&self, range: Range, storage: Option<&str>) -> Value {
        let mut config = json!({
            "data-root": self.dir.join("data"),
            "exec-root": self.exec_root(),
            "pidfile": self.run.join("docker.pid"),
            "hosts": [self.endpoint().to_string()],
            "bridge": self.bridge,
            "default-address-pools": [{"base": range.pool(), "size": 24}],
            // Without the slash it would be under whatever cgroup this command happens to be in.
            "cgroup-parent": format!("/{}", self.label),
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
        });
        // What the machine's owner chose for storage and network suits this engine as well.
        let default = fs::read("/etc/docker/daemon.json").ok();
        let default: Value =
            default.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        for key in ["storage-driver", "storage-opts", "mtu"] {
            if !default[key].is_null() {
                config[key] = default[key].clone();
            }
        }
        if let Some(storage) = storage {
            config["storage-driver"] = storage.into();
            config["storage-opts"] = json!([]);
        }
        config
    }

    fn await_answer(&self, mut daemon: Child) -> Result<Engine> {
        let start = Instant::now();
        loop {
            if let Some(status) = daemon.try_wait()? {
                bail!("dockerd ended at once ({status}): {}", self.last_words());
            }
            if let Ok(engine) = Engine::connect(self.endpoint()) {
                return Ok(engine);
            }
            if start.elapsed() > START {
                let log = self.log();
                bail!("dockerd does not answer after {START:?}; see {}", log.display());
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
