//! The driver as the conformance suite and the engine tests open it: each fixture is an
//! application of its own.

use std::sync::Arc;

use async_trait::async_trait;
use longshore_conformance::{Fixture, Hosting, Orphan, Scene};
use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{Error, ErrorKind, LogDriver, Result, State, TaskSpec};

use crate::engine;

/// The application of a process that is to be killed.
pub(crate) const APPLICATION: &str = "LONGSHORE_TEST_APPLICATION";
/// Where its lease is.
pub(crate) const RUN_DIR: &str = "LONGSHORE_TEST_RUN_DIR";

/// One application on the engine.
pub(crate) struct Docker {
    application: String,
    run_dir: tempfile::TempDir,
    volumes_before: Vec<String>,
}

impl Docker {
    /// An application that nobody else has.
    pub(crate) fn new() -> Self {
        let run_dir = tempfile::tempdir().expect("a temporary folder");
        let random = run_dir.path().file_name().expect("a name").to_string_lossy().into_owned();
        Self {
            application: format!("test-{}", random.trim_start_matches('.')),
            run_dir,
            volumes_before: engine::loose_volumes().expect("the engine answers"),
        }
    }

    /// The driver makes it, for nobody else to read.
    fn lease_folder(&self) -> std::path::PathBuf {
        self.run_dir.path().join("run")
    }

    /// How its drivers are opened.
    pub(crate) fn config(&self) -> DockerConfig {
        config(&self.application, &self.lease_folder())
    }
}

/// How a driver of an application is opened.
pub(crate) fn config(application: &str, run_dir: &std::path::Path) -> DockerConfig {
    let mut config = DockerConfig::default();
    config.host = Some(engine::host());
    config.application = application.to_owned();
    config.run_dir = Some(run_dir.to_owned());
    // The tests ask for it where they want it.
    config.reap_on_open = false;
    config
}

#[async_trait]
impl Fixture for Docker {
    type Driver = DockerDriver;

    async fn open(&self) -> Result<Arc<DockerDriver>> {
        DockerDriver::open(self.config()).await.map(Arc::new)
    }

    fn scene(&self) -> Scene {
        let mut scene =
            Scene::new(engine::image()).broken_log(LogDriver::syslog("tcp://127.0.0.1:9", []));
        if let Ok(image) = std::env::var("LONGSHORE_TEST_VOLUME_IMAGE") {
            scene = scene.with_volume(image);
        }
        scene
    }

    async fn leftovers(&self) -> Result<Vec<String>> {
        let (application, before) = (self.application.clone(), self.volumes_before.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let mut left: Vec<String> = engine::containers(&application)?
                .into_iter()
                .map(|(id, state)| format!("container {id} ({state})"))
                .collect();
            let volumes = engine::loose_volumes()?;
            let new = volumes.into_iter().filter(|name| !before.contains(name));
            left.extend(new.map(|name| format!("volume {name}")));
            Ok::<_, std::io::Error>(left)
        });
        let io = |error: std::io::Error| {
            Error::new(ErrorKind::Io, "leftovers").message(error.to_string())
        };
        asked.await.map_err(|error| io(error.into()))?.map_err(io)
    }

    async fn orphan(&self, spec: TaskSpec, stage: State) -> Result<Hosting> {
        let run_dir = self.lease_folder();
        let variables = [
            (APPLICATION, self.application.as_str()),
            (RUN_DIR, run_dir.to_str().expect("a plain path")),
        ];
        Orphan::new(spec, stage).leave("an_owner_that_is_killed", &variables).await?;
        Ok(Hosting::Yes)
    }
}
