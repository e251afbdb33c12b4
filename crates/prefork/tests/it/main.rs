//! The pool with an engine in memory, on paused time.

mod churn;
mod empty;
mod end;
mod faults;
mod reuse;
mod speed;

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Driver, NamespaceLease, NamespaceRequest, NamespaceSource, NetworkMode, Result, TaskSpec,
    TaskSpecBuilder, WhenEmpty,
};
use longshore_mock::{Config, Engine, Image, MockDriver, Program};
use longshore_prefork::{Pool, PoolOptions, Usage};

/// An engine, a pool on it, and a driver that borrows from the pool.
struct World {
    engine: Engine,
    pool: Arc<Pool>,
    driver: MockDriver,
}

impl World {
    fn new(options: PoolOptions) -> Self {
        Self::on(Engine::new(), options)
    }

    fn on(engine: Engine, options: PoolOptions) -> Self {
        let placeholders = engine.placeholders(Config::new().owner("pool"));
        let pool = Arc::new(Pool::open(options, Arc::new(placeholders)).unwrap());
        let driver = engine.driver(Config::new().owner("tasks").namespaces(pool.clone()));
        Self { engine, pool, driver }
    }

    /// A pool all of whose slots are free.
    async fn filled(options: PoolOptions) -> Self {
        let size = options.size;
        let world = Self::new(options);
        world.until(|usage| usage.free == size).await;
        world
    }

    /// Waits, at most ten minutes of its time, until the pool is so.
    async fn until(&self, mut is: impl FnMut(&Usage) -> bool) {
        for _ in 0..600_000 {
            if is(&self.pool.usage()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it never came to that: {:?}", self.pool.usage());
    }

    async fn lease(&self) -> Box<dyn NamespaceLease> {
        self.ask(WhenEmpty::Wait(Duration::from_secs(60))).await.unwrap().unwrap()
    }

    async fn ask(&self, when_empty: WhenEmpty) -> Result<Option<Box<dyn NamespaceLease>>> {
        let mut request = NamespaceRequest::default();
        request.when_empty = Some(when_empty);
        self.pool.lease(request).await
    }

    /// The placeholders that there are, by their engine's ids.
    fn holders(&self) -> Vec<String> {
        let mut holders: Vec<String> =
            self.pool.slots().into_iter().filter_map(|slot| slot.holder).collect();
        holders.sort();
        holders
    }

    /// Closes the driver, and the pool with it; nothing is left then.
    async fn close(self) {
        self.driver.close().await.unwrap();
        assert_eq!(self.engine.counts().total(), 0, "{:?}", self.engine.containers());
        assert_eq!(self.pool.usage().size(), 0);
    }
}

/// A task that borrows a network.
fn borrower() -> TaskSpecBuilder {
    TaskSpec::builder("acme/tool:1").network(NetworkMode::Prefork)
}

/// An engine on which borrowers run until they are ended.
fn engine_of_long_tasks() -> Engine {
    let engine = Engine::new();
    engine.add_image("acme/tool:1", Image::new(Program::steps().forever())).unwrap();
    engine
}
