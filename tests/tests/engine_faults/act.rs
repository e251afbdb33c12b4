//! What the caller does in one run.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use longshore_driver_api::{
    ByteSize, Captured, Container, ContainerExt, Driver, Error, Exit, Health, HealthCheck,
    NetworkMode, PullPolicy, Result, Running, Task, TaskHooks, TaskIo, TaskSpec,
};
use longshore_testee::{STDOUT, pattern};
use longshore_tests::{FaultProxy, Step};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::timeout;

use crate::case::{Action, Case, Program};
use crate::world::World;

/// Bytes on stdout.
pub(crate) const OUT: usize = 6000;
/// Bytes on stderr.
pub(crate) const ERR: usize = 3000;
/// The timeout of tasks that are to run into it.
const TIMEOUT: Duration = Duration::from_millis(400);
/// How long a start may wait until its task does well: longer than an engine is silent before it
/// is asked again.
pub(crate) const HEALTHY: Duration = Duration::from_secs(5);
/// Statistics are asked for again after a silence, and an engine takes two seconds for the first.
const SAMPLED: Duration = Duration::from_secs(12);
/// Where a file is copied to.
pub(crate) const FILE: &str = "/tmp/copied";

/// How a run ended for its caller.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The future was dropped.
    Dropped,
    /// The engine failed.
    Failed(Error),
    /// The task ended.
    Exited(Box<Exit>),
    /// There was only a pull.
    Pulled,
}

/// What one run is about.
pub(crate) struct Play {
    pub(crate) case: Case,
    pub(crate) program: Program,
    /// That of a further process, if there is one.
    pub(crate) exec: Program,
    /// What the program's bytes are drawn with.
    pub(crate) bytes: u64,
    pub(crate) closed: Arc<Closed>,
    /// How many samples came.
    pub(crate) samples: Arc<AtomicU32>,
    /// What went wrong beside the task's own end.
    pub(crate) wrong: Mutex<Vec<String>>,
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
            exec: Program::of_exec(&case, rng),
            bytes: rng.random(),
            closed: Arc::default(),
            samples: Arc::default(),
            wrong: Mutex::default(),
            slot: OnceLock::new(),
            lag: Duration::from_millis(rng.random_range(0..40)),
        }
    }

    /// Runs the task as the case says. The task's output goes where the second part shows it.
    pub(crate) async fn act(
        &self,
        world: &World,
        driver: &dyn Driver,
        proxy: &FaultProxy,
    ) -> (Ended, Captured) {
        let (io, captured) = TaskIo::captured();
        let life = self.life(world, driver, proxy, io);
        let moment = async {
            proxy.met(self.case.step).await;
            tokio::time::sleep(self.lag).await;
        };
        let lived = |lived: Result<Ended>| lived.unwrap_or_else(Ended::Failed);
        let ended = match self.case.action {
            Action::Drop => tokio::select! {
                ended = life => lived(ended),
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
                    ended = life => lived(ended),
                    () = close => unreachable!("it waits for ever"),
                }
            }
            _ => lived(life.await),
        };
        (ended, captured)
    }

    async fn life(
        &self,
        world: &World,
        driver: &dyn Driver,
        proxy: &FaultProxy,
        io: TaskIo,
    ) -> Result<Ended> {
        let task = self.task(world, io)?;
        let container = driver.container(task)?;
        // Only a caller that closes from elsewhere holds on to it: a held handle is not dropped.
        if self.case.action == Action::Close {
            let _ = self.slot.set(Arc::clone(&container));
        }
        let result = self.stages(world, &*container, proxy).await;
        // Whether it could be removed shows on the engine.
        let _ = container.close().await;
        result
    }

    async fn stages(
        &self,
        world: &World,
        container: &dyn Container,
        proxy: &FaultProxy,
    ) -> Result<Ended> {
        container.ensure_image().await?;
        if self.case.step == Step::Pull {
            return Ok(Ended::Pulled);
        }
        container.create().await?;
        match self.case.step {
            Step::ArchiveIn | Step::ArchiveOut => self.copy(container).await?,
            Step::Connect => self.is_connected(world, container).await,
            _ => {}
        }
        let running = container.start().await?;
        if self.program == Program::Sleeps {
            self.beside(container, &*running, proxy).await;
        }
        match self.case.action {
            // The stream that is to be broken has to come first.
            Action::Cancel if self.program == Program::Slow => {
                tokio::select! {
                    () = proxy.met(self.case.step) => {}
                    _ = running.wait() => {}
                }
                running.cancel();
            }
            Action::Cancel => running.cancel(),
            Action::Stop => self.stop(&*running).await,
            Action::Freeze => {
                self.freeze(container, proxy).await;
                running.cancel();
            }
            Action::Wait | Action::Drop | Action::Close if self.program == Program::Sleeps => {
                running.cancel();
            }
            _ => {}
        }
        Ok(Ended::Exited(Box::new(running.wait().await)))
    }

    /// What is done to a task that only sleeps, for the request that is to be broken.
    async fn beside(&self, container: &dyn Container, running: &dyn Running, proxy: &FaultProxy) {
        match self.case.step {
            Step::ExecCreate | Step::ExecStart | Step::ExecInspect => self.exec(container).await,
            Step::Resize => self.resize(running).await,
            Step::Pause | Step::Unpause if self.case.action != Action::Freeze => {
                self.freeze(container, proxy).await;
            }
            Step::Stats if self.case.action == Action::Wait => {
                let sampled = async {
                    while self.samples.load(Ordering::SeqCst) == 0 {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                };
                if timeout(SAMPLED, sampled).await.is_err() {
                    self.says("no sample came after the fault".to_owned());
                }
            }
            _ => {}
        }
    }

    fn task(&self, world: &World, mut io: TaskIo) -> Result<Task> {
        let setup = &world.setup;
        let words = self.program.words(self.bytes);
        let mut spec = setup.task(words.iter().map(String::as_str));
        if self.program == Program::Fed {
            io = io.stdin(std::io::Cursor::new(pattern(self.bytes, STDOUT).bytes_of(OUT)));
        }
        match self.case.step {
            // Without a limit of memory the end is known without a look.
            Step::Inspect => spec = spec.memory(ByteSize::mib(64)),
            Step::Resize => {
                spec = spec.tty(true);
                io.stderr = None;
            }
            Step::Connect => {
                let [first, second] = world.networks.clone();
                spec = spec
                    .network(NetworkMode::Named(first))
                    .edit(|spec| spec.network.also = vec![second]);
            }
            Step::Pull => {
                let image = world.image.as_deref().unwrap_or_default();
                spec = TaskSpec::builder(image).pull(PullPolicy::Always);
            }
            Step::Stats => {
                let samples = Arc::clone(&self.samples);
                io = io.stats(move |_| {
                    samples.fetch_add(1, Ordering::SeqCst);
                });
            }
            _ => {}
        }
        if self.case.health {
            let mut health = Health::default();
            health.check = HealthCheck::Run(["/testee", "exit", "0"].map(str::to_owned).to_vec());
            health.interval = Some(Duration::from_millis(300));
            health.wait = Some(HEALTHY);
            spec = spec.health(health);
        }
        if self.case.action == Action::Deadline {
            spec = spec.timeout(TIMEOUT);
        }
        let hooks: Arc<dyn TaskHooks> = self.closed.clone();
        Ok(Task::new(spec.build()?).io(io).hooks(hooks))
    }

    /// Remembers what went wrong.
    pub(crate) fn says(&self, what: String) {
        self.wrong.lock().expect("nobody panics meanwhile").push(what);
    }
}

impl Program {
    /// Its arguments.
    pub(crate) fn words(self, bytes: u64) -> Vec<String> {
        let write = format!("write --stdout {OUT} --stderr {ERR} --seed {bytes}");
        let text = match self {
            Self::Quick => write,
            // A third of a second.
            Self::Brisk => format!("{write} --chunk 1000 --rate 27000"),
            // Three seconds.
            Self::Slow => format!("{write} --chunk 100 --rate 3000"),
            Self::Fed => "cat".to_owned(),
            Self::Reads => format!("read {FILE}"),
            Self::Fails => "exit 7".to_owned(),
            Self::Sleeps => "sleep forever".to_owned(),
        };
        text.split(' ').map(str::to_owned).collect()
    }

    /// How much it writes to both streams.
    pub(crate) fn lengths(self) -> [usize; 2] {
        match self {
            Self::Quick | Self::Brisk | Self::Slow => [OUT, ERR],
            Self::Fed | Self::Reads => [OUT, 0],
            Self::Fails | Self::Sleeps => [0, 0],
        }
    }
}
