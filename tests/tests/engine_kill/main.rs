//! A process that owns containers is killed, at every stage and in the middle of every call: the
//! next one of the same application leaves nothing of it, and touches nothing of anybody alive.

mod beside;
mod heirs;

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt};
use longshore_docker::DockerDriver;
use longshore_driver_api::{
    Container, Driver, DriverExt, Outcome, ReapOptions, Running, State, Task,
};
use longshore_tests::{Fault, FaultProxy, Scene, Script, Setup, Step, Table, Victim};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;

/// Killed owners at the same time.
const AT_ONCE: usize = 4;
/// From the kill until nothing is left.
const SECONDS: Duration = Duration::from_secs(15);
const STAGES: [&str; 9] =
    ["opened", "reserved", "created", "started", "frozen", "unfrozen", "ended", "exited", "closed"];
/// Calls of a task's life, each of which can be under way when its owner dies.
const CALLS: [Step; 15] = [
    Step::Version,
    Step::Info,
    Step::List,
    Step::Image,
    Step::Events,
    Step::Create,
    Step::Attach,
    Step::Wait,
    Step::Start,
    Step::Stats,
    Step::Pause,
    Step::Unpause,
    Step::Kill,
    Step::Inspect,
    Step::Remove,
];

/// The stage on whose way an owner makes a call.
fn stage_of(step: Step) -> &'static str {
    match step {
        Step::Inspect => "exited",
        Step::List => "reaped",
        _ => "closed",
    }
}

/// How often each case is tried.
fn rounds(setup: &Setup) -> usize {
    if setup.soak { 5 } else { 1 }
}

/// An application of these tests.
fn scene(setup: &Setup) -> Scene {
    Scene::new(setup, "kill")
}

/// A process that goes as far as `stage`, on the engine at `address`.
fn victim(scene: &Scene, address: &str, stage: &str) -> Victim {
    scene.process(env!("CARGO_BIN_EXE_longshore-victim"), address, stage)
}

/// What came of one killed owner.
struct Killed {
    at: String,
    /// Containers at the moment of its death.
    had: usize,
    left: usize,
    leases: usize,
    took: Duration,
    scene: Scene,
}

impl Killed {
    fn is_clean(&self) -> bool {
        self.left == 0 && self.leases == 0 && self.took < SECONDS
    }
}

/// Has the next driver of the application reap, by opening or by asking, and counts.
async fn reap(scene: Scene, at: String, by_opening: bool) -> Killed {
    let had = scene.setup.engine.containers(&scene.application).await.expect("the engine answers");
    let had = had.len();
    let begun = Instant::now();
    let driver = scene.driver(by_opening).await;
    if !by_opening {
        driver.reap(ReapOptions::new()).await.expect("the engine answers");
    }
    // What the owner asked for last may only now be made.
    tokio::time::sleep(Duration::from_secs(1)).await;
    // One lease is the new driver's own. What is reaped by opening is so in the background.
    let is_clean = || async { scene.is_clean().await && scene.leases().len() <= 1 };
    while !is_clean().await && begun.elapsed() < SECONDS {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = begun.elapsed();
    let left = scene.clean().await.len();
    driver.close().await.expect("it has nothing");
    Killed { at, had, left, leases: scene.leases().len(), took, scene }
}

async fn check(setup: &Setup, title: &str, mut killed: Vec<Killed>) {
    // What appeared after its own count is counted here.
    for one in &mut killed {
        one.left += one.scene.clean().await.len();
    }
    let mut table = Table::new(
        title,
        ["killed", "owners", "containers they had", "left", "leases left", "longest, s"],
    );
    let mut kinds: Vec<&str> = killed.iter().map(|one| one.at.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let of: Vec<&Killed> = killed.iter().filter(|one| one.at == kind).collect();
        let sum = |count: fn(&Killed) -> usize| of.iter().map(|one| count(one)).sum::<usize>();
        let longest = of.iter().map(|one| one.took).max().unwrap_or_default();
        table.row([
            kind.to_owned(),
            of.len().to_string(),
            sum(|one| one.had).to_string(),
            sum(|one| one.left).to_string(),
            sum(|one| one.leases).to_string(),
            format!("{:.1}", longest.as_secs_f64()),
        ]);
    }
    println!("{}", table.markdown());
    if setup.soak {
        let how = setup.circumstances().await.expect("the engine answers");
        table.publish(&how).expect("docs/reliability.md can be written");
    }
    let dirty = killed.iter().filter(|one| !one.is_clean());
    let dirty: Vec<_> = dirty.map(|one| (&one.at, one.left, one.leases, one.took)).collect();
    assert!(dirty.is_empty(), "{dirty:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_is_killed_at_any_stage_leaves_nothing() {
    let setup = Setup::from_env();
    let stages = STAGES.repeat(rounds(&setup));
    let runs = stages.iter().enumerate().map(|(number, stage)| {
        let scene = scene(&setup);
        async move {
            let mut victim = victim(&scene, &scene.setup.engine.address(), stage);
            victim.says(stage).await;
            victim.kill().await;
            reap(scene, format!("when {stage}"), number % 2 == 0).await
        }
    });
    let killed: Vec<Killed> = futures_util::stream::iter(runs).buffered(AT_ONCE).collect().await;
    for one in &killed {
        let has = !["when opened", "when reserved", "when closed"].contains(&one.at.as_str());
        assert_eq!(one.had, usize::from(has), "{}", one.at);
    }
    check(&setup, "Owners killed between calls", killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_is_killed_in_the_middle_of_a_call_leaves_nothing() {
    let setup = Setup::from_env();
    // The engine's answer comes too late, or the request itself.
    let faults = [Fault::Stall, Fault::CutThenLate(Duration::from_secs(1))];
    let is_podman = setup.engine.is_podman().await.expect("the engine answers");
    // Nobody listens to Podman's events.
    let calls = CALLS.into_iter().filter(|step| !(is_podman && *step == Step::Events));
    let mut cases: Vec<(Step, Fault)> =
        calls.flat_map(|step| faults.map(|fault| (step, fault))).collect();
    // Or later than a reaper looks for what a dead owner has asked for.
    cases.push((Step::Create, Fault::CutUntilReleased));
    let cases = cases.repeat(rounds(&setup));
    let runs = cases.into_iter().map(|(step, fault)| killed_in_call(&setup, step, fault));
    let killed: Vec<Killed> = futures_util::stream::iter(runs).buffered(AT_ONCE).collect().await;
    let appeared = killed.last().map(|one| one.had);
    assert_eq!(appeared, Some(1), "a container appeared long after its owner's death");
    check(&setup, "Owners killed during calls", killed).await;
}

async fn killed_in_call(setup: &Setup, step: Step, fault: Fault) -> Killed {
    let scene = scene(setup);
    let script = Script::new().once(step, fault);
    let proxy = FaultProxy::start(scene.setup.engine.socket(), script).expect("a socket");
    let victim = victim(&scene, &proxy.address(), stage_of(step));
    // What comes soon does so on a busy machine too.
    let soon = async |what: &str, it: BoxFuture<'_, ()>| {
        let came = tokio::time::timeout(SECONDS * 4, it).await;
        came.unwrap_or_else(|_| panic!("never: {what} {step} ({fault}): {:#?}", proxy.log()));
    };
    soon("it asks for", proxy.reached(step, 1).boxed()).await;
    if fault == Fault::Stall {
        // Else nobody could tell when what it asked for is there, if ever.
        let there = async {
            tokio::select! {
                () = proxy.answered(step) => {}
                // A driver that hears of the end waits no more for an answer to its kill.
                () = proxy.reached(Step::Remove, 1), if step == Step::Kill => {}
            }
        };
        soon("the engine answers", there.boxed()).await;
        victim.kill().await;
        return reap(scene, format!("during {step}"), true).await;
    }
    victim.kill().await;
    // A reaper comes before the request does, or meanwhile.
    let early = scene.driver(false).await;
    let report = early.reap(ReapOptions::new()).await.expect("the engine answers");
    early.close().await.expect("it has nothing");
    if step == Step::Create {
        let is_there = proxy.log().iter().any(|it| it.step == step && it.status.is_some());
        let most = usize::from(fault != Fault::CutUntilReleased);
        let removed = report.removed.len();
        let expected = usize::from(is_there)..=most;
        assert!(expected.contains(&removed), "{fault}, {expected:?}: {report:?}");
    }
    proxy.release();
    soon("the engine answers", proxy.answered(step).boxed()).await;
    let when = if fault == Fault::CutUntilReleased { "long" } else { "1 s" };
    reap(scene, format!("{when} before {step} arrived"), false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_is_killed_at_a_random_moment_leaves_nothing() {
    let setup = Setup::from_env();
    let count = if setup.soak { 100 } else { 8 };
    let mut rng = StdRng::seed_from_u64(setup.seed);
    let moments: Vec<u64> = (0..count).map(|_| rng.random_range(0..1500)).collect();
    let runs = moments.into_iter().enumerate().map(|(number, moment)| {
        let scene = scene(&setup);
        async move {
            let mut victim = victim(&scene, &scene.setup.engine.address(), "busy");
            victim.says("opened").await;
            tokio::time::sleep(Duration::from_millis(moment)).await;
            victim.kill().await;
            let by_opening = number % 2 == 0;
            let how = if by_opening { "reaped by the next start" } else { "reaped on request" };
            reap(scene, how.to_owned(), by_opening).await
        }
    });
    let killed: Vec<Killed> = futures_util::stream::iter(runs).buffered(AT_ONCE).collect().await;
    assert!(killed.iter().any(|one| one.had > 0), "no owner had a container when it was killed");
    check(&setup, "Owners killed while busy", killed).await;
}

/// A task that runs, and its driver.
struct Alive {
    driver: DockerDriver,
    container: Arc<dyn Container>,
    running: Arc<dyn Running>,
}

impl Alive {
    async fn begin(scene: &Scene) -> Self {
        let driver = scene.driver(false).await;
        let spec = scene.setup.task(["sleep", "forever"]).build().expect("a valid task");
        let container = driver.prepare(Task::new(spec)).await.expect("it is created");
        let running = container.start().await.expect("it starts");
        Self { driver, container, running }
    }

    /// Ends it, and sees that it was untouched to its end.
    async fn end(self) {
        assert_eq!(self.container.state(), State::Running);
        self.running.cancel();
        let exit = self.running.wait().await;
        assert_eq!(exit.outcome, Outcome::Cancelled);
        assert_eq!(exit.sent.len(), 1, "nobody else ended it: {exit:?}");
        assert_eq!(exit.code, Some(137), "{exit:?}");
        self.container.close().await.expect("it is removed");
        self.driver.close().await.expect("it has nothing more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_a_live_owner_is_never_touched() {
    let scene = scene(&Setup::from_env());
    let alive = Alive::begin(&scene).await;
    let own = alive.container.engine_id().expect("it is created");
    // In this process and in another one.
    let mut neighbour = victim(&scene, &scene.setup.engine.address(), "started");
    neighbour.says("started").await;
    let mut victim = victim(&scene, &scene.setup.engine.address(), "started");
    victim.says("started").await;
    assert_eq!(scene.containers(3).await.len(), 3);
    victim.kill().await;

    let reaper = scene.driver(false).await;
    let report = reaper.reap(ReapOptions::new()).await.expect("the engine answers");
    assert_eq!((report.removed.len(), report.failed.len(), report.kept), (1, 0, 2), "{report:?}");
    let left = scene.containers(2).await;
    assert!(left.len() == 2 && left.contains(&own), "{left:?}");
    // A live owner reaps as well, and spares itself.
    let report = alive.driver.reap(ReapOptions::new()).await.expect("the engine answers");
    assert_eq!((report.removed.len(), report.kept), (0, 2), "{report:?}");

    neighbour.kill().await;
    let report = reaper.reap(ReapOptions::new()).await.expect("the engine answers");
    assert_eq!((report.removed.len(), report.kept), (1, 1), "{report:?}");
    reaper.close().await.expect("it has nothing");
    alive.end().await;
    assert_eq!(scene.clean().await, Vec::<String>::new());
    assert!(scene.leases().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_removes_nothing_and_names_what_a_real_one_removes() {
    let scene = scene(&Setup::from_env());
    let mut victim = victim(&scene, &scene.setup.engine.address(), "frozen");
    victim.says("frozen").await;
    victim.kill().await;
    let there = scene.containers(1).await;
    let driver = scene.driver(false).await;
    let looked = driver.reap(ReapOptions::new().dry_run(true)).await.expect("the engine answers");
    let named: Vec<&String> = looked.removed.iter().map(|reaped| &reaped.id).collect();
    assert_eq!(named, there.iter().collect::<Vec<_>>());
    assert_eq!(scene.containers(1).await, there);
    let removed = driver.reap(ReapOptions::new()).await.expect("the engine answers");
    assert_eq!(looked.removed, removed.removed);
    assert_eq!(scene.clean().await, Vec::<String>::new());
    driver.close().await.expect("it has nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_reapers_at_once_leave_nothing_and_both_succeed() {
    let scene = scene(&Setup::from_env());
    let mut victims = Vec::new();
    for stage in ["created", "started", "frozen"] {
        let mut victim = victim(&scene, &scene.setup.engine.address(), stage);
        victim.says(stage).await;
        victims.push(victim);
    }
    for victim in victims {
        victim.kill().await;
    }
    let (one, two) = tokio::join!(scene.driver(false), scene.driver(false));
    let (first, second) = tokio::join!(one.reap(ReapOptions::new()), two.reap(ReapOptions::new()));
    let (first, second) = (first.expect("it succeeds"), second.expect("it succeeds"));
    assert!(first.failed.is_empty() && second.failed.is_empty(), "{first:?} {second:?}");
    // What one was at, the other left alone; a container may be met by both.
    assert!(first.removed.len() + second.removed.len() >= 3, "{first:?} {second:?}");
    assert_eq!(scene.clean().await, Vec::<String>::new());
    let (one, two) = tokio::join!(one.close(), two.close());
    one.and(two).expect("they have nothing");
}
