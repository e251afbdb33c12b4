//! Taking up the task of a dead owner while the connection is broken: it is taken up with every byte,
//! or it is as it was for the next who tries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use longshore_docker::DockerDriver;
use longshore_driver_api::{Captured, Driver, ErrorKind, Exit, Handle, Outcome as End, TaskIo};
use longshore_testee::{STDOUT, pattern};
use longshore_tests::{FaultProxy, Scene, Script, Step, config};
use rand::RngExt;
use tokio::time::timeout;

use crate::act::Ended;
use crate::case::{Action, Case, Often};
use crate::expect::Expected;
use crate::run::{CLOSE, Outcome, count};
use crate::world::World;

/// What the task writes: it goes on for a second after its owner's death.
const BYTES: usize = 30_000;
/// The same where it has to be there still when it is taken up, or nothing waits for it.
const MORE_BYTES: usize = 70_000;
const HEIR: &str = env!("CARGO_BIN_EXE_longshore-heir");
/// What its bytes are drawn with.
const SEED: u64 = 7;
/// The bounds of a recovery, of the rest of the task, and what a busy machine adds.
const TASK: Duration = Duration::from_secs(25);
/// A claim that was given up is free once the thread that took it is through.
const FREE: Duration = Duration::from_secs(10);

/// One recovery.
struct Taking {
    case: Case,
    handle: Handle,
    lag: Duration,
    /// Whether the task was this driver's.
    taken: AtomicBool,
}

/// Runs a case. It never fails: what went wrong is in the outcome.
pub(crate) async fn run(world: &World, case: Case) -> Outcome {
    let begun = Instant::now();
    let mut outcome = Outcome::new(case);
    let scene = Scene::new(&world.setup, "recovery");
    let lag = Duration::from_millis(case.rng(world.setup.seed).random_range(0..40));
    let taking = Taking {
        case,
        handle: scene.orphan(HEIR, bytes(&case)).await,
        lag,
        taken: AtomicBool::new(false),
    };
    let proxy =
        FaultProxy::start(world.setup.engine.socket(), Script::new()).expect("the proxy's socket");
    let mut config = config(&proxy.address(), &scene.application, &scene.run_dir());
    config.timeouts.close = CLOSE;
    let driver = DockerDriver::open(config).await.expect("opening is not broken");
    // Opening has asked for some of it.
    proxy.set_script(case.script_after(proxy.count(case.step)));
    match timeout(TASK, taking.act(&driver, &proxy)).await {
        Err(_) => outcome.hangs.push("the recovery".to_owned()),
        Ok((ended, captured)) => {
            // A task that had ended before is not waited for. A failure shows that it was met.
            let met = proxy.log().iter().any(|it| it.met && it.step == case.step);
            let failed = matches!(ended, Ended::Failed(_));
            let expected = if met || failed { Expected::of(&case) } else { Expected::Success };
            outcome.wrong.extend(taking.wrong(expected, &ended, &captured));
        }
    }
    proxy.heal();
    match timeout(CLOSE + Duration::from_secs(3), driver.close()).await {
        Err(_) => outcome.hangs.push("close".to_owned()),
        Ok(Err(error)) => outcome.wrong.push(format!("close: {error}")),
        Ok(Ok(())) => {}
    }
    if !taking.taken.load(Ordering::SeqCst) {
        let next = taking.next(&scene).await;
        outcome.wrong.extend(next.into_iter().map(|what| format!("the next one: {what}")));
    }
    count(&scene.setup, &scene.application, &scene.run_dir(), &mut outcome).await;
    outcome.broken = proxy.log().iter().filter(|it| it.met && it.step == case.step).count();
    outcome.took = begun.elapsed();
    outcome
}

fn bytes(case: &Case) -> usize {
    if case.step == Step::Wait { MORE_BYTES } else { BYTES }
}

impl Taking {
    async fn act(&self, driver: &DockerDriver, proxy: &FaultProxy) -> (Ended, Captured) {
        let (io, captured) = TaskIo::captured();
        let life = async {
            let recovered = match driver.recover(&self.handle, io).await {
                Ok(recovered) => recovered,
                Err(error) => return Ended::Failed(error),
            };
            self.taken.store(true, Ordering::SeqCst);
            let exit = recovered.running.wait().await;
            // What the engine would not remove is looked at after the driver's end.
            let _ = recovered.container.close().await;
            Ended::Exited(Box::new(exit))
        };
        let moment = async {
            proxy.met(self.case.step).await;
            tokio::time::sleep(self.lag).await;
        };
        let ended = match self.case.action {
            Action::Drop => tokio::select! {
                ended = life => ended,
                () = moment => Ended::Dropped,
            },
            // There is no container yet that could be closed.
            Action::Close => {
                let close = async {
                    moment.await;
                    let _ = driver.close().await;
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    ended = life => ended,
                    () = close => unreachable!("it waits for ever"),
                }
            }
            _ => life.await,
        };
        (ended, captured)
    }

    /// Everything that is wrong with what the caller was told.
    fn wrong(&self, expected: Expected, ended: &Ended, captured: &Captured) -> Vec<String> {
        let closes = self.case.action == Action::Close;
        match ended {
            Ended::Failed(error) => match expected {
                Expected::Failure(kind) | Expected::Either(kind) if error.kind() == kind => vec![],
                _ if closes && error.kind() == ErrorKind::Closed => vec![],
                _ => vec![format!("failed as {:?} and not {expected:?}: {error}", error.kind())],
            },
            Ended::Exited(exit) => {
                let mut wrong = Vec::new();
                if matches!(expected, Expected::Failure(_)) {
                    wrong.push(format!("did not end in {expected:?}"));
                }
                let ended_by_us = closes && exit.outcome == End::Cancelled;
                let unproven = exit.outcome == End::Lost && self.case.leaves_no_proof();
                if exit.outcome != End::Code(0) && !ended_by_us && !unproven {
                    let why = &exit.engine_error;
                    wrong.push(format!("the outcome is {:?} ({why:?})", exit.outcome));
                }
                let all = !closes && self.case.often != Often::UntilClose;
                wrong.extend(self.output(exit, captured, all));
                wrong
            }
            Ended::Dropped | Ended::Pulled => vec![],
        }
    }

    /// What is wrong with the output. `all`: nothing keeps the driver from the whole of it.
    fn output(&self, exit: &Exit, captured: &Captured, all: bool) -> Option<String> {
        let from = usize::try_from(self.handle.stdout()).expect("a few");
        let all_bytes = pattern(SEED, STDOUT).bytes_of(bytes(&self.case));
        let (rest, came, report) = (&all_bytes[from..], captured.stdout(), exit.output.stdout);
        let short = came.len() < rest.len();
        let what = if !rest.starts_with(&came) {
            "these are not the task's bytes"
        } else if short && all {
            "bytes are missing that the engine has kept"
        } else if short && exit.outcome == End::Code(0) && !report.is_incomplete() {
            "bytes are missing and that is not said"
        } else {
            return None;
        };
        Some(format!("{what}: {} of {} from {from}, {report:?}", came.len(), rest.len()))
    }

    /// Takes the task up once more, over a whole connection: nothing of it is lost.
    async fn next(&self, scene: &Scene) -> Vec<String> {
        let driver = scene.driver(false).await;
        let until = Instant::now() + FREE;
        let wrong = loop {
            let (io, captured) = TaskIo::captured();
            match driver.recover(&self.handle, io).await {
                Ok(recovered) => {
                    let exit = recovered.running.wait().await;
                    let mut wrong: Vec<_> =
                        self.output(&exit, &captured, true).into_iter().collect();
                    if exit.outcome != End::Code(0) {
                        wrong.push(format!("the outcome is {:?}", exit.outcome));
                    }
                    if let Err(error) = recovered.container.close().await {
                        wrong.push(format!("close: {error}"));
                    }
                    break wrong;
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::OwnerAlive | ErrorKind::Busy)
                        && Instant::now() < until =>
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => break vec![format!("{:?}: {error}", error.kind())],
            }
        };
        driver.close().await.expect("it has nothing");
        wrong
    }
}

impl Case {
    /// Every recovery, in a fixed order.
    pub(crate) fn of_recoveries() -> Vec<Self> {
        let steps = [Step::Info, Step::Inspect, Step::Wait, Step::Logs];
        let actions = [Action::Wait, Action::Drop, Action::Close];
        let mut cases = Vec::new();
        for step in steps {
            for action in actions {
                for often in [Often::Once, Often::UntilClose] {
                    cases.extend(Self::each_fault(step, often, action));
                }
            }
        }
        // The first reading of a log is to know whether it is whole, the next one is told.
        for action in actions {
            cases.extend(Self::each_fault(Step::Logs, Often::Next, action));
        }
        cases
    }
}
