//! One run, from the proxy to the count of what is left.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use longshore_docker::{DockerDriver, StatsSource, Timeouts};
use longshore_driver_api::{Driver, ReapOptions};
use longshore_tests::{FaultProxy, Setup, Step, application, config};
use tokio::time::timeout;

use crate::act::{Ended, Play};
use crate::case::Case;
use crate::judge;

/// Opening: two calls, each tried a few times.
const OPEN: Duration = Duration::from_secs(20);
/// The task: every call of its life running into its bound, and the longest program.
const TASK: Duration = Duration::from_secs(45);
/// More than the driver's own bound for closing.
const CLOSE: Duration = Duration::from_secs(35);
/// The engine finishes removals after it has answered.
const SETTLE: Duration = Duration::from_secs(5);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) case: Case,
    /// Requests that were broken.
    pub(crate) broken: usize,
    /// What the driver told wrongly.
    pub(crate) wrong: Vec<String>,
    /// What went on beyond its bound.
    pub(crate) hangs: Vec<String>,
    /// Containers that were left after the driver was closed, and after a reaper's pass.
    pub(crate) left: [usize; 2],
    pub(crate) took: Duration,
}

/// Runs a case. It never fails: what went wrong is in the outcome.
pub(crate) async fn run(setup: Setup, case: Case) -> Outcome {
    let begun = Instant::now();
    let mut outcome = Outcome {
        case,
        broken: 0,
        wrong: vec![],
        hangs: vec![],
        left: [0; 2],
        took: Duration::ZERO,
    };
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
    match timeout(OPEN, DockerDriver::open(config.clone())).await {
        Err(_) => outcome.hangs.push("open".to_owned()),
        Ok(Err(error)) => {
            let around = matches!(case.step, Step::Version | Step::Info);
            if !around || case.is_harmless() {
                outcome.wrong.push(format!("open failed without need: {error}"));
            }
            proxy.heal();
        }
        Ok(Ok(driver)) => with_driver(&setup, &proxy, &driver, &mut outcome).await,
    }
    proxy.heal();
    count(&setup, &application, &run_dir, &mut outcome).await;
    outcome.broken = proxy.log().iter().filter(|passed| passed.fault.is_some()).count();
    outcome.took = begun.elapsed();
    outcome
}

async fn with_driver(
    setup: &Setup,
    proxy: &FaultProxy,
    driver: &DockerDriver,
    outcome: &mut Outcome,
) {
    let case = outcome.case;
    let play = Play::new(case, &mut case.rng(setup.seed));
    let acted = timeout(TASK, play.act(setup, driver, proxy)).await;
    let samples = play.samples.load(Ordering::SeqCst);
    proxy.heal();
    let reserved = match acted {
        Err(_) => {
            outcome.hangs.push("the task".to_owned());
            true
        }
        Ok((ended, captured)) => {
            outcome.wrong.extend(judge::wrong(&play, &ended, &captured));
            !matches!(ended, Ended::Failed(_)) || play.closed.times() > 0
        }
    };
    match timeout(CLOSE, driver.close()).await {
        Err(_) => outcome.hangs.push("close".to_owned()),
        Ok(Err(error)) => outcome.wrong.push(format!("close: {error}")),
        Ok(Ok(())) => {
            if play.samples.load(Ordering::SeqCst) != samples {
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
async fn count(setup: &Setup, application: &str, run_dir: &std::path::Path, outcome: &mut Outcome) {
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
