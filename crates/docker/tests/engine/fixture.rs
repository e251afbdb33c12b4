//! The driver as the conformance suite and the engine tests open it: each fixture is an
//! application of its own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use longshore_conformance::{Fixture, Hosting, Lend, Orphan, Scene};
use longshore_docker::{DockerConfig, DockerDriver, DockerPlaceholders, ImageVolumes};
use longshore_driver_api::{
    ByteSize, Error, ErrorKind, Handle, LogDriver, Result, State, TaskSpec,
};

use crate::engine;

/// The application of a process that is to be killed.
pub(crate) const APPLICATION: &str = "LONGSHORE_TEST_APPLICATION";
/// The image with volumes that the driver is told to refuse.
const REFUSED: &str = "LONGSHORE_TEST_REFUSED_IMAGE";
/// Where its lease is.
pub(crate) const RUN_DIR: &str = "LONGSHORE_TEST_RUN_DIR";

/// One application on the engine.
pub(crate) struct Docker {
    application: String,
    run_dir: tempfile::TempDir,
    volumes_before: Vec<String>,
    /// Whether its drivers refuse images with volumes.
    refuses: AtomicBool,
}

impl Docker {
    /// An application that nobody else has.
    pub(crate) fn new() -> Self {
        let run_dir = tempfile::tempdir().expect("a temporary folder");
        ALIVE.fetch_add(1, Ordering::SeqCst);
        let random = run_dir.path().file_name().expect("a name").to_string_lossy().into_owned();
        Self {
            application: format!("test-{}", random.trim_start_matches('.')),
            run_dir,
            volumes_before: engine::loose_volumes().expect("the engine answers"),
            refuses: AtomicBool::new(false),
        }
    }

    /// The driver makes it, for nobody else to read.
    fn lease_folder(&self) -> std::path::PathBuf {
        self.run_dir.path().join("run")
    }

    /// Leaves an orphan, and gives its handle if it was asked for one.
    async fn leave(&self, orphan: Orphan) -> Result<Option<Handle>> {
        let run_dir = self.lease_folder();
        let variables = [
            (APPLICATION, self.application.as_str()),
            (RUN_DIR, run_dir.to_str().expect("a plain path")),
        ];
        orphan.leave("an_owner_that_is_killed", &variables).await
    }

    /// How its drivers are opened.
    pub(crate) fn config(&self) -> DockerConfig {
        config(&self.application, &self.lease_folder())
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // No case that may have pulled it goes on.
        if ALIVE.fetch_sub(1, Ordering::SeqCst) == 1
            && let Some(image) = pullable()
        {
            // It may not be there.
            let _ = engine::call("DELETE", &format!("/images/{image}?noprune=1"));
        }
    }
}

/// How many fixtures there are.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// The testee in a registry, where there is one.
fn pullable() -> Option<String> {
    let registry = std::env::var("LONGSHORE_TEST_REGISTRY").ok()?;
    Some(format!("{registry}/longshore/testee:latest"))
}

/// The engine's log driver that keeps every byte.
fn keeping_log() -> LogDriver {
    static LOG: OnceLock<LogDriver> = OnceLock::new();
    let look = || match engine::has_log("local") {
        true => LogDriver::local(ByteSize::mib(1), 2),
        false => LogDriver::named("k8s-file").option("max-size", "1p"),
    };
    LOG.get_or_init(look).clone()
}

/// How a driver of an application is opened.
pub(crate) fn config(application: &str, run_dir: &std::path::Path) -> DockerConfig {
    let mut config = DockerConfig::default();
    config.host = Some(engine::host());
    config.application = application.to_owned();
    config.run_dir = Some(run_dir.to_owned());
    // The tests ask for it where they want it.
    config.reap_on_open = false;
    if std::env::var_os("LONGSHORE_SOAK").is_some_and(|soak| soak == "1") {
        // With a hundred tasks at once an engine may be slow and not dead. The cases have their bounds.
        config.timeouts.call = Duration::from_secs(150);
    }
    config
}

#[async_trait]
impl Fixture for Docker {
    type Driver = DockerDriver;

    async fn open(&self) -> Result<Arc<DockerDriver>> {
        let mut config = self.config();
        if self.refuses.load(Ordering::SeqCst) {
            // All but one of the images with volumes.
            let allowed = std::env::var("LONGSHORE_TEST_VOLUME_IMAGE").into_iter().collect();
            config.image_volumes = ImageVolumes::Only(allowed);
        }
        DockerDriver::open(config).await.map(Arc::new)
    }

    fn scene(&self) -> Scene {
        let mut scene = Scene::new(engine::image())
            .broken_log(LogDriver::syslog("tcp://127.0.0.1:9", []))
            .keeping_log(keeping_log());
        if let Some(image) = pullable() {
            scene = scene.pullable(image);
        }
        if let Ok(image) = std::env::var("LONGSHORE_TEST_VOLUME_IMAGE") {
            scene = scene.with_volume(image);
        }
        if let Ok(image) = std::env::var(REFUSED) {
            scene = scene.rejected(image);
        }
        scene
    }

    fn hosts(&self, case: &str) -> Hosting {
        // The rest is tested as it is without a configuration.
        self.refuses.store(case.starts_with("images::"), Ordering::SeqCst);
        Hosting::Yes
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
        self.leave(Orphan::new(spec, stage)).await?;
        Ok(Hosting::Yes)
    }

    async fn abandoned(&self, spec: TaskSpec, written: u64) -> Result<Option<Handle>> {
        self.leave(Orphan::new(spec, State::Running).with_handle(written)).await
    }

    async fn open_borrowing(&self, lend: Lend<'_>) -> Result<Option<Arc<DockerDriver>>> {
        let mut config = self.config();
        match DockerPlaceholders::open(config.clone()).await {
            Ok(placeholders) => config.namespaces = Some(lend(Arc::new(placeholders))),
            // Then nothing can be borrowed, and that is to be refused.
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
        DockerDriver::open(config).await.map(|driver| Some(Arc::new(driver)))
    }
}
