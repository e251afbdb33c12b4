//! A driver with a defect, and its fixture.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use longshore_conformance::{Fixture, Hosting, Lend, Scene};
use longshore_driver_api::{
    Capabilities, Container, Driver, Error, ErrorKind, Handle, Lost, Missing, NamespaceSource,
    ReapOptions, ReapReport, Recovered, Result, State, Task, TaskIo, TaskSpec,
};
use longshore_mock::{MockDriver, Rule};

use crate::Defect;
use crate::container::BrokenContainer;
use crate::lease::BrokenSource;
use crate::streams::{TwiceClosed, broken_io};
use crate::support::fixture::InMemory;

/// The mock's fixture, whose drivers have a defect.
pub(crate) struct BrokenFixture {
    mock: InMemory,
    defect: Defect,
    known: Arc<Known>,
}

/// What the drivers of one fixture know together.
#[derive(Default)]
struct Known {
    containers: Mutex<Vec<Weak<dyn Container>>>,
    ids: Mutex<BTreeSet<String>>,
}

impl BrokenFixture {
    pub(crate) fn new(defect: Defect) -> Self {
        // Answers come late, so that there is something to be dropped in between.
        let late = Rule::any().delay(Duration::from_millis(3)).lose_reply();
        let mock = InMemory::new(|_| {}).rule(late);
        Self { mock, defect, known: Arc::default() }
    }

    /// The mock's driver with the defect.
    fn broken(&self, inner: Arc<MockDriver>) -> BrokenDriver {
        let mut capabilities = inner.capabilities().clone();
        match self.defect {
            Defect::AcceptsAnything => capabilities.tty = false,
            Defect::LeavesATask => {
                tokio::spawn(async {
                    loop {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                });
            }
            _ => {}
        }
        let (defect, known) = (self.defect, Arc::clone(&self.known));
        BrokenDriver { inner, defect, known, capabilities }
    }
}

#[async_trait]
impl Fixture for BrokenFixture {
    type Driver = BrokenDriver;

    async fn open(&self) -> Result<Arc<BrokenDriver>> {
        Ok(Arc::new(self.broken(self.mock.open().await?)))
    }

    fn scene(&self) -> Scene {
        self.mock.scene()
    }

    async fn leftovers(&self) -> Result<Vec<String>> {
        self.mock.leftovers().await
    }

    async fn orphan(&self, spec: TaskSpec, stage: State) -> Result<Hosting> {
        self.mock.orphan(spec, stage).await
    }

    async fn abandoned(&self, spec: TaskSpec, written: u64) -> Result<Option<Handle>> {
        self.mock.abandoned(spec, written).await
    }

    async fn open_borrowing(&self, lend: Lend<'_>) -> Result<Option<Arc<BrokenDriver>>> {
        let lend = |placeholders| -> Arc<dyn NamespaceSource> {
            Arc::new(BrokenSource { inner: lend(placeholders), defect: self.defect })
        };
        let opened = self.mock.open_borrowing(&lend).await?;
        Ok(opened.map(|inner| Arc::new(self.broken(inner))))
    }
}

/// The mock's driver with a defect.
pub(crate) struct BrokenDriver {
    inner: Arc<MockDriver>,
    defect: Defect,
    known: Arc<Known>,
    capabilities: Capabilities,
}

impl fmt::Debug for BrokenDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BrokenDriver").field(&self.defect).finish()
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is a defect nobody chose"
)]
impl Driver for BrokenDriver {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }

    fn container(&self, mut task: Task) -> Result<Arc<dyn Container>> {
        let id = task.spec.id.clone();
        if self.defect == Defect::WantsIdsOfItsOwn && !self.known.ids.lock().unwrap().insert(id) {
            return Err(Error::new(ErrorKind::Conflict, "container").message("the id is taken"));
        }
        broken_io(self.defect, &mut task.io);
        let hooks = Arc::clone(&task.hooks);
        match self.defect {
            Defect::IgnoresOutputLimits => task.spec.limits.output = None,
            Defect::IgnoresTimeouts => task.spec.timeout = None,
            Defect::TellsClosedTwice => {
                task = task.hooks(Arc::new(TwiceClosed(Arc::clone(&hooks))));
            }
            _ => {}
        }
        let inner = self.inner.container(task)?;
        self.known.containers.lock().unwrap().push(Arc::downgrade(&inner));
        Ok(Arc::new(BrokenContainer::new(inner, self.defect, hooks)))
    }

    async fn recover(&self, handle: &Handle, io: TaskIo) -> Result<Recovered> {
        let mut recovered = self.inner.recover(handle, io).await?;
        if self.defect == Defect::KeepsQuietAboutLosses {
            recovered.lost = Lost::new(Missing::Nothing, Missing::Nothing);
        }
        Ok(recovered)
    }

    async fn reap(&self, options: ReapOptions) -> Result<ReapReport> {
        if self.defect == Defect::ReapsTheLiving {
            let all = self.known.containers.lock().unwrap().clone();
            for container in all.iter().filter_map(Weak::upgrade) {
                container.close().await?;
            }
            let mut report = ReapReport::default();
            report.kept = all.len();
            return Ok(report);
        }
        self.inner.reap(options).await
    }

    async fn close(&self) -> Result<()> {
        if self.defect == Defect::LeavesWhatIsOpen {
            return Ok(());
        }
        self.inner.close().await
    }
}
