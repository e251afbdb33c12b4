//! Runs one case: a runtime of its own, a bound, and the check for what is left.

use std::any::Any;
use std::io::Write as _;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::fixture::AnyFixture;
use crate::suite::{Case, Length};
use crate::trial::{Step, Trial};
use crate::verdict::{Outcome, Stop};
use crate::{Fixture, Hosting, Verdict};

/// How much longer than a case the check afterwards may take before its thread is given up.
const CLEANING: Duration = Duration::from_secs(90);

/// On what cases run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runtime {
    /// One thread whose time is paused and jumps forward when nothing else is to be done: for
    /// backends in memory.
    Paused,
    /// Several threads and real time: for engines.
    Real,
}

/// Runs one case by its name, `module::case`, and says what came of it.
///
/// The fixture is made inside of the runtime that the case runs on. When the case is over, whatever
/// came of it, every driver is closed, and whatever is left on the engine or in the runtime then is
/// a failure too.
///
/// # Panics
///
/// If there is no case of that name.
pub fn try_case<F, M>(name: &str, runtime: Runtime, fixture: M) -> Verdict
where
    F: Fixture,
    M: FnOnce() -> F + Send + 'static,
{
    let case = crate::suite::find(name);
    let length = length(case.length);
    let step = Arc::new(Step::default());
    let (tell, told) = mpsc::channel();
    let at = Arc::clone(&step);
    // A thread of its own, because a driver that blocks its runtime's threads would never let a
    // bound inside of the runtime pass.
    let runner = thread::Builder::new().name(case.name.to_owned()).spawn(move || {
        // Nobody listens any more if the bound has passed.
        let _ = tell.send(on_runtime(case, runtime, length, fixture, at));
    });
    if let Err(error) = runner {
        return Verdict::Failed(format!("cannot start a thread: {error}"));
    }
    let verdict = match told.recv_timeout(length + CLEANING) {
        Ok(verdict) => verdict,
        Err(mpsc::RecvTimeoutError::Timeout) => Verdict::Failed(format!(
            "stuck: the runtime's threads are blocked, or something keeps them busy; the last step was {:?}",
            step.get()
        )),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Verdict::Failed(format!("the runtime panicked; the last step was {:?}", step.get()))
        }
    };
    match verdict {
        Verdict::Failed(text) => Verdict::Failed(format!(
            "{}: {text}\n  the contract: {}\n  again: LONGSHORE_SEED={}",
            case.name,
            case.sentence,
            seed()
        )),
        verdict => verdict,
    }
}

/// Runs one case as a test: a failure panics, a skip is printed even where output is captured.
///
/// # Panics
///
/// If the case fails, or there is none of that name.
pub fn test_case<F, M>(name: &str, runtime: Runtime, fixture: M)
where
    F: Fixture,
    M: FnOnce() -> F + Send + 'static,
{
    match try_case(name, runtime, fixture) {
        Verdict::Passed => {}
        Verdict::Skipped(reason) => {
            // Not `eprintln!`, which a test harness keeps to itself when a test passes. Where
            // stderr is closed there is nobody to tell.
            // In one piece, so that nothing of another process comes in between.
            let line = format!("SKIPPED {name}: {reason}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        Verdict::Failed(text) => panic!("{text}"),
    }
}

/// Whether everything is to be run at full size.
pub(crate) fn soak() -> bool {
    std::env::var_os("LONGSHORE_SOAK").is_some_and(|value| value == "1")
}

fn seed() -> u64 {
    std::env::var("LONGSHORE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn length(length: Length) -> Duration {
    let minutes = match length {
        Length::Short => 3,
        Length::Long => 10,
    };
    Duration::from_secs(60 * minutes) * if soak() { 10 } else { 1 }
}

/// Lets real time pass. While it does, paused time does not jump forward.
pub(crate) async fn real_sleep(time: Duration) {
    // It fails only while the runtime ends, and then nobody needs the time.
    let _ = tokio::task::spawn_blocking(move || thread::sleep(time)).await;
}

pub(crate) fn build(runtime: Runtime) -> tokio::runtime::Runtime {
    let built = match runtime {
        Runtime::Paused => Builder::new_current_thread().enable_all().start_paused(true).build(),
        Runtime::Real => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    };
    built.expect("the operating system gives a runtime its threads and descriptors")
}

fn on_runtime<F, M>(
    case: Case,
    runtime: Runtime,
    length: Duration,
    fixture: M,
    step: Arc<Step>,
) -> Verdict
where
    F: Fixture,
    M: FnOnce() -> F,
{
    let tokio = build(runtime);
    let verdict = tokio.block_on(async {
        let fixture = fixture();
        if let Hosting::No(reason) = fixture.hosts(case.name) {
            return Verdict::Skipped(reason);
        }
        guarded(case, runtime, length, Arc::new(fixture), step).await
    });
    tokio.shutdown_timeout(Duration::from_secs(1));
    verdict
}

async fn guarded(
    case: Case,
    runtime: Runtime,
    length: Duration,
    fixture: Arc<dyn AnyFixture>,
    step: Arc<Step>,
) -> Verdict {
    step.set("open the driver");
    let driver = match fixture.open().await {
        Ok(driver) => driver,
        Err(error) => return Verdict::Failed(format!("cannot open the driver: {error:?}")),
    };
    let mixed = case.name.bytes().fold(seed(), |seed, byte| {
        seed.wrapping_mul(0x0000_0100_0000_01b3).wrapping_add(u64::from(byte))
    });
    let trial = Trial::new(case.name, fixture, driver, runtime, mixed, Arc::clone(&step));
    let outcome = bounded(case, length, &trial, &step).await;
    let clean = match tokio::time::timeout(length, trial.finish()).await {
        Ok(finished) => finished,
        Err(_) => Err(Stop::Failed(format!("stuck while cleaning up, at {:?}", step.get()))),
    };
    drop(trial);
    let clean = match clean {
        Ok(()) => no_task_left(runtime).await,
        failed => failed,
    };
    match (outcome, clean) {
        (Ok(()), Ok(())) => Verdict::Passed,
        (Err(Stop::Skipped(reason)), Ok(())) => Verdict::Skipped(reason),
        (Err(Stop::Failed(text)), Err(Stop::Failed(more))) => {
            Verdict::Failed(format!("{text}\n  and then: {more}"))
        }
        (Err(Stop::Failed(text)), _) | (_, Err(Stop::Failed(text))) => Verdict::Failed(text),
        (_, Err(Stop::Skipped(reason))) => Verdict::Failed(reason),
    }
}

/// Runs the case on a task of its own, so that a panic of it is a result like any other.
async fn bounded(case: Case, length: Duration, trial: &Trial, step: &Step) -> Outcome {
    let mut task = tokio::spawn((case.run)(trial.clone()));
    match tokio::time::timeout(length, &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(ended)) => Err(Stop::Failed(match ended.try_into_panic() {
            Ok(panic) => text_of(&*panic),
            Err(cancelled) => cancelled.to_string(),
        })),
        Err(_) => {
            task.abort();
            // Whatever the case held is dropped when this returns.
            let _ = task.await;
            Err(Stop::Failed(format!(
                "not over after {length:?}; its last step was {:?}",
                step.get()
            )))
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panicked").to_owned()
}

/// Sees that the driver's tasks end with the driver.
async fn no_task_left(runtime: Runtime) -> Outcome {
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..200 {
        if metrics.num_alive_tasks() == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        if runtime == Runtime::Paused {
            real_sleep(Duration::from_millis(1)).await;
        }
    }
    let left = metrics.num_alive_tasks();
    Err(Stop::Failed(format!("{left} tasks of the runtime outlive the closed driver")))
}
