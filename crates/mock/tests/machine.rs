//! Random histories: whatever is called in whatever order, with whatever failing or being dropped,
//! nothing is left, everybody is told the same end, and each container is closed once.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use longshore_driver_api::{
    Container, ContainerExt as _, Driver as _, ErrorKind, Exit, ReapOptions, Result, Running,
    Signal, State, Task, TaskHooks, TaskIo, TaskSpec,
};
use longshore_mock::{CallResult, Config, Containers, Engine, MockDriver, Op, Program, Rule};
use proptest::prelude::*;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

#[derive(Debug, Clone)]
enum Step {
    Reserve(Kind),
    Call(usize, What, How),
    Cancel(usize),
    DropContainer(usize),
    DropRunning(usize),
    Pass(u64),
    Restart(bool),
    Reap,
}

/// What a task does.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Exit(u8),
    Sleep(u64),
    Forever,
    /// Ignores the stop signal.
    Deaf,
    /// Writes more than anybody reads.
    Stuck,
    /// Runs into its timeout.
    Late(u64),
}

#[derive(Debug, Clone, Copy)]
enum What {
    Ensure,
    Create,
    Start,
    Freeze,
    Unfreeze,
    Stop(u64),
    Signal(u8),
    Wait,
    Close,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Await,
    /// In the background.
    Spawn,
    /// Dropped after so many polls, or after its end.
    Drop(usize),
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Late(u64),
    Fail,
    LoseReply,
    Never,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        any::<u8>().prop_map(Kind::Exit),
        (0..200_u64).prop_map(Kind::Sleep),
        Just(Kind::Forever),
        Just(Kind::Deaf),
        Just(Kind::Stuck),
        (1..200_u64).prop_map(Kind::Late),
    ];
    let what = prop_oneof![
        3 => Just(What::Ensure),
        4 => Just(What::Create),
        5 => Just(What::Start),
        2 => Just(What::Freeze),
        2 => Just(What::Unfreeze),
        1 => (0..300_u64).prop_map(What::Stop),
        1 => (1..=64_u8).prop_map(What::Signal),
        2 => Just(What::Wait),
        1 => Just(What::Close),
    ];
    let how = prop_oneof![
        6 => Just(How::Await),
        3 => Just(How::Spawn),
        1 => (0..4_usize).prop_map(How::Drop),
    ];
    let step = prop_oneof![
        3 => kind.prop_map(Step::Reserve),
        20 => (0..4_usize, what, how).prop_map(|(at, what, how)| Step::Call(at, what, how)),
        1 => (0..4_usize).prop_map(Step::Cancel),
        1 => (0..4_usize).prop_map(Step::DropContainer),
        1 => (0..4_usize).prop_map(Step::DropRunning),
        3 => (0..200_u64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Restart),
        1 => Just(Step::Reap),
    ];
    prop::collection::vec(step, 1..50)
}

fn faults() -> impl Strategy<Value = Vec<(Option<Op>, u64, Fault)>> {
    let op = prop::sample::select(vec![
        None,
        Some(Op::ImageStatus),
        Some(Op::Pull),
        Some(Op::Create),
        Some(Op::Start),
        Some(Op::Freeze),
        Some(Op::Wait),
        Some(Op::Stop),
        Some(Op::Kill),
        Some(Op::Remove),
    ]);
    let fault = prop_oneof![
        (0..100_u64).prop_map(Fault::Late),
        Just(Fault::Fail),
        Just(Fault::LoseReply),
        Just(Fault::Never),
    ];
    prop::collection::vec((op, 1..4_u64, fault), 0..6)
}

#[derive(Debug, Default)]
struct Closings(AtomicUsize);

impl TaskHooks for Closings {
    fn closed(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Slot {
    container: Option<Arc<dyn Container>>,
    running: Arc<Mutex<Option<Arc<dyn Running>>>>,
    exits: Arc<Mutex<Vec<Exit>>>,
    closings: Arc<Closings>,
    farthest: u8,
    _unread: Option<DuplexStream>,
}

struct History {
    engine: Engine,
    driver: MockDriver,
    slots: Vec<Slot>,
    background: Vec<JoinHandle<()>>,
}

impl History {
    fn new(seed: u64, faults: &[(Option<Op>, u64, Fault)]) -> Self {
        let engine = Engine::with_seed(seed);
        for (op, times, fault) in faults {
            let rule = op.map_or_else(Rule::any, Rule::on).probability(0.5).times(*times);
            engine.rule(match fault {
                Fault::Late(ms) => rule.delay(Duration::from_millis(*ms)),
                Fault::Fail => rule.fail(ErrorKind::Engine),
                Fault::LoseReply => rule.lose_reply().fail(ErrorKind::Disconnected),
                Fault::Never => rule.never_answer(),
            });
        }
        let driver = engine.driver(Config::new().call_timeout(Duration::from_secs(5)));
        Self { engine, driver, slots: Vec::new(), background: Vec::new() }
    }

    fn reserve(&mut self, kind: Kind) -> Result<()> {
        let program = match kind {
            Kind::Exit(code) => Program::exit(code),
            Kind::Sleep(ms) => Program::steps().sleep(Duration::from_millis(ms)).exit(0),
            Kind::Forever | Kind::Late(_) => Program::steps().forever(),
            Kind::Deaf => Program::steps().ignore(Signal::TERM).forever(),
            Kind::Stuck => Program::steps().stdout(vec![7; 200_000]).exit(0),
        };
        let id = format!("task-{}", self.slots.len());
        self.engine.run_task(&id, program);
        let mut spec =
            TaskSpec::builder("alpine").id(id).stop_grace(Duration::from_millis(50)).build()?;
        if let Kind::Late(ms) = kind {
            spec.timeout = Some(Duration::from_millis(ms));
        }
        let (writer, unread) = tokio::io::duplex(100);
        let closings = Arc::new(Closings::default());
        let task = Task::new(spec).io(TaskIo::none().stdout(writer));
        let container = self.driver.container(task.hooks(Arc::clone(&closings) as _))?;
        // All but the stuck ones have a reader that is gone.
        let unread = matches!(kind, Kind::Stuck).then_some(unread);
        self.slots.push(Slot {
            container: Some(container),
            running: Arc::default(),
            exits: Arc::default(),
            closings,
            farthest: 0,
            _unread: unread,
        });
        Ok(())
    }

    async fn call(&mut self, at: usize, what: What, how: How) {
        let Some(slot) = self.slots.get(at) else { return };
        let call =
            call(slot.container.clone(), Arc::clone(&slot.running), Arc::clone(&slot.exits), what);
        match how {
            How::Await => {
                // Whatever ends by itself does within this; what does not is dropped.
                let _ = tokio::time::timeout(Duration::from_secs(100), call).await;
            }
            How::Spawn => self.background.push(tokio::spawn(call)),
            How::Drop(polls) => {
                let mut call = pin!(call);
                let mut left = polls;
                poll_fn(|cx| {
                    if left == 0 || call.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    left -= 1;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
            }
        }
    }

    async fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Reserve(kind) => self.reserve(kind)?,
            Step::Call(at, what, how) => self.call(at, what, how).await,
            Step::Cancel(at) => {
                let running =
                    self.slots.get(at).and_then(|slot| slot.running.lock().unwrap().clone());
                if let Some(running) = running {
                    running.cancel();
                }
            }
            Step::DropContainer(at) => {
                self.slots.get_mut(at).map(|slot| slot.container.take());
            }
            Step::DropRunning(at) => {
                self.slots.get_mut(at).map(|slot| slot.running.lock().unwrap().take());
            }
            Step::Pass(ms) => sleep(Duration::from_millis(ms)).await,
            Step::Restart(true) => self.engine.restart(Containers::Survive),
            Step::Restart(false) => self.engine.restart(Containers::Die),
            Step::Reap => {
                if let Ok(report) = self.driver.reap(ReapOptions::new()).await {
                    assert!(report.removed.is_empty(), "a live owner's: {report:?}");
                }
            }
        }
        for slot in &mut self.slots {
            if let Some(container) = &slot.container {
                let now = rank(container.state());
                assert!(now >= slot.farthest, "back to {:?}", container.state());
                slot.farthest = now;
            }
        }
        Ok(())
    }

    /// Ends it, by closing the driver or by dropping everything, and checks what is left.
    async fn end(mut self, close: bool) -> Result<()> {
        self.engine.clear_rules();
        if close {
            within("close the driver", self.driver.close()).await?;
            // Everybody gets an answer now.
            for task in self.background.drain(..) {
                within("a call in the background", task).await.expect("a call panicked");
            }
        } else {
            for task in self.background.drain(..) {
                task.abort();
                let _ = task.await;
            }
        }
        for slot in &mut self.slots {
            slot.container = None;
            let running = slot.running.lock().unwrap().take();
            if let Some(running) = running.filter(|_| close) {
                let exit = within("wait after all", running.wait()).await;
                slot.exits.lock().unwrap().push(exit);
            }
        }
        let empty = self.engine.until(|engine| engine.counts().total() == 0);
        within("remove what is left", empty).await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(self.engine.image_users("alpine")?, 0);
        for slot in &self.slots {
            assert_eq!(slot.closings.0.load(Ordering::SeqCst), 1, "closed once");
            let exits = slot.exits.lock().unwrap();
            assert!(exits.windows(2).all(|pair| pair[0] == pair[1]), "{exits:?}");
        }
        let pending = self.engine.log().filtered(|call| call.result == CallResult::Pending);
        assert_eq!(pending, []);
        self.driver.close().await?;
        drop(self);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
        Ok(())
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let bounded = tokio::time::timeout(Duration::from_secs(3600), future).await;
    bounded.unwrap_or_else(|_| panic!("not done within an hour: {what}"))
}

fn rank(state: State) -> u8 {
    match state {
        State::Reserved => 0,
        State::Created => 1,
        State::Running | State::Frozen => 2,
        State::Exited => 3,
        _ => 4,
    }
}

/// One call on a container or on what runs in it. Its errors are no matter here.
async fn call(
    container: Option<Arc<dyn Container>>,
    running: Arc<Mutex<Option<Arc<dyn Running>>>>,
    exits: Arc<Mutex<Vec<Exit>>>,
    what: What,
) {
    let started = running.lock().unwrap().clone();
    match (what, container, started) {
        (What::Ensure, Some(container), _) => drop(container.ensure_image().await),
        (What::Create, Some(container), _) => drop(container.create().await),
        (What::Start, Some(container), _) => {
            if let Ok(started) = container.start().await {
                *running.lock().unwrap() = Some(started);
            }
        }
        (What::Freeze, Some(container), _) => drop(container.freeze().await),
        (What::Unfreeze, Some(container), _) => drop(container.unfreeze().await),
        (What::Close, Some(container), _) => drop(container.close().await),
        (What::Stop(ms), _, Some(started)) => {
            drop(started.stop(Some(Duration::from_millis(ms))).await);
        }
        (What::Signal(number), _, Some(started)) => {
            drop(started.signal(Signal::from_number(number).unwrap()).await);
        }
        (What::Wait, _, Some(started)) => {
            let exit = started.wait().await;
            exits.lock().unwrap().push(exit);
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_history_ends_well(
        seed: u64,
        faults in faults(),
        steps in steps(),
        close: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut history = History::new(seed, &faults);
            // The first is there from the start, so that no history is empty.
            history.reserve(Kind::Forever).unwrap();
            for step in steps {
                history.step(step).await.unwrap();
            }
            history.end(close).await.unwrap();
        });
    }
}

/// More where everything is run at full size.
fn cases() -> u32 {
    if std::env::var_os("LONGSHORE_SOAK").is_some_and(|soak| soak == "1") { 50_000 } else { 1500 }
}
