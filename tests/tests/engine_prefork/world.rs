//! A pool of placeholders on the engine, and a driver that borrows from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_docker::{DockerConfig, DockerDriver, DockerPlaceholders, Timeouts};
use longshore_driver_api::{
    Driver as _, DriverExt as _, Exit, NetworkMode, Result, Task, TaskIo, TaskSpecBuilder,
};
use longshore_prefork::{Pool, PoolOptions, Usage};
use longshore_tests::{Setup, application};
use serde_json::Value;

/// Whatever happens has happened by then.
const LONG: Duration = Duration::from_secs(60);

/// An application that nobody else has.
pub(crate) struct Place {
    pub(crate) application: String,
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { application: application("prefork"), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) fn config(&self) -> DockerConfig {
        config(&self.application, &self.run_dir())
    }

    /// Its containers on the engine.
    pub(crate) async fn left(&self) -> Vec<String> {
        Setup::from_env().engine.containers(&self.application).await.unwrap()
    }
}

/// How a driver of an application is opened, with bounds that a busy machine keeps.
pub(crate) fn config(application: &str, run_dir: &Path) -> DockerConfig {
    let address = Setup::from_env().engine.address();
    let mut config = longshore_tests::config(&address, application, run_dir);
    config.timeouts = Timeouts::default();
    config
}

/// A pool, and a driver that is handed it.
pub(crate) async fn open(
    mut config: DockerConfig,
    options: PoolOptions,
) -> Result<(Arc<Pool>, DockerDriver)> {
    let placeholders = DockerPlaceholders::open(config.clone()).await?;
    let pool = Arc::new(Pool::open(options, Arc::new(placeholders))?);
    config.namespaces = Some(pool.clone());
    Ok((pool, DockerDriver::open(config).await?))
}

/// Waits until the pool is so, in words for one that never is.
pub(crate) async fn until(pool: &Pool, what: &str, is: impl Fn(&Usage) -> bool) {
    let begun = Instant::now();
    while !is(&pool.usage()) {
        assert!(begun.elapsed() < LONG, "waited in vain until {what}: {:?}", pool.usage());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) struct World {
    place: Place,
    pub(crate) pool: Arc<Pool>,
    pub(crate) driver: DockerDriver,
}

impl World {
    pub(crate) async fn new(options: PoolOptions) -> Self {
        let place = Place::new();
        let (pool, driver) = open(place.config(), options).await.unwrap();
        Self { place, pool, driver }
    }

    /// One of whose slots all are free.
    pub(crate) async fn filled(options: PoolOptions) -> Self {
        let size = options.size;
        let world = Self::new(options).await;
        world.until(|usage| usage.free == size).await;
        world
    }

    pub(crate) async fn until(&self, is: impl Fn(&Usage) -> bool) {
        until(&self.pool, "it is so", is).await;
    }

    /// The placeholders' ids, slot by slot.
    pub(crate) fn holders(&self) -> Vec<String> {
        self.pool.slots().into_iter().filter_map(|slot| slot.holder).collect()
    }

    /// Runs a task to its end; what it wrote.
    pub(crate) async fn run(&self, spec: TaskSpecBuilder) -> (Exit, String) {
        let (io, output) = TaskIo::captured();
        let exit = self.driver.run_task(Task::new(spec.build().unwrap()).io(io)).await.unwrap();
        (exit, String::from_utf8(output.stdout()).unwrap())
    }

    /// Closes the driver, and the pool with it; nothing is left then.
    pub(crate) async fn close(self) {
        self.driver.close().await.unwrap();
        assert_eq!(self.pool.usage().size(), 0);
        assert_eq!(self.place.left().await, [""; 0]);
    }
}

/// A task on a borrowed network.
pub(crate) fn borrower<'a>(args: impl IntoIterator<Item = &'a str>) -> TaskSpecBuilder {
    Setup::from_env().task(args).network(NetworkMode::Prefork)
}

/// A task that tells the hardware address of the network that it is on.
pub(crate) fn tells_its_address() -> TaskSpecBuilder {
    borrower(["read", "/sys/class/net/eth0/address"])
}

/// What the engine knows of a container.
pub(crate) async fn inspect(id: &str) -> Value {
    let (status, about) = call("GET", &format!("/containers/{id}/json"), "").await;
    assert_eq!(status, 200, "{about}");
    about
}

/// Waits until a placeholder's process waits to be asked to end: an engine says that it runs before
/// it has come so far, and whatever process 1 is asked before that is lost.
pub(crate) async fn until_it_waits(about: &Value) {
    let file = format!("/proc/{}/status", about["State"]["Pid"]);
    let begun = Instant::now();
    loop {
        let status = std::fs::read_to_string(&file).unwrap();
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        // It ignores its children's ends before it does anything else, and then sleeps nowhere but
        // in its wait. What it waits for is, for just so long, not shown as blocked.
        let ignored = u64::from_str_radix(field("SigIgn:"), 16).unwrap();
        if ignored & 1 << 16 != 0 && field("State:").starts_with('S') {
            return;
        }
        assert!(begun.elapsed() < LONG, "the placeholder never came to wait: {status}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) async fn kill(id: &str) {
    let (status, said) = call("POST", &format!("/containers/{id}/kill"), "").await;
    assert_eq!(status, 204, "{said}");
}

/// Asks the engine itself.
pub(crate) async fn call(method: &str, path: &str, body: &str) -> (u16, Value) {
    Setup::from_env().engine.call(method, path, body).await.unwrap()
}
