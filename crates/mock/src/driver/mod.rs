//! The mock's driver.

mod flight;
mod inner;
mod reaper;
mod recover;

pub(crate) use flight::Key;
pub(crate) use inner::Inner;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use longshore_driver_api::{
    Capabilities, Container, Driver, Error, ErrorKind, Handle as TaskHandle, ImageRef, ReapOptions,
    ReapReport, Recovered, Result, Task, TaskIo,
};
use tokio::runtime::Handle;

use crate::container::{Core, MockContainer};
use crate::engine::Shared;
use crate::{Config, Op, refuse};

/// A driver on an [`Engine`](crate::Engine) in memory.
///
/// Dropping it leaves containers that have handles alone; they keep it alive behind the scenes.
#[derive(Debug)]
pub struct MockDriver {
    inner: Arc<Inner>,
    reserved: AtomicU64,
}

impl MockDriver {
    pub(crate) fn new(engine: Arc<Shared>, config: Config) -> Self {
        let inner = Arc::new(Inner::new(engine, config));
        inner.engine.state().owners.open(&inner);
        Self { inner, reserved: AtomicU64::new(0) }
    }

    /// The owner that its containers belong to.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.inner.owner()
    }

    fn reserve(&self, task: Task) -> Result<Arc<dyn Container>> {
        let inner = &self.inner;
        self.check_open(Op::Reserve)?;
        task.spec.validate()?;
        refuse::check(&task, &inner.config.capabilities)?;
        let image: ImageRef = task.spec.image.parse().map_err(|error| {
            let text = format!("image {:?}: {error}", task.spec.image);
            Error::new(ErrorKind::InvalidInput, Op::Reserve.name()).message(text)
        })?;
        let handle = Handle::try_current().map_err(|_| {
            Error::new(ErrorKind::InvalidState, Op::Reserve.name())
                .message("there is no tokio runtime here: call it inside of one")
        })?;
        let network = inner.config.networks.choose_for(&task.spec.network)?;
        let number = self.next_number();
        let core = Arc::new(Core::new(Arc::clone(inner), number, task, image, handle, network));
        self.enter(&core, Op::Reserve)?;
        Ok(Arc::new(MockContainer::new(core)))
    }

    /// Counts a container in, unless the driver is closed.
    fn enter(&self, core: &Arc<Core>, op: Op) -> Result<()> {
        let mut cores = self.inner.cores.lock();
        // Asked again under the lock under which closing takes the list.
        self.check_open(op)?;
        cores.insert(core.number(), Arc::downgrade(core));
        Ok(())
    }

    fn next_number(&self) -> u64 {
        self.reserved.fetch_add(1, Ordering::Relaxed)
    }

    fn check_open(&self, op: Op) -> Result<()> {
        self.inner.check_alive(op)?;
        if self.inner.is_closed() {
            return Err(Error::new(ErrorKind::Closed, op.name()).message("the driver is closed"));
        }
        Ok(())
    }
}

#[async_trait]
impl Driver for MockDriver {
    fn name(&self) -> &str {
        "mock"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.inner.config.capabilities
    }

    async fn ping(&self) -> Result<()> {
        self.check_open(Op::Ping)?;
        self.inner.ask(Op::Ping, None, || Ok(())).await
    }

    fn container(&self, task: Task) -> Result<Arc<dyn Container>> {
        let inner = &self.inner;
        let entry = inner.engine.log.begin(Op::Reserve, inner.owner(), Some(&task.spec.id));
        let reserved = self.reserve(task);
        entry.end(&reserved);
        reserved
    }

    async fn recover(&self, handle: &TaskHandle, io: TaskIo) -> Result<Recovered> {
        self.check_open(Op::Recover)?;
        self.recovered(handle, io).await
    }

    async fn reap(&self, options: ReapOptions) -> Result<ReapReport> {
        self.check_open(Op::Reap)?;
        self.inner.reap(options).await
    }

    async fn close(&self) -> Result<()> {
        let inner = &self.inner;
        let entry = inner.engine.log.begin(Op::CloseDriver, inner.owner(), None);
        let result = inner.close().await;
        entry.end(&result);
        result
    }
}
