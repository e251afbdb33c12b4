//! What a case has at hand while it runs.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_driver_api::{
    Capabilities, Captured, Container, ContainerExt as _, Driver, DriverExt as _, Error, ErrorKind,
    Exit, PullPolicy, Result, Running, Task, TaskIo, TaskSpec, TaskSpecBuilder,
};
use tokio::time::timeout;

use crate::Act;
use crate::fixture::{AnyFixture, Lend, Scene};
use crate::run::Runtime;
use crate::verdict::{Outcome, Stop};

/// How long one step may take, far more than any engine needs.
const STEP: Duration = Duration::from_secs(60);

/// What a case has at hand: a driver of its fixture, and helpers that bound and name each step.
#[derive(Clone)]
pub(crate) struct Trial(Arc<Inner>);

struct Inner {
    name: &'static str,
    fixture: Arc<dyn AnyFixture>,
    driver: Arc<dyn Driver>,
    others: Mutex<Vec<Arc<dyn Driver>>>,
    runtime: Runtime,
    seed: u64,
    step: Arc<Step>,
    tasks: AtomicUsize,
}

/// The step that a case is at, for the message when it gets stuck.
#[derive(Default)]
pub(crate) struct Step(Mutex<String>);

impl Step {
    pub(crate) fn set(&self, text: &str) {
        let mut step = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone_into(&mut step);
    }

    pub(crate) fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A container whose process was started.
pub(crate) struct Started {
    pub(crate) container: Arc<dyn Container>,
    pub(crate) running: Arc<dyn Running>,
}

impl Trial {
    pub(crate) fn new(
        name: &'static str,
        fixture: Arc<dyn AnyFixture>,
        driver: Arc<dyn Driver>,
        runtime: Runtime,
        seed: u64,
        step: Arc<Step>,
    ) -> Self {
        let tasks = AtomicUsize::new(0);
        let others = Mutex::default();
        Self(Arc::new(Inner { name, fixture, driver, others, runtime, seed, step, tasks }))
    }

    pub(crate) fn driver(&self) -> &Arc<dyn Driver> {
        &self.0.driver
    }

    pub(crate) fn caps(&self) -> &Capabilities {
        self.0.driver.capabilities()
    }

    pub(crate) fn scene(&self) -> Scene {
        self.0.fixture.scene()
    }

    pub(crate) fn fixture(&self) -> &Arc<dyn AnyFixture> {
        &self.0.fixture
    }

    pub(crate) fn runtime(&self) -> Runtime {
        self.0.runtime
    }

    /// What randomness begins with; the same for a case under the same `LONGSHORE_SEED`.
    pub(crate) fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Whether everything is to be run at full size.
    pub(crate) fn soak(&self) -> bool {
        crate::run::soak()
    }

    /// Opens one more driver of the same application, another owner. It is closed after the case.
    pub(crate) async fn open_another(&self) -> Outcome<Arc<dyn Driver>> {
        let driver = self.ok("open another driver", self.0.fixture.open()).await?;
        self.others().push(Arc::clone(&driver));
        Ok(driver)
    }

    /// Opens one more driver, which borrows from what `lend` makes. It is closed after the case.
    pub(crate) async fn open_borrowing(&self, lend: Lend<'_>) -> Outcome<Option<Arc<dyn Driver>>> {
        let opening = self.0.fixture.open_borrowing(lend);
        let driver = self.ok("open a driver that borrows", opening).await?;
        self.others().extend(driver.clone());
        Ok(driver)
    }

    fn others(&self) -> MutexGuard<'_, Vec<Arc<dyn Driver>>> {
        self.0.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task of the testee: the image is there and never pulled.
    pub(crate) fn spec(&self, act: &Act) -> TaskSpecBuilder {
        let number = self.0.tasks.fetch_add(1, Ordering::Relaxed);
        TaskSpec::builder(self.scene().testee)
            .id(format!("{}-{number}", self.0.name))
            .pull(PullPolicy::Never)
            .args(act.args())
    }

    /// A task without streams.
    pub(crate) fn task(&self, act: &Act) -> Task {
        Task::new(built(self.spec(act)))
    }

    /// Streams that gather all output that the driver can tell apart.
    pub(crate) fn captured(&self) -> (TaskIo, Captured) {
        if self.caps().separate_stderr { TaskIo::captured() } else { self.only_stdout() }
    }

    /// Stdout is gathered, stderr is not attached.
    pub(crate) fn only_stdout(&self) -> (TaskIo, Captured) {
        let (mut io, captured) = TaskIo::captured();
        io.stderr = None;
        (io, captured)
    }

    /// A task that needs a capability. Where it is absent, sees that the task is refused, and that
    /// is all there is to see.
    #[track_caller]
    pub(crate) fn supported(&self, has: bool, task: Task) -> Outcome<Option<Task>> {
        if has {
            return Ok(Some(task));
        }
        match self.driver().container(task) {
            Ok(container) => Err(Stop::failed(format_args!("not refused: {container:?}"))),
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Awaits a step, within its bound.
    #[track_caller]
    pub(crate) fn done<T>(
        &self,
        step: &str,
        future: impl Future<Output = T> + Send,
    ) -> impl Future<Output = Outcome<T>> + Send {
        self.within(STEP, step, future)
    }

    /// Awaits a step, within this bound.
    #[track_caller]
    pub(crate) fn within<T>(
        &self,
        bound: Duration,
        step: &str,
        future: impl Future<Output = T> + Send,
    ) -> impl Future<Output = Outcome<T>> + Send {
        self.0.step.set(step);
        // A soak loads the engine with far more at once.
        let bound = if self.soak() { bound * 5 } else { bound };
        let stuck = Stop::failed(format_args!("stuck: {step:?} is not done after {bound:?}"));
        async move { timeout(bound, future).await.map_err(|_| stuck) }
    }

    /// Awaits a step that has to succeed, within its bound.
    #[track_caller]
    pub(crate) fn ok<T>(
        &self,
        step: &str,
        future: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Outcome<T>> + Send {
        let name = step.to_owned();
        let place = std::panic::Location::caller();
        let done = self.done(step, future);
        async move {
            done.await?.map_err(|error| {
                let kind = error.kind();
                Stop::Failed(format!("{name:?} failed: {error} [{kind:?}] ({place})"))
            })
        }
    }

    /// Awaits a step that has to fail in this way, within its bound.
    #[track_caller]
    pub(crate) fn fails<T: Debug>(
        &self,
        kind: ErrorKind,
        step: &str,
        future: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Outcome<Error>> + Send {
        let name = step.to_owned();
        let place = std::panic::Location::caller();
        let done = self.done(step, future);
        async move {
            match done.await? {
                Err(error) if error.kind() == kind => Ok(error),
                other => Err(Stop::Failed(format!(
                    "{name:?} should fail with {kind:?} and gave {other:?} ({place})"
                ))),
            }
        }
    }

    /// Runs a task from reservation to removal.
    pub(crate) async fn run(&self, task: Task) -> Outcome<Exit> {
        self.ok("run a task", self.driver().run_task(task)).await
    }

    /// Reserves and creates.
    pub(crate) async fn prepared(&self, task: Task) -> Outcome<Arc<dyn Container>> {
        let container = self.driver().container(task)?;
        self.ok("ensure the image", container.ensure_image()).await?;
        self.ok("create", container.create()).await?;
        Ok(container)
    }

    /// Reserves, creates and starts.
    pub(crate) async fn started(&self, task: Task) -> Outcome<Started> {
        let container = self.prepared(task).await?;
        let running = self.ok("start", container.start()).await?;
        Ok(Started { container, running })
    }

    /// Waits until `true`, or fails.
    #[track_caller]
    pub(crate) fn until(
        &self,
        what: &str,
        mut condition: impl FnMut() -> bool + Send,
    ) -> impl Future<Output = Outcome> + Send {
        self.done(what, async move {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    }

    /// What is on the engine.
    pub(crate) async fn leftovers(&self) -> Outcome<Vec<String>> {
        Ok(self.0.fixture.leftovers().await?)
    }

    /// Waits until the driver has removed everything, which it may do behind the caller's back.
    #[track_caller]
    pub(crate) fn nothing_left(&self) -> impl Future<Output = Outcome> + Send {
        let place = std::panic::Location::caller();
        async move {
            let mut left = Vec::new();
            for _ in 0..600 {
                left = self.leftovers().await?;
                if left.is_empty() {
                    return Ok(());
                }
                self.pause().await;
            }
            Err(Stop::Failed(format!("still there: {} ({place})", left.join(", "))))
        }
    }

    /// Lets time pass: 100 ms of the runtime's, and where that is paused, some of the real one, for
    /// what works on threads of its own.
    pub(crate) async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if self.0.runtime == Runtime::Paused {
            crate::run::real_sleep(Duration::from_millis(2)).await;
        }
    }

    /// Closes every driver, and sees that nothing is left when that is done.
    pub(crate) async fn finish(&self) -> Outcome {
        let mut drivers = std::mem::take(&mut *self.others());
        drivers.push(Arc::clone(self.driver()));
        let mut failed = Ok(());
        for driver in drivers {
            let closed = self.ok("close the driver", driver.close()).await;
            failed = failed.and(closed);
        }
        failed?;
        let left = self.leftovers().await?;
        if left.is_empty() {
            return Ok(());
        }
        let later = match self.nothing_left().await {
            Ok(()) => "gone a moment later",
            Err(_) => "not gone later either",
        };
        let left = left.join(", ");
        Err(Stop::Failed(format!("left when the driver was closed ({later}): {left}")))
    }
}

/// Builds what a case knows to be valid.
pub(crate) fn built(spec: TaskSpecBuilder) -> TaskSpec {
    spec.build().expect("the suite's own tasks are valid")
}

/// A report of the testee.
#[track_caller]
pub(crate) fn json<T: serde::de::DeserializeOwned>(output: &[u8]) -> Outcome<T> {
    serde_json::from_slice(output).map_err(|error| {
        let output = String::from_utf8_lossy(output);
        Stop::failed(format_args!("the testee's report cannot be read: {error}: {output:?}"))
    })
}
