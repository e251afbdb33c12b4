//! The mock as the conformance suite needs it.

use std::sync::Arc;

use async_trait::async_trait;
use longshore_conformance::{Fixture, Hosting, Lend, Scene};
use longshore_driver_api::{
    Capabilities, Driver as _, DriverExt as _, Handle, LogDriver, PullPolicy, Result, State, Task,
    TaskIo, TaskSpec,
};
use longshore_mock::{Config, Engine, MockDriver, Rule};

use super::testee;

const TESTEE: &str = "longshore/testee";
const PULLABLE: &str = "longshore/pullable";
const VOLUME: &str = "longshore/with-volume";
const REJECTED: &str = "longshore/rejected";

/// An engine of its own for each case, and drivers that can do what `limit` leaves.
pub(crate) struct InMemory {
    engine: Engine,
    limit: fn(&mut Capabilities),
}

impl InMemory {
    pub(crate) fn new(limit: fn(&mut Capabilities)) -> Self {
        let engine = Engine::new();
        engine.unknown_images(None);
        for name in [TESTEE, REJECTED] {
            engine.add_image(name, testee::image().platform("linux/amd64")).unwrap();
        }
        engine.add_image(VOLUME, testee::image().volume("/data")).unwrap();
        engine.publish_image(PULLABLE, testee::image()).unwrap();
        engine.remove_log_driver("syslog");
        Self { engine, limit }
    }

    /// Adds a rule to the engine's.
    pub(crate) fn rule(self, rule: Rule) -> Self {
        self.engine.rule(rule);
        self
    }

    fn config(&self) -> Config {
        Config::new()
            .application("conformance")
            .capabilities(self.limit)
            .refuse_images(|image| image.path() == REJECTED)
    }
}

#[async_trait]
impl Fixture for InMemory {
    type Driver = MockDriver;

    async fn open(&self) -> Result<Arc<MockDriver>> {
        Ok(Arc::new(self.engine.driver(self.config())))
    }

    fn scene(&self) -> Scene {
        Scene::new(TESTEE)
            .with_volume(VOLUME)
            .pullable(PULLABLE)
            .rejected(REJECTED)
            .broken_log(LogDriver::named("syslog"))
    }

    async fn leftovers(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for container in self.engine.containers() {
            left.push(format!("{:?} container {}", container.state, container.id));
        }
        for volume in self.engine.volumes() {
            left.push(format!("volume {volume}"));
        }
        Ok(left)
    }

    async fn orphan(&self, mut spec: TaskSpec, stage: State) -> Result<Hosting> {
        spec.pull = PullPolicy::Never;
        let driver = self.engine.driver(self.config());
        let container = driver.prepare(spec).await?;
        if stage != State::Created {
            // Not dropped before the death of its owner: that would remove it.
            let running = container.start().await?;
            if stage == State::Frozen {
                container.freeze().await?;
            }
            self.engine.kill_owner(driver.owner());
            drop(running);
        }
        self.engine.kill_owner(driver.owner());
        assert!(driver.ping().await.is_err(), "a dead owner's driver answers");
        Ok(Hosting::Yes)
    }

    async fn abandoned(&self, mut spec: TaskSpec, written: u64) -> Result<Option<Handle>> {
        spec.pull = PullPolicy::Never;
        let driver = self.engine.driver(self.config());
        let (io, captured) = TaskIo::captured();
        let container = driver.prepare(Task::new(spec).io(io)).await?;
        let running = container.start().await?;
        while (captured.stdout().len() as u64) < written {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let handle = running.handle()?;
        self.engine.kill_owner(driver.owner());
        Ok(Some(handle))
    }

    async fn open_borrowing(&self, lend: Lend<'_>) -> Result<Option<Arc<MockDriver>>> {
        // Placeholders are made whatever the driver under test can do.
        let makes = Config::new().application("conformance");
        let source = lend(Arc::new(self.engine.placeholders(makes)));
        let config = self.config().namespaces(source).capabilities(self.limit);
        Ok(Some(Arc::new(self.engine.driver(config))))
    }
}
