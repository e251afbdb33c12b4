//! An application, owners that seem to be elsewhere, and reapers.

use std::path::PathBuf;
use std::time::Duration;

use longshore_docker::{DockerDriver, KeeperUse};
use longshore_tests::{Setup, Victim, application, config};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::relay::Relay;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) setup: Setup,
    pub(crate) relay: Relay,
    application: String,
    folder: TempDir,
}

impl Scene {
    pub(crate) async fn new(setup: &Setup) -> Self {
        Self {
            setup: setup.clone(),
            relay: Relay::start(setup.engine.socket()).await.expect("a port"),
            application: application("keeper"),
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn run_dir(&self, whose: &str) -> PathBuf {
        self.folder.path().join(whose)
    }

    /// Starts a process that goes as far as `stage`, in a namespace of process ids of its own. It needs
    /// the right to make one.
    pub(crate) fn victim(&self, stage: &str) -> Victim {
        let mut command = Command::new("unshare");
        // Its parent's death is its own.
        command.args(["--pid", "--fork", "--kill-child=SIGKILL"]);
        command.arg(env!("CARGO_BIN_EXE_longshore-victim"));
        command.args([self.relay.address(), &self.application]);
        Victim::start(command.arg(self.run_dir("victim")).arg(stage))
    }

    async fn open(&self, address: &str, whose: &str, keeper: KeeperUse) -> DockerDriver {
        let mut config = config(address, &self.application, &self.run_dir(whose));
        // What it does is under test, not how soon a busy engine answers.
        config.timeouts.call = Duration::from_secs(20);
        config.timeouts.work = Duration::from_secs(60);
        config.timeouts.engine_gone = Duration::from_secs(5);
        config.keeper = keeper;
        DockerDriver::open(config).await.expect("the engine is there")
    }

    /// An owner in this process, by the port: with a keeper.
    pub(crate) async fn owner(&self) -> DockerDriver {
        self.open(self.relay.address(), "owner", KeeperUse::Auto).await
    }

    /// A reaper straight to the engine, which has no keeper.
    pub(crate) async fn reaper(&self) -> DockerDriver {
        self.open(&self.setup.engine.address(), "reaper", KeeperUse::Auto).await
    }

    /// The containers of the application, once there are `count`, or those that there are after
    /// some seconds.
    pub(crate) async fn containers(&self, count: usize) -> Vec<String> {
        let bound = Duration::from_secs(20);
        let engine = &self.setup.engine;
        engine.settle(&self.application, count, bound).await.expect("the engine answers")
    }

    /// The keepers of the application.
    pub(crate) async fn keepers(&self) -> Vec<String> {
        let engine = &self.setup.engine;
        let mut keepers = Vec::new();
        for id in engine.containers(&self.application).await.expect("the engine answers") {
            let about = engine.inspect(&id).await.expect("the engine answers");
            let is_keeper =
                about.is_some_and(|it| it["Config"]["Labels"]["longshore.keeper-generation"] != "");
            if is_keeper {
                keepers.push(id);
            }
        }
        keepers
    }

    /// Whether a keeper has ended.
    pub(crate) async fn is_over(&self, keeper: &str) -> bool {
        let about = self.setup.engine.inspect(keeper).await.expect("the engine answers");
        about.is_none_or(|about| about["State"]["Running"] == false)
    }

    /// Waits for the end of a keeper.
    pub(crate) async fn until_over(&self, keeper: &str) {
        let give_up = Instant::now() + PATIENCE;
        while !self.is_over(keeper).await {
            assert!(Instant::now() < give_up, "the keeper goes on");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends a container behind its owner's back, as an engine does that is started anew.
    pub(crate) async fn kill(&self, id: &str) {
        let path = format!("/containers/{id}/kill");
        let (status, said) =
            self.setup.engine.call("POST", &path, "").await.expect("the engine answers");
        assert_eq!(status, 204, "{said}");
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
