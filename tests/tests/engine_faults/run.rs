//! One run, from the proxy to the count of what is left.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use longshore_docker::{DockerDriver, StatsSource, Timeouts};
use longshore_driver_api::{Driver, ReapOptions};
use longshore_tests::{FaultProxy, Setup, Step, application, config};
use tokio::time::timeout;

use crate::act::{Ended, HEALTHY, Play};
use crate::case::Case;
use crate::expect::Expected;
use crate::judge;
use crate::world::World;

/// From one step of a pull to the next.
const PULL_IDLE: Duration = Duration::from_secs(2);
/// What closing the driver may take. The connection is whole by then: a call that hangs is made
/// again.
pub(crate) const CLOSE: Duration = Duration::from_secs(12);
/// The longest program, and what a busy machine adds to a healthy life.
const HEALTHY_LIFE: Duration = Duration::from_secs(3 + 4);
/// The engine finishes removals after it has answered.
const SETTLE: Duration = Duration::from_secs(5);

/// Bounds that follow from the driver's own.
struct Bounds {
    open: Duration,
    task: Duration,
    close: Duration,
}

impl Bounds {
    fn of(case: &Case, timeouts: &Timeouts) -> Self {
        let Timeouts { call, work, engine_gone, close, .. } = *timeouts;
        let busy = Duration::from_secs(3);
        let fault = match case.step {
            // Three attempts, each silent, and the pauses between.
            Step::Pull => 3 * PULL_IDLE + Duration::from_secs(2),
            _ if case.health => HEALTHY + call,
            // Its end is looked for every five seconds while its streams are open; those that stay
            // open are given up after three. Or a kill, and then its end, is waited for in vain.
            Step::ExecCreate | Step::ExecStart | Step::ExecInspect => {
                Duration::from_secs(5 + 3) + work + engine_gone
            }
            // Until the figures come.
            Step::Stats => Duration::from_secs(12),
            // A call that runs into its bound, a look at what became of it, and a kill that does not
            // show in time.
            _ => 2 * work + call,
        };
        // Two calls, each of which may run into its bound.
        Self { open: 2 * call + busy, task: HEALTHY_LIFE + fault, close: close + busy }
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) case: Case,
    /// Requests that were broken: none of those that the fault had nothing to do to.
    pub(crate) broken: usize,
    /// What the driver told wrongly.
    pub(crate) wrong: Vec<String>,
    /// What went on beyond its bound.
    pub(crate) hangs: Vec<String>,
    /// Containers that were left after the driver was closed, and after a reaper's pass.
    pub(crate) left: [usize; 2],
    pub(crate) took: Duration,
}

impl Outcome {
    /// Nothing has gone wrong yet.
    pub(crate) fn new(case: Case) -> Self {
        let (wrong, hangs) = (vec![], vec![]);
        Self { case, broken: 0, wrong, hangs, left: [0; 2], took: Duration::ZERO }
    }
}

/// Runs a case. It never fails: what went wrong is in the outcome.
pub(crate) async fn run(world: &World, case: Case) -> Outcome {
    let setup = &world.setup;
    let begun = Instant::now();
    let mut outcome = Outcome::new(case);
    let application = application("faults");
    // The driver makes it itself, closed to others.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    let proxy =
        FaultProxy::start(setup.engine.socket(), case.script()).expect("the proxy's socket");
    let mut config = config(&proxy.address(), &application, &run_dir);
    // So that there is a list to break.
    config.reap_on_open = case.step == Step::List;
    // On an engine of this host its stream would not be needed.
    config.stats_source = StatsSource::Engine;
    config.timeouts.pull_idle = PULL_IDLE;
    config.timeouts.close = CLOSE;
    let bounds = Bounds::of(&case, &config.timeouts);
    match timeout(bounds.open, DockerDriver::open(config.clone())).await {
        Err(_) => outcome.hangs.push("open".to_owned()),
        Ok(opened) => {
            let around = matches!(case.step, Step::Version | Step::Info);
            let expected = if around { Expected::of(&case) } else { Expected::Success };
            if !expected.fits(&opened) {
                let opened = opened.as_ref().map(drop);
                outcome.wrong.push(format!("open ended in {opened:?} and not in {expected:?}"));
            }
            if let Ok(driver) = opened {
                with_driver(world, &proxy, &driver, &bounds, &mut outcome).await;
            }
        }
    }
    proxy.heal();
    count(setup, &application, &run_dir, &mut outcome).await;
    outcome.broken = proxy.log().iter().filter(|it| it.met && it.step == case.step).count();
    outcome.took = begun.elapsed();
    outcome
}

async fn with_driver(
    world: &World,
    proxy: &FaultProxy,
    driver: &DockerDriver,
    bounds: &Bounds,
    outcome: &mut Outcome,
) {
    let case = outcome.case;
    let play = Play::new(case, &mut case.rng(world.setup.seed));
    let acted = timeout(bounds.task, play.act(world, driver, proxy)).await;
    // None may come once the wait has returned. Whoever drops it waits for none.
    let has_waited = matches!(&acted, Ok((Ended::Exited(_), _)));
    let samples = play.samples.load(Ordering::SeqCst);
    proxy.heal();
    let reserved = match acted {
        Err(_) => {
            outcome.hangs.push("the task".to_owned());
            true
        }
        Ok((ended, captured)) => {
            outcome.wrong.extend(judge::wrong(&play, &ended, &captured, world.forgets()));
            !matches!(ended, Ended::Failed(_)) || play.closed.times() > 0
        }
    };
    match timeout(bounds.close, driver.close()).await {
        Err(_) => outcome.hangs.push("close".to_owned()),
        Ok(Err(error)) => outcome.wrong.push(format!("close: {error}")),
        Ok(Ok(())) => {
            if has_waited && play.samples.load(Ordering::SeqCst) != samples {
                outcome.wrong.push("samples came after the end".to_owned());
            }
            let times = play.closed.times();
            if reserved && times != 1 {
                outcome.wrong.push(format!("told {times} times that it is closed"));
            }
        }
    }
}

/// Counts what is left, has it reaped as the next start would, and counts again.
pub(crate) async fn count(
    setup: &Setup,
    application: &str,
    run_dir: &std::path::Path,
    outcome: &mut Outcome,
) {
    let engine = &setup.engine;
    let left = engine.settle(application, 0, SETTLE).await.expect("the engine answers");
    outcome.left[0] = left.len();
    if left.is_empty() {
        return;
    }
    let mut next = config(&engine.address(), application, run_dir);
    // It is not the one under test: on a busy machine it may take its time.
    next.timeouts = Timeouts::default();
    match DockerDriver::open(next).await {
        Ok(driver) => {
            if let Err(error) = driver.reap(ReapOptions::new()).await {
                outcome.wrong.push(format!("reap: {error}"));
            }
            let _ = driver.close().await;
        }
        Err(error) => outcome.wrong.push(format!("open again: {error}")),
    }
    let left = engine.settle(application, 0, SETTLE).await.expect("the engine answers");
    outcome.left[1] = left.len();
    for id in left {
        let _ = engine.remove(&id).await;
    }
}
