//! A driver on a scripted engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{Captured, Container, DriverExt as _, Exit, Task, TaskIo, TaskSpec};

use crate::support::{Request, Script, ScriptedEngine};

/// A driver on a scripted engine, as an owner of its own.
pub(crate) struct Stage {
    pub(crate) driver: DockerDriver,
    pub(crate) engine: ScriptedEngine,
    /// What holds its run directory, `run`.
    pub(crate) folder: tempfile::TempDir,
}

impl Stage {
    /// Opens a driver, after `change` of its configuration, on an engine that answers with `special`
    /// where it gives anything.
    pub(crate) async fn new(
        change: impl FnOnce(&mut DockerConfig),
        special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
    ) -> Self {
        let engine = ScriptedEngine::usual_but(special);
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&engine, folder.path());
        change(&mut config);
        let driver = DockerDriver::open(config).await.unwrap();
        Self { driver, engine, folder }
    }

    /// The same with bounds that a test of an engine that fails can wait for.
    pub(crate) async fn brief(
        special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
    ) -> Self {
        Self::new(brief, special).await
    }

    /// Runs a task to its end, within a bound.
    pub(crate) async fn run(&self) -> (Exit, Captured) {
        let (io, captured) = TaskIo::captured();
        let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
        let run = tokio::time::timeout(Duration::from_secs(30), self.driver.run_task(task));
        (run.await.expect("no task hangs").unwrap(), captured)
    }

    /// A container that is made and not started.
    pub(crate) async fn prepared(&self) -> Arc<dyn Container> {
        self.driver.prepare(TaskSpec::builder("x").build().unwrap()).await.unwrap()
    }
}

/// The configuration of a driver on this engine, whose run directory is `run` in the folder. It does
/// not reap when it is opened.
pub(crate) fn config(engine: &ScriptedEngine, folder: &Path) -> DockerConfig {
    let mut config = DockerConfig::default();
    config.host = Some(engine.address());
    config.run_dir = Some(folder.join("run"));
    config.reap_on_open = false;
    config
}

/// Bounds that a test of an engine that fails can wait for.
pub(crate) fn brief(config: &mut DockerConfig) {
    config.timeouts.call = Duration::from_secs(2);
    config.timeouts.work = Duration::from_secs(2);
    config.timeouts.engine_gone = Duration::from_millis(700);
}
