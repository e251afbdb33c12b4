//! Networks of a test's own on the engine, and tasks on them.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use longshore_docker::{DockerConfig, DockerDriver, Timeouts};
use longshore_driver_api::{
    Attachment, Captured, Container, DriverExt as _, Exit, Running, Task, TaskIo, TaskSpec,
    TaskSpecBuilder,
};
use longshore_testee::Resolved;
use longshore_tests::{Labels, Scene, Setup, config};
use tokio::time::{sleep, timeout};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What servers listen on, inside.
pub(crate) const PORT: u16 = 7000;

/// An application and its networks.
pub(crate) struct World {
    pub(crate) scene: Scene,
    /// The names of its networks.
    pub(crate) networks: Vec<String>,
}

/// Makes as many networks, and removes them whatever becomes of the test.
pub(crate) async fn with_networks(count: usize, test: impl AsyncFnOnce(&World)) {
    let scene = Scene::new(&Setup::from_env(), "networks");
    let networks = (0..count).map(|number| format!("{}-{number}", scene.application)).collect();
    let world = World { scene, networks };
    let engine = &world.scene.setup.engine;
    for name in &world.networks {
        engine.make_network(name, &Labels::new()).await.unwrap();
    }
    let done = AssertUnwindSafe(test(&world)).catch_unwind().await;
    let left = world.scene.clean().await;
    for path in engine.furniture(&world.scene.application).await.unwrap() {
        let (status, said) = engine.call("DELETE", &path, "").await.unwrap();
        assert!((200..300).contains(&status), "{path}: {status} {said}");
    }
    done.unwrap_or_else(|panic| resume_unwind(panic));
    assert_eq!(left, [""; 0]);
    assert!(world.scene.leases().is_empty());
}

impl World {
    /// A driver of the application.
    pub(crate) async fn driver(&self, change: impl FnOnce(&mut DockerConfig)) -> DockerDriver {
        let address = self.scene.setup.engine.address();
        let mut config = config(&address, &self.scene.application, &self.scene.run_dir());
        // Not how soon a busy engine answers is under test.
        config.timeouts = Timeouts::default();
        change(&mut config);
        DockerDriver::open(config).await.expect("the engine is there")
    }

    /// A task of the testee on a network.
    pub(crate) fn task(&self, network: &str, args: &[&str]) -> TaskSpecBuilder {
        self.scene.setup.task(args.iter().copied()).network(network.into())
    }

    /// A task that answers twice at [`PORT`].
    pub(crate) fn answering(&self, network: &str) -> TaskSpecBuilder {
        self.task(network, &["listen-tcp", &PORT.to_string(), "--times", "2"])
    }

    /// Waits until a server listens, on all of the networks.
    pub(crate) async fn server(&self, driver: &DockerDriver, spec: TaskSpecBuilder) -> Server {
        let (io, output) = TaskIo::captured();
        let task = Task::new(spec.build().unwrap()).io(io);
        let container = driver.prepare(task).await.unwrap();
        let running = container.start().await.unwrap();
        let listens = async {
            while !output.stdout().ends_with(b"\n") {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, listens).await.unwrap_or_else(|_| panic!("it listens: {output:?}"));
        Server { container, running }
    }

    /// The names of the networks that the engine has put a container on.
    pub(crate) async fn networks_of(&self, container: &dyn Container) -> Vec<String> {
        let id = container.engine_id().expect("it is created");
        let about = self.scene.setup.engine.inspect(&id).await.unwrap().expect("it is there");
        let networks = about["NetworkSettings"]["Networks"].as_object().cloned();
        networks.unwrap_or_default().into_iter().map(|(name, _)| name).collect()
    }
}

/// A task that listens.
pub(crate) struct Server {
    pub(crate) container: Arc<dyn Container>,
    pub(crate) running: Arc<dyn Running>,
}

impl Server {
    /// Its only address on a network.
    pub(crate) async fn address_on(&self, network: &str) -> String {
        let info = self.running.network().await.unwrap();
        let is_on = |it: &&Attachment| it.network == network;
        let [address] = info.networks.iter().find(is_on).expect("it is on it").addresses[..] else {
            panic!("one address: {info:?}")
        };
        address.to_string()
    }

    /// Waits for its end, which comes when it was asked as often as it wanted.
    pub(crate) async fn end(self) {
        let exit = timeout(PATIENCE, self.running.wait()).await.expect("it ends");
        assert!(exit.is_success(), "{exit:?}");
        self.container.close().await.unwrap();
    }
}

/// Runs a task to its end, within a bound.
pub(crate) async fn run(driver: &DockerDriver, spec: TaskSpecBuilder) -> (Exit, Captured) {
    let (io, output) = TaskIo::captured();
    let spec: TaskSpec = spec.timeout(PATIENCE).build().unwrap();
    let exit = driver.run_task(Task::new(spec).io(io)).await.unwrap();
    (exit, output)
}

/// What a task that has to succeed wrote.
pub(crate) async fn said(driver: &DockerDriver, spec: TaskSpecBuilder) -> String {
    let (exit, output) = run(driver, spec).await;
    assert!(exit.is_success(), "{exit:?} {output:?}");
    String::from_utf8(output.stdout()).unwrap()
}

/// The addresses that a task finds by a name.
pub(crate) async fn resolved(driver: &DockerDriver, spec: TaskSpecBuilder) -> Vec<String> {
    let found: Resolved = serde_json::from_str(&said(driver, spec).await).unwrap();
    found.addresses
}
