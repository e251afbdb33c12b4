//! The driver as the conformance suite and the engine tests open it: each fixture is an
//! application of its own.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use longshore_conformance::{Fixture, Hosting, Scene};
use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    Driver as _, DriverExt as _, Error, ErrorKind, LogDriver, Result, State, TaskSpec,
};

use crate::engine;

/// How a process that is to be killed knows what it is for.
const VICTIM: &str = "LONGSHORE_TEST_VICTIM";
/// What it says when there is something to leave behind.
const READY: &str = "the victim is ready";

/// One application on the engine.
pub(crate) struct Docker {
    application: String,
    run_dir: tempfile::TempDir,
    volumes_before: Vec<String>,
}

/// What a victim is told.
#[derive(serde::Serialize, serde::Deserialize)]
struct Orders {
    application: String,
    run_dir: std::path::PathBuf,
    spec: TaskSpec,
    stage: String,
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

fn config(application: &str, run_dir: &std::path::Path) -> DockerConfig {
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
        let orders = Orders {
            application: self.application.clone(),
            run_dir: self.lease_folder(),
            spec,
            stage: format!("{stage:?}"),
        };
        let orders = serde_json::to_string(&orders).expect("orders are plain data");
        let left = tokio::task::spawn_blocking(move || murder(&orders)).await;
        left.expect("the murder does not panic")
            .map(|()| Hosting::Yes)
            .map_err(|error| Error::new(ErrorKind::Io, "orphan").message(error.to_string()))
    }
}

/// Starts this program again as a victim, waits until it has something to leave, and kills it.
fn murder(orders: &str) -> std::io::Result<()> {
    let mut victim = Command::new(std::env::current_exe()?)
        .args(["--exact", "a_victim_leaves_what_it_has", "--nocapture"])
        .env(VICTIM, orders)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = victim.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines();
    let ready = lines.any(|line| line.is_ok_and(|line| line.contains(READY)));
    victim.kill()?;
    victim.wait()?;
    if ready { Ok(()) } else { Err(std::io::Error::other("the victim failed")) }
}

/// What a victim does: it makes what it is told to leave behind, and waits to be killed. In an
/// ordinary run of the tests there is nothing to do.
pub(crate) async fn be_a_victim() {
    let Ok(orders) = std::env::var(VICTIM) else { return };
    let orders: Orders = serde_json::from_str(&orders).expect("orders");
    let driver = DockerDriver::open(config(&orders.application, &orders.run_dir)).await.unwrap();
    let container = driver.prepare(orders.spec).await.unwrap();
    let running =
        if orders.stage == "Created" { None } else { Some(container.start().await.unwrap()) };
    if orders.stage == "Frozen" {
        container.freeze().await.unwrap();
    }
    println!("{READY}");
    std::future::pending::<()>().await;
    drop(running);
    let _ = driver.ping().await;
}
