//! What the caller does in one run.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use longshore_driver_api::{
    ByteSize, Captured, Container, ContainerExt, Driver, Error, Exit, Result, Running, Task,
    TaskHooks, TaskIo,
};
use longshore_testee::{STDOUT, pattern};
use longshore_tests::{FaultProxy, Setup, Step};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::case::{Action, Case, Program};

/// Bytes on stdout and stderr.
pub(crate) const OUT: usize = 6000;
/// Bytes on stderr.
pub(crate) const ERR: usize = 3000;
/// The timeout of tasks that are to run into it.
const TIMEOUT: Duration = Duration::from_millis(400);

/// How a run ended for its caller.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The future was dropped.
    Dropped,
    /// The engine failed.
    Failed(Error),
    /// The task ended.
    Exited(Box<Exit>),
}

/// What one run is about.
pub(crate) struct Play {
    pub(crate) case: Case,
    pub(crate) program: Program,
    /// What the program's bytes are drawn with.
    pub(crate) bytes: u64,
    pub(crate) closed: Arc<Closed>,
    /// How many samples came.
    pub(crate) samples: Arc<AtomicU32>,
    /// The container, once there is one.
    slot: OnceLock<Arc<dyn Container>>,
    /// From the fault to what the caller does.
    lag: Duration,
}

/// Counts how often the driver says that a container is closed.
#[derive(Debug, Default)]
pub(crate) struct Closed(AtomicU32);

impl TaskHooks for Closed {
    fn closed(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Closed {
    pub(crate) fn times(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Play {
    pub(crate) fn new(case: Case, rng: &mut StdRng) -> Self {
        Self {
            case,
            program: Program::of(&case, rng),
            bytes: rng.random(),
            closed: Arc::default(),
            samples: Arc::default(),
            slot: OnceLock::new(),
            lag: Duration::from_millis(rng.random_range(0..40)),
        }
    }

    /// Runs the task as the case says. The task's output goes where the second part shows it.
    pub(crate) async fn act(
        &self,
        setup: &Setup,
        driver: &dyn Driver,
        proxy: &FaultProxy,
    ) -> (Ended, Captured) {
        let (io, captured) = TaskIo::captured();
        let life = self.life(setup, driver, io);
        let moment = async {
            proxy.reached(self.case.step, 1).await;
            tokio::time::sleep(self.lag).await;
        };
        let ended = match self.case.action {
            Action::Drop => tokio::select! {
                lived = life => ended(lived),
                () = moment => Ended::Dropped,
            },
            Action::Close => {
                let close = async {
                    moment.await;
                    if let Some(container) = self.slot.get() {
                        // What the engine would not remove is looked at after the driver's end.
                        let _ = container.close().await;
                    }
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    lived = life => ended(lived),
                    () = close => unreachable!("it waits for ever"),
                }
            }
            _ => ended(life.await),
        };
        (ended, captured)
    }

    async fn life(&self, setup: &Setup, driver: &dyn Driver, io: TaskIo) -> Result<Exit> {
        let task = self.task(setup, io)?;
        let container = driver.container(task)?;
        // Only a caller that closes from elsewhere holds on to it: a held handle is not dropped.
        if self.case.action == Action::Close {
            let _ = self.slot.set(Arc::clone(&container));
        }
        let result = self.stages(&*container).await;
        // Whether it could be removed shows on the engine.
        let _ = container.close().await;
        result
    }

    async fn stages(&self, container: &dyn Container) -> Result<Exit> {
        container.ensure_image().await?;
        container.create().await?;
        let running = container.start().await?;
        match self.case.action {
            Action::Cancel => running.cancel(),
            Action::Stop => {
                // It fails where the engine could not be asked; the kill after the grace comes
                // all the same.
                let _ = running.stop(None).await;
            }
            Action::Freeze => freeze_and_cancel(container, &*running).await,
            Action::Drop | Action::Close => match self.case.step {
                // The request that is to be broken has to be made first.
                Step::Kill => running.cancel(),
                Step::Pause | Step::Unpause => freeze_and_cancel(container, &*running).await,
                _ => {}
            },
            Action::Wait | Action::Deadline => {}
        }
        Ok(running.wait().await)
    }

    fn task(&self, setup: &Setup, mut io: TaskIo) -> Result<Task> {
        let bytes = self.bytes.to_string();
        let (out, err) = (OUT.to_string(), ERR.to_string());
        let write = ["write", "--stdout", &out, "--stderr", &err, "--seed", &bytes];
        let mut spec = match self.program {
            Program::Quick => setup.task(write),
            // Three seconds.
            Program::Slow => {
                setup.task(write.into_iter().chain(["--chunk", "100", "--rate", "3000"]))
            }
            Program::Fed => {
                io = io.stdin(std::io::Cursor::new(pattern(self.bytes, STDOUT).bytes_of(OUT)));
                setup.task(["cat"])
            }
            Program::Fails => setup.task(["exit", "7"]),
            Program::Sleeps => setup.task(["sleep", "forever"]),
        };
        if self.case.step == Step::Inspect {
            // Without a limit of memory the end is known without a look.
            spec = spec.memory(ByteSize::mib(64));
        }
        if self.case.step == Step::Stats {
            let samples = Arc::clone(&self.samples);
            io = io.stats(move |_| {
                samples.fetch_add(1, Ordering::SeqCst);
            });
        }
        if self.case.action == Action::Deadline {
            spec = spec.timeout(TIMEOUT);
        }
        let hooks: Arc<dyn TaskHooks> = self.closed.clone();
        Ok(Task::new(spec.build()?).io(io).hooks(hooks))
    }
}

/// Each may fail; ending the task must work whatever the engine made of them.
async fn freeze_and_cancel(container: &dyn Container, running: &dyn Running) {
    let _ = container.freeze().await;
    let _ = container.unfreeze().await;
    running.cancel();
}

fn ended(lived: Result<Exit>) -> Ended {
    match lived {
        Ok(exit) => Ended::Exited(Box::new(exit)),
        Err(error) => Ended::Failed(error),
    }
}
