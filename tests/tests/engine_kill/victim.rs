//! Starting processes to kill.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use longshore_docker::DockerDriver;
use longshore_tests::{Setup, application, config};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// A process that owns containers.
pub(crate) struct Victim {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// How long a stage may take to be reached on a busy machine.
const STAGE: Duration = Duration::from_secs(60);

impl Victim {
    /// Waits until it says so.
    pub(crate) async fn says(&mut self, stage: &str) {
        let said = timeout(STAGE, async {
            while let Some(line) = self.lines.next_line().await.expect("its output is text") {
                if line == stage {
                    return;
                }
            }
            panic!("it ended before it was {stage}");
        });
        said.await.unwrap_or_else(|_| panic!("it was not {stage} within {STAGE:?}"));
    }

    /// Waits for a line that begins so, and gives the rest of it.
    pub(crate) async fn reads(&mut self, begin: &str) -> String {
        loop {
            if let Some(rest) = self.next().await.strip_prefix(begin) {
                return rest.to_owned();
            }
        }
    }

    /// What it says next.
    pub(crate) async fn next(&mut self) -> String {
        let line = timeout(STAGE, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("it said nothing within {STAGE:?}"));
        line.expect("its output is text").expect("it has not ended")
    }

    /// Kills it with the signal that nothing can catch, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }
}

/// An application, its run directory, and the processes that are to die.
pub(crate) struct Scene {
    pub(crate) setup: Setup,
    pub(crate) application: String,
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            setup: setup.clone(),
            application: application("kill"),
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Starts a process that goes as far as `stage`, on the engine at `address`.
    pub(crate) fn victim(&self, address: &str, stage: &str) -> Victim {
        self.process(env!("CARGO_BIN_EXE_longshore-victim"), address, stage)
    }

    /// Starts a program of ours that is told where and what.
    pub(crate) fn process(&self, program: &str, address: &str, what: &str) -> Victim {
        let mut child = Command::new(program)
            .args([address, &self.application])
            .arg(self.run_dir())
            .arg(what)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the victim starts");
        let stdout = child.stdout.take().expect("it has a pipe");
        Victim { child, lines: BufReader::new(stdout).lines() }
    }

    /// A driver of the same application in this process, straight to the engine.
    pub(crate) async fn driver(&self, reaps: bool) -> DockerDriver {
        let mut config = config(&self.setup.engine.address(), &self.application, &self.run_dir());
        config.reap_on_open = reaps;
        // What it leaves is under test, not how soon a busy engine answers.
        config.timeouts.call = Duration::from_secs(20);
        DockerDriver::open(config).await.expect("the engine is there")
    }

    /// The containers of the application, once there are `count`, or those that there are after
    /// some seconds.
    pub(crate) async fn containers(&self, count: usize) -> Vec<String> {
        let bound = Duration::from_secs(10);
        let engine = &self.setup.engine;
        engine.settle(&self.application, count, bound).await.expect("the engine answers")
    }

    /// The leases that there are, of the living and the dead.
    pub(crate) fn leases(&self) -> Vec<PathBuf> {
        files(&self.run_dir().join("owners").join(&self.application))
    }

    /// Whether the application has no container.
    pub(crate) async fn is_clean(&self) -> bool {
        let found = self.setup.engine.containers(&self.application).await;
        found.expect("the engine answers").is_empty()
    }

    /// Removes what is left, so that a failed test does not spoil the next.
    pub(crate) async fn clean(&self) -> Vec<String> {
        let left = self.containers(0).await;
        for id in &left {
            let _ = self.setup.engine.remove(id).await;
        }
        left
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
