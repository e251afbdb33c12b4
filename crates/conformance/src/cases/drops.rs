//! Dropped futures and handles.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Container, ContainerExt as _, Driver, DriverExt as _, Outcome as Ending, Result, Running, State,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::Act;
use crate::run::Runtime;
use crate::tools::{Counting, poll_at_most};
use crate::trial::{Started, Trial};
use crate::verdict::{Outcome, Stop};

/// Where to drop a future: after how many polls, or after how much time.
#[derive(Debug, Clone, Copy)]
enum At {
    Polls(usize),
    Time(Duration),
}

/// All of the first await points, then a sample with growing gaps; all where that costs nothing or
/// everything is asked for. Against an engine also points in time, for the waits in between.
fn points(t: &Trial) -> Vec<At> {
    let mut random = StdRng::seed_from_u64(t.seed());
    let all = t.soak() || t.runtime() == Runtime::Paused;
    let mut points: Vec<At> = Vec::new();
    let mut polls = 0;
    while points.len() < if all { 400 } else { 16 } {
        points.push(At::Polls(polls));
        polls += if all || polls < 6 { 1 } else { random.random_range(1..4) };
    }
    if t.runtime() == Runtime::Real {
        let steps: &[u64] = if t.soak() {
            &[0, 1, 2, 4, 8, 15, 30, 60, 90, 120, 200, 400, 800]
        } else {
            &[1, 5, 20, 60, 150, 400]
        };
        let jitter = random.random_range(0..1000);
        points
            .extend(steps.iter().map(|step| At::Time(Duration::from_micros(step * 1000 + jitter))));
    }
    points
}

/// Drops what `make` makes at one await point after the other, until it comes to its end before.
/// Whatever it left is removed behind our back.
async fn dropped_everywhere<M, F, T>(t: &Trial, step: &str, make: M) -> Outcome
where
    M: Fn() -> F + Send + Sync,
    F: Future<Output = Result<T>> + Send,
    T: Send,
{
    let mut ended_by_polls = false;
    for at in points(t) {
        match at {
            At::Polls(_) if ended_by_polls => {}
            At::Polls(polls) => {
                let name = format!("{step}, dropped after {polls} polls");
                if let Some(ended) = t.done(&name, poll_at_most(polls, make())).await? {
                    ended?;
                    ended_by_polls = true;
                }
            }
            At::Time(time) => {
                let name = format!("{step}, dropped after {time:?}");
                let ended = t.done(&name, tokio::time::timeout(time, make())).await?;
                ended.map_or(Ok(()), |ended| ended.map(drop))?;
            }
        }
        if t.runtime() == Runtime::Paused || t.soak() {
            t.nothing_left().await?;
        }
    }
    t.nothing_left().await?;
    // The driver is none the worse for it.
    assert!(t.run(t.task(&Act::Exit(0))).await?.is_success());
    Ok(())
}

pub(crate) async fn running_a_task(t: Trial) -> Outcome {
    let act = Act::write(100, t.seed());
    dropped_everywhere(&t, "run a task", || {
        let (io, _) = t.captured();
        t.driver().run_task(t.task(&act).io(io))
    })
    .await
}

pub(crate) async fn preparing(t: Trial) -> Outcome {
    dropped_everywhere(&t, "prepare", || t.driver().prepare(t.task(&Act::Sleep(None)))).await
}

pub(crate) async fn creating(t: Trial) -> Outcome {
    dropped_everywhere(&t, "create", || {
        let container = t.driver().container(t.task(&Act::Sleep(None)));
        async move {
            let container = container?;
            container.create().await
        }
    })
    .await
}

/// A call on a container that is made ready for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Start,
    Freeze,
    Close,
}

impl Call {
    async fn make(self, container: Arc<dyn Container>) -> Result<()> {
        match self {
            Self::Start => container.start().await.map(drop),
            Self::Freeze => container.freeze().await,
            Self::Close => container.close().await,
        }
    }
}

async fn dropped_in_call(t: &Trial, call: Call) -> Outcome {
    let mut ended_by_polls = false;
    for at in points(t) {
        if ended_by_polls && matches!(at, At::Polls(_)) {
            continue;
        }
        let hooks = Counting::new();
        let task = t.task(&Act::Sleep(None)).hooks(Arc::clone(&hooks) as _);
        let container = t.prepared(task).await?;
        if call != Call::Start {
            t.ok("start", container.start()).await?;
        }
        let name = format!("{call:?}, dropped at {at:?}");
        let future = call.make(Arc::clone(&container));
        let ended = match at {
            At::Polls(polls) => {
                let ended = t.done(&name, poll_at_most(polls, future)).await?;
                ended_by_polls = ended.is_some();
                ended
            }
            At::Time(time) => t.done(&name, tokio::time::timeout(time, future)).await?.ok(),
        };
        ended.unwrap_or(Ok(()))?;
        if call == Call::Freeze {
            t.ok("unfreeze, whether it was frozen or not", container.unfreeze()).await?;
            assert_eq!(container.state(), State::Running, "after {at:?}");
        }
        t.ok("close after that", container.close()).await?;
        assert_eq!(container.state(), State::Closed);
        assert_eq!(hooks.closed(), 1, "calls of the hook after {at:?}");
        assert_eq!(t.leftovers().await?, [""; 0], "after {at:?}");
    }
    Ok(())
}

pub(crate) async fn starting(t: Trial) -> Outcome {
    dropped_in_call(&t, Call::Start).await
}

pub(crate) async fn a_start_that_is_dropped_closes_the_container(t: Trial) -> Outcome {
    let container = t.prepared(t.task(&Act::Sleep(None))).await?;
    if let Some(started) = t.done("start", poll_at_most(1, container.start())).await? {
        // The driver needs no await point to start: there is none to be dropped at.
        drop(started?);
        return Ok(());
    }
    t.until("the container is closed", || container.state() == State::Closed).await?;
    t.nothing_left().await
}

pub(crate) async fn freezing(t: Trial) -> Outcome {
    if !t.caps().freeze {
        let started = t.started(t.task(&Act::Sleep(None))).await?;
        let kind = longshore_driver_api::ErrorKind::Unsupported;
        t.fails(kind, "freeze", started.container.freeze()).await?;
        return Ok(());
    }
    dropped_in_call(&t, Call::Freeze).await
}

pub(crate) async fn closing(t: Trial) -> Outcome {
    dropped_in_call(&t, Call::Close).await
}

pub(crate) async fn a_dropped_close_goes_on(t: Trial) -> Outcome {
    for polls in 0..4 {
        let Started { container, running } = t.started(t.task(&Act::Sleep(None))).await?;
        t.done("close, dropped", poll_at_most(polls, container.close())).await?;
        if polls == 0 {
            // Nothing has begun; what drops last does it.
            drop((container, running));
        }
        t.nothing_left().await?;
    }
    Ok(())
}

pub(crate) async fn waiting(t: Trial) -> Outcome {
    let Started { running, .. } = t.started(t.task(&Act::trap_term(3))).await?;
    for time in [0, 1, 10, 100] {
        let waited = tokio::time::timeout(Duration::from_millis(time), running.wait()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
    running.cancel();
    let exit = t.done("wait", running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}");
    Ok(())
}

pub(crate) async fn the_last_handle_closes(t: Trial) -> Outcome {
    for order in 0..4 {
        let hooks = Counting::new();
        let task = t.task(&Act::Sleep(None)).hooks(Arc::clone(&hooks) as _);
        let Started { container, running } = t.started(task).await?;
        match order {
            0 => drop((container, running)),
            1 => drop((running, container)),
            2 => {
                drop(running);
                t.pause().await;
                assert_eq!(container.state(), State::Running, "one handle is left");
                drop(container);
            }
            _ => {
                drop(container);
                t.pause().await;
                drop(running);
            }
        }
        t.nothing_left().await?;
        t.until("the hook is called", || hooks.closed() == 1).await?;
    }
    let container = t.prepared(t.task(&Act::Sleep(None))).await?;
    drop(container);
    t.nothing_left().await
}

pub(crate) async fn a_task_outlives_its_container_handle(t: Trial) -> Outcome {
    let (io, captured) = t.captured();
    let Started { container, running } =
        t.started(t.task(&Act::write(9000, t.seed())).io(io)).await?;
    drop(container);
    let exit = t.done("wait", running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    assert_eq!(captured.stdout().len(), 9000);
    drop(running);
    t.nothing_left().await
}

/// Handles as somebody else would hold them.
type Handles = (Arc<dyn Driver>, Vec<Arc<dyn Container>>, Option<Arc<dyn Running>>);

/// Opens a driver that nobody closes, with a container at each stage.
async fn unowned(t: &Trial) -> Outcome<Handles> {
    let driver = t.ok("open a driver", t.fixture().open()).await?;
    let reserved = driver.container(t.task(&Act::Exit(0)))?;
    let created = t.ok("prepare", driver.prepare(t.task(&Act::Exit(0)))).await?;
    let started = t.ok("prepare", driver.prepare(t.task(&Act::IgnoreTerm(None)))).await?;
    let running = t.ok("start", started.start()).await?;
    Ok((driver, vec![reserved, created, started], Some(running)))
}

pub(crate) async fn a_driver_that_is_dropped_leaves_nothing(t: Trial) -> Outcome {
    let (driver, containers, running) = unowned(&t).await?;
    drop(driver);
    drop(containers);
    drop(running);
    t.nothing_left().await?;

    let (driver, containers, running) = unowned(&t).await?;
    drop(running);
    drop(containers);
    drop(driver);
    t.nothing_left().await
}

pub(crate) async fn outside_of_a_runtime(t: Trial) -> Outcome {
    for runtime_first in [true, false] {
        let inside = t.clone();
        let work = tokio::task::spawn_blocking(move || {
            // A plain thread: not even this one's runtime is around when the handles go.
            let thread = std::thread::spawn(move || drop_by_hand(&inside, runtime_first));
            thread.join().unwrap_or_else(|_| Err(Stop::failed("dropping a handle panics")))
        });
        t.done("drop everything", work).await?.expect("a panic has been caught")?;
        t.nothing_left().await?;
    }
    Ok(())
}

/// Makes handles in a runtime of its own, and drops them after it or before.
fn drop_by_hand(t: &Trial, runtime_first: bool) -> Outcome {
    let runtime = crate::run::build(t.runtime());
    let handles = runtime.block_on(unowned(t))?;
    if runtime_first {
        drop(runtime);
        drop(handles);
    } else {
        drop(handles);
        drop(runtime);
    }
    Ok(())
}

pub(crate) async fn a_pull_or_a_question(t: Trial) -> Outcome {
    for polls in 0..6 {
        let container = t.driver().container(t.task(&Act::Exit(0)))?;
        t.done("ask, dropped", poll_at_most(polls, container.image_status())).await?;
        t.done("ping, dropped", poll_at_most(polls, t.driver().ping())).await?;
        t.ok("ensure the image", container.ensure_image()).await?;
        t.ok("create", container.create()).await?;
        t.ok("close", container.close()).await?;
    }
    Ok(())
}
