//! A driver, an engine, and a registry behind the proxy with an image that nobody else has.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    Container, Driver, Error, PullPolicy, PullProgress, Result, Task, TaskHooks, TaskSpec,
};
use longshore_tests::{
    Asked, Engine, Pushed, RegistryFault, RegistryProxy, Setup, application, config, push,
};
use tokio::sync::Notify;

/// Bytes of the image's layer.
pub(crate) const LAYER: usize = 1 << 20;
/// Whatever hangs has hung by then.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// A driver whose engine pulls through the proxy.
pub(crate) struct Stage {
    pub(crate) driver: DockerDriver,
    pub(crate) engine: Engine,
    pub(crate) proxy: RegistryProxy,
    pub(crate) pushed: Pushed,
    _run_dir: tempfile::TempDir,
}

/// Remembers what it was told, and says that it was.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    told: Mutex<Vec<PullProgress>>,
    pub(crate) word: Notify,
}

impl Hooks {
    pub(crate) fn told(&self) -> Vec<PullProgress> {
        self.told.lock().unwrap().clone()
    }
}

impl TaskHooks for Hooks {
    fn pull_progress(&self, progress: &PullProgress) {
        self.told.lock().unwrap().push(progress.clone());
        self.word.notify_one();
    }
}

impl Stage {
    pub(crate) async fn new(change: impl FnOnce(&mut DockerConfig)) -> Self {
        let setup = Setup::from_env();
        let registry = variable("LONGSHORE_TEST_REGISTRY");
        let pushed = push(&registry, LAYER).await.unwrap();
        let proxy = RegistryProxy::start(&registry).await.unwrap();
        let run_dir = tempfile::tempdir().unwrap();
        let folder = run_dir.path().join("run");
        let mut config = config(&setup.engine.address(), &application("registry"), &folder);
        // The engine is busy with the other tests.
        config.timeouts.call = Duration::from_secs(30);
        change(&mut config);
        let driver = DockerDriver::open(config).await.unwrap();
        Self { driver, engine: setup.engine, proxy, pushed, _run_dir: run_dir }
    }

    /// The image's name by which the engine asks the proxy for it.
    pub(crate) fn image(&self) -> String {
        format!("{}/{}", self.proxy.address(), self.pushed.name)
    }

    pub(crate) fn container(&self, image: &str) -> (Arc<dyn Container>, Arc<Hooks>) {
        self.container_on(image, None)
    }

    fn container_on(
        &self,
        image: &str,
        platform: Option<&str>,
    ) -> (Arc<dyn Container>, Arc<Hooks>) {
        let mut spec = TaskSpec::builder(image).pull(PullPolicy::Always);
        if let Some(platform) = platform {
            spec = spec.platform(platform);
        }
        let hooks = Arc::new(Hooks::default());
        let task = Task::new(spec.build().unwrap()).hooks(Arc::clone(&hooks) as _);
        (self.driver.container(task).unwrap(), hooks)
    }

    async fn pull(&self, image: &str, platform: Option<&str>) -> (Result<()>, Arc<Hooks>) {
        let (container, hooks) = self.container_on(image, platform);
        let pulled = tokio::time::timeout(LONG, container.pull_image()).await;
        (pulled.expect("no pull hangs"), hooks)
    }

    /// Whether the engine is a Podman.
    pub(crate) fn is_podman(&self) -> bool {
        self.driver.capabilities().engine == "podman"
    }

    /// Pulls, which has to succeed.
    pub(crate) async fn pulls(&self, image: &str) {
        let (pulled, hooks) = self.pull(image, None).await;
        pulled.unwrap();
        assert!(!hooks.told().is_empty(), "a pull that succeeds is told of");
    }

    /// Pulls, which has to fail.
    pub(crate) async fn fails(&self, image: &str) -> (Error, Vec<PullProgress>) {
        self.fails_on(image, None).await
    }

    /// Pulls for a platform, which has to fail.
    pub(crate) async fn fails_on(
        &self,
        image: &str,
        platform: Option<&str>,
    ) -> (Error, Vec<PullProgress>) {
        let (pulled, hooks) = self.pull(image, platform).await;
        let error = pulled.expect_err("the pull fails");
        (error, hooks.told())
    }

    /// How often an engine asks for a manifest in one attempt before it believes that status.
    pub(crate) async fn asks_of_one_attempt(&self, status: u16) -> usize {
        let once = Box::pin(Self::new(|config| config.pull_attempts = 1)).await;
        once.proxy.fault(Asked::Manifest, 999, RegistryFault::Status(status, "retry-after: 0s"));
        once.fails(&once.image()).await;
        let count = once.proxy.count(Asked::Manifest);
        once.end().await;
        count
    }

    /// Leaves nothing behind.
    pub(crate) async fn end(self) {
        tokio::time::timeout(LONG, self.driver.close()).await.expect("no closing hangs").unwrap();
        self.engine.remove_image(&self.image()).await.unwrap();
    }
}

/// What `cargo xtask test` has set.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run this by `cargo xtask test`"))
}
