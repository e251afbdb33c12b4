//! What a backend has to provide to be tested.

use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    ByteSize, Driver, DriverExt as _, Handle, LogDriver, NamespaceSource, Placeholders, Result,
    State, TaskSpec,
};

use crate::Act;
use crate::trial::Trial;
use crate::verdict::Outcome;

/// One application on one engine, with all that the suite needs of it.
///
/// Each case makes a fixture of its own, so each should be an application of its own (its own value
/// of the application label): then cases can run at the same time on one engine.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// The driver that is tested.
    type Driver: Driver;

    /// Opens one more driver of the fixture's application, as an owner of its own.
    ///
    /// It is called in any tokio runtime, and must not tie the fixture to it.
    async fn open(&self) -> Result<Arc<Self::Driver>>;

    /// The names of what the cases use.
    fn scene(&self) -> Scene;

    /// Everything on the engine that belongs to the fixture's application: containers, networks,
    /// volumes (anonymous ones of its containers included), each in a few words that name it.
    ///
    /// It asks the engine itself, never the driver under test.
    async fn leftovers(&self) -> Result<Vec<String>>;

    /// Whether the backend can host a case. `module::case` is the case's name.
    ///
    /// A missing capability is no reason to skip: the case asserts the refusal then.
    fn hosts(&self, _case: &str) -> Hosting {
        Hosting::Yes
    }

    /// Leaves a container at `stage` (created, running or frozen) that belongs to an owner of the
    /// fixture's application who died as by `kill -9`: nothing was closed, its lease is free.
    async fn orphan(&self, _spec: TaskSpec, _stage: State) -> Result<Hosting> {
        Ok(Hosting::No("the fixture cannot make an owner die".to_owned()))
    }

    /// Leaves a running task of an owner who died as for [`orphan`](Self::orphan), after it was
    /// attached to all output, so many bytes of stdout had come to it, and it had taken the task's
    /// handle, which this gives. `None`: the fixture cannot do that.
    async fn abandoned(&self, _spec: TaskSpec, _written: u64) -> Result<Option<Handle>> {
        Ok(None)
    }

    /// Opens a driver as [`open`](Self::open) does, of an application of the same name, which
    /// borrows from what `lend` makes of the backend's placeholders. `None`: the backend has none.
    async fn open_borrowing(&self, _lend: Lend<'_>) -> Result<Option<Arc<Self::Driver>>> {
        Ok(None)
    }
}

/// Makes a source of namespaces of a backend's placeholders.
pub type Lend<'a> = &'a (dyn Fn(Arc<dyn Placeholders>) -> Arc<dyn NamespaceSource> + Send + Sync);

/// Whether something can be tested on a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosting {
    /// It can, or it is done.
    Yes,
    /// It cannot, for this reason. The case is then reported as skipped, never as passed.
    No(String),
}

/// The names of what the cases use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scene {
    /// An image that is on the engine, whose entry point is the testee, with a file
    /// [`NOT_EXECUTABLE`](crate::NOT_EXECUTABLE) that cannot be executed.
    pub testee: String,
    /// The path of the testee in that image, by which further processes are started.
    pub program: String,
    /// A valid reference to an image that is neither on the engine nor in any registry. Asking its
    /// registry should fail at once.
    pub missing: String,
    /// The name of a network that does not exist.
    pub missing_network: String,
    /// An image like the first one that also declares a volume.
    pub with_volume: Option<String>,
    /// An image that is in a registry, and may be pulled any number of times.
    pub pullable: Option<String>,
    /// An image that is on the engine and that the driver's configuration refuses.
    pub rejected: Option<String>,
    /// A log driver of the engine that cannot start.
    pub broken_log: Option<LogDriver>,
    /// A log driver that keeps every byte of some tens of thousands.
    pub keeping_log: LogDriver,
}

impl Scene {
    /// A scene with this testee image. What is missing has a name that no registry knows, on a
    /// port of this host where nobody listens.
    pub fn new(testee: impl Into<String>) -> Self {
        Self {
            testee: testee.into(),
            program: "/testee".to_owned(),
            missing: "127.0.0.1:9/longshore/no-such-image:1".to_owned(),
            missing_network: "longshore-no-such-network".to_owned(),
            with_volume: None,
            pullable: None,
            rejected: None,
            broken_log: None,
            keeping_log: LogDriver::local(ByteSize::mib(1), 2),
        }
    }

    /// Sets the path of the testee in its image, `/testee` at first.
    #[must_use]
    pub fn program(mut self, path: impl Into<String>) -> Self {
        self.program = path.into();
        self
    }

    /// Sets the image that declares a volume.
    #[must_use]
    pub fn with_volume(mut self, image: impl Into<String>) -> Self {
        self.with_volume = Some(image.into());
        self
    }

    /// Sets the image that can be pulled.
    #[must_use]
    pub fn pullable(mut self, image: impl Into<String>) -> Self {
        self.pullable = Some(image.into());
        self
    }

    /// Sets the image that the configuration refuses.
    #[must_use]
    pub fn rejected(mut self, image: impl Into<String>) -> Self {
        self.rejected = Some(image.into());
        self
    }

    /// Sets the log driver that cannot start.
    #[must_use]
    pub fn broken_log(mut self, log: LogDriver) -> Self {
        self.broken_log = Some(log);
        self
    }

    /// Sets the log driver that keeps every byte, [`LogDriver::local`] at first.
    #[must_use]
    pub fn keeping_log(mut self, log: LogDriver) -> Self {
        self.keeping_log = log;
        self
    }
}

/// A fixture whose driver's type is forgotten: what cases see.
#[async_trait]
pub(crate) trait AnyFixture: Send + Sync {
    async fn open(&self) -> Result<Arc<dyn Driver>>;
    fn scene(&self) -> Scene;
    async fn leftovers(&self) -> Result<Vec<String>>;
    async fn orphan(&self, spec: TaskSpec, stage: State) -> Result<Hosting>;
    async fn abandoned(&self, spec: TaskSpec, written: u64) -> Result<Option<Handle>>;
    async fn open_borrowing(&self, lend: Lend<'_>) -> Result<Option<Arc<dyn Driver>>>;
    async fn on_its_own_type(&self, trial: Trial) -> Outcome;
}

#[async_trait]
impl<F: Fixture> AnyFixture for F {
    async fn open(&self) -> Result<Arc<dyn Driver>> {
        Ok(Fixture::open(self).await?)
    }

    fn scene(&self) -> Scene {
        Fixture::scene(self)
    }

    async fn leftovers(&self) -> Result<Vec<String>> {
        Fixture::leftovers(self).await
    }

    async fn orphan(&self, spec: TaskSpec, stage: State) -> Result<Hosting> {
        Fixture::orphan(self, spec, stage).await
    }

    async fn abandoned(&self, spec: TaskSpec, written: u64) -> Result<Option<Handle>> {
        Fixture::abandoned(self, spec, written).await
    }

    async fn open_borrowing(&self, lend: Lend<'_>) -> Result<Option<Arc<dyn Driver>>> {
        let opened = Fixture::open_borrowing(self, lend).await?;
        Ok(opened.map(|driver| driver as Arc<dyn Driver>))
    }

    async fn on_its_own_type(&self, t: Trial) -> Outcome {
        let driver = t.ok("open the driver", Fixture::open(self)).await?;
        let container = t.ok("prepare", driver.prepare(t.task(&Act::Exit(0)))).await?;
        assert_eq!(container.state(), State::Created);
        t.ok("close", container.close()).await?;
        let (io, captured) = t.captured();
        let task = t.task(&Act::write(100, t.seed())).io(io);
        let exit = t.ok("run a task", driver.run_task(task)).await?;
        assert!(exit.is_success() && captured.stdout().len() == 100, "{exit:?}");
        t.ok("close the driver", driver.close()).await
    }
}
