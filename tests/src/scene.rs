//! An application of one test, with whatever owns containers of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore_docker::DockerDriver;
use longshore_driver_api::Handle;
use tempfile::TempDir;
use tokio::process::Command;

use crate::setup::{Setup, application, config};
use crate::victim::Victim;

/// An application that nobody else has, its run directory, and the processes that are to die.
#[derive(Debug)]
pub struct Scene {
    /// What the run of the tests was given.
    pub setup: Setup,
    /// The application's name.
    pub application: String,
    folder: TempDir,
}

impl Scene {
    /// A new application, named after the test.
    ///
    /// # Panics
    ///
    /// There can be no folder for it.
    #[must_use]
    pub fn new(setup: &Setup, test: &str) -> Self {
        Self {
            setup: setup.clone(),
            application: application(test),
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// The run directory of all its owners.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Starts a program of ours that is told where and what.
    #[must_use]
    pub fn process(&self, program: &str, address: &str, what: &str) -> Victim {
        let mut command = Command::new(program);
        Victim::start(command.args([address, &self.application]).arg(self.run_dir()).arg(what))
    }

    /// A task that writes so many bytes in some seconds, and whose owner, the program `longshore-heir`,
    /// was killed while it runs.
    ///
    /// # Panics
    ///
    /// The owner does not come as far, or cannot be killed.
    pub async fn orphan(&self, heir: &str, bytes: usize) -> Handle {
        let mut owner = self.process(heir, &self.setup.engine.address(), &bytes.to_string());
        let handle = owner.reads("handle ").await.parse().expect("a handle");
        owner.kill().await;
        handle
    }

    /// A driver of the application in this process, straight to the engine.
    ///
    /// # Panics
    ///
    /// The engine does not answer as it should.
    pub async fn driver(&self, reaps: bool) -> DockerDriver {
        let mut config = config(&self.setup.engine.address(), &self.application, &self.run_dir());
        config.reap_on_open = reaps;
        // What it leaves is under test, not how soon a busy engine answers.
        config.timeouts.call = Duration::from_secs(20);
        DockerDriver::open(config).await.expect("the engine is there")
    }

    /// The containers of the application, once there are `count`, or those that there are after
    /// some seconds.
    ///
    /// # Panics
    ///
    /// The engine does not answer as it should.
    pub async fn containers(&self, count: usize) -> Vec<String> {
        let bound = Duration::from_secs(10);
        let engine = &self.setup.engine;
        engine.settle(&self.application, count, bound).await.expect("the engine answers")
    }

    /// The leases that there are, of the living and the dead.
    #[must_use]
    pub fn leases(&self) -> Vec<PathBuf> {
        files(&self.run_dir().join("owners").join(&self.application))
    }

    /// Whether the application has no container.
    ///
    /// # Panics
    ///
    /// The engine does not answer as it should.
    pub async fn is_clean(&self) -> bool {
        let found = self.setup.engine.containers(&self.application).await;
        found.expect("the engine answers").is_empty()
    }

    /// Removes what is left, so that a failed test does not spoil the next. Gives what that was.
    ///
    /// # Panics
    ///
    /// The engine does not answer as it should.
    pub async fn clean(&self) -> Vec<String> {
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
