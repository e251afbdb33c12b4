//! Frozen containers.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    ContainerExt as _, ErrorKind, Outcome as Ending, Signal, State, Task, TaskIo,
};

use crate::tools::{Taken, Writer};
use crate::trial::{Started, Trial, built};
use crate::verdict::Outcome;
use crate::{Act, Write};

/// How long an end may take that does not wait for the frozen task.
const PROMPT: Duration = Duration::from_secs(30);

/// A running task that can be frozen. `None` where the driver cannot freeze, and says so.
async fn freezable(t: &Trial, task: Task) -> Outcome<Option<Started>> {
    let started = t.started(task).await?;
    if t.caps().freeze {
        return Ok(Some(started));
    }
    let container = &started.container;
    t.fails(ErrorKind::Unsupported, "freeze", container.freeze()).await?;
    t.fails(ErrorKind::Unsupported, "unfreeze", container.unfreeze()).await?;
    assert_eq!(container.state(), State::Running);
    Ok(None)
}

/// The same, frozen.
async fn frozen(t: &Trial, task: Task) -> Outcome<Option<Started>> {
    let Some(started) = freezable(t, task).await? else { return Ok(None) };
    t.ok("freeze", started.container.freeze()).await?;
    assert_eq!(started.container.state(), State::Frozen);
    Ok(Some(started))
}

pub(crate) async fn freezing_is_idempotent(t: Trial) -> Outcome {
    let task = t.task(&Act::Sleep(None));
    let Some(Started { container, .. }) = freezable(&t, task).await? else { return Ok(()) };
    t.ok("unfreeze what is not frozen", container.unfreeze()).await?;
    for _ in 0..2 {
        t.ok("freeze", container.freeze()).await?;
        assert_eq!(container.state(), State::Frozen);
    }
    for _ in 0..2 {
        t.ok("unfreeze", container.unfreeze()).await?;
        assert_eq!(container.state(), State::Running);
    }
    Ok(())
}

/// A task that writes a little all the time, which shows whether it really runs.
fn ticking(t: &Trial) -> (Task, Taken) {
    let rate = Some(50_000);
    let act = Write { stdout: 1 << 40, stderr: 0, chunk: 500, seed: t.seed(), rate };
    let (writer, taken) = Writer::slow(1 << 20, Duration::ZERO);
    (t.task(&Act::Write(act)).io(TaskIo::none().stdout(writer)), taken)
}

async fn goes_on(t: &Trial, taken: &Taken) -> Outcome {
    let at = taken.len();
    t.until("the task writes", || taken.len() > at).await
}

async fn stands_still(taken: &Taken) {
    // What was on its way may still come.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let at = taken.len();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(taken.len(), at, "a frozen task wrote");
}

pub(crate) async fn a_frozen_task_writes_nothing(t: Trial) -> Outcome {
    let (task, taken) = ticking(&t);
    let Some(Started { container, .. }) = freezable(&t, task).await? else { return Ok(()) };
    goes_on(&t, &taken).await?;
    t.ok("freeze", container.freeze()).await?;
    stands_still(&taken).await;
    t.ok("unfreeze", container.unfreeze()).await?;
    goes_on(&t, &taken).await
}

pub(crate) async fn freezing_back_to_back_never_fails(t: Trial) -> Outcome {
    let (task, taken) = ticking(&t);
    let Some(Started { container, .. }) = freezable(&t, task).await? else { return Ok(()) };
    for _ in 0..if t.soak() { 500 } else { 20 } {
        t.ok("freeze", container.freeze()).await?;
        assert_eq!(container.state(), State::Frozen);
        t.ok("unfreeze", container.unfreeze()).await?;
        assert_eq!(container.state(), State::Running);
    }
    goes_on(&t, &taken).await?;
    t.ok("freeze", container.freeze()).await?;
    stands_still(&taken).await;
    Ok(())
}

pub(crate) async fn the_timeout_stands_still_while_frozen(t: Trial) -> Outcome {
    let (timeout, pause) = (Duration::from_secs(2), Duration::from_secs(3));
    let task = Task::new(built(t.spec(&Act::Sleep(None)).timeout(timeout)));
    let Some(Started { container, running }) = frozen(&t, task).await? else { return Ok(()) };
    tokio::time::sleep(pause).await;
    assert_eq!(container.state(), State::Frozen, "it ended while it was frozen");
    t.ok("unfreeze", container.unfreeze()).await?;
    assert_eq!(container.state(), State::Running);
    let exit = t.within(PROMPT, "wait", running.wait()).await?;
    assert_eq!(exit.outcome, Ending::TimedOut, "{exit:?}");
    // The time until it was frozen counted, so a part of the timeout was over before.
    let run = exit.timings.run.unwrap_or_default();
    assert!(run >= pause + timeout - Duration::from_millis(100), "ended after {run:?}");
    Ok(())
}

pub(crate) async fn a_signal_does_not_wake_a_frozen_task(t: Trial) -> Outcome {
    let usr1 = Signal::from_number(10).expect("a signal");
    let (io, captured) = t.captured();
    let act = Act::TrapTerm { exit: 9, signal: usr1, delay: Duration::ZERO };
    let Some(Started { container, running }) = freezable(&t, t.task(&act).io(io)).await? else {
        return Ok(());
    };
    t.until("the task is ready", || captured.stdout() == b"ready\n").await?;
    t.ok("freeze", container.freeze()).await?;
    t.ok("signal", running.signal(usr1)).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(container.state(), State::Frozen);
    assert_eq!(captured.stdout(), b"ready\n", "it was woken");
    t.ok("unfreeze", container.unfreeze()).await?;
    let exit = t.within(PROMPT, "wait", running.wait()).await?;
    assert_eq!((exit.outcome, exit.sent.len()), (Ending::Code(9), 1), "{exit:?}");
    Ok(())
}

pub(crate) async fn cancel_wins_over_freeze(t: Trial) -> Outcome {
    let task = t.task(&Act::IgnoreTerm(None));
    let Some(Started { running, .. }) = frozen(&t, task).await? else { return Ok(()) };
    running.cancel();
    let exit = t.within(PROMPT, "wait", running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}");
    Ok(())
}

pub(crate) async fn stop_wins_over_freeze(t: Trial) -> Outcome {
    let (io, captured) = t.captured();
    let task = t.task(&Act::trap_term(3)).io(io);
    let Some(Started { container, running }) = freezable(&t, task).await? else { return Ok(()) };
    t.until("the task is ready", || captured.stdout() == b"ready\n").await?;
    t.ok("freeze", container.freeze()).await?;
    t.within(PROMPT, "stop", running.stop(Some(Duration::from_secs(10)))).await??;
    let exit = t.within(PROMPT, "wait", running.wait()).await?;
    assert_eq!((exit.outcome, exit.code), (Ending::Stopped, Some(3)), "{exit:?}");
    Ok(())
}

pub(crate) async fn close_wins_over_freeze(t: Trial) -> Outcome {
    let task = t.task(&Act::IgnoreTerm(None));
    let Some(Started { container, running }) = frozen(&t, task).await? else { return Ok(()) };
    t.within(PROMPT, "close", container.close()).await??;
    assert_eq!(t.done("wait", running.wait()).await?.outcome, Ending::Cancelled);
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn what_does_not_run_cannot_be_frozen(t: Trial) -> Outcome {
    let kind = if t.caps().freeze { ErrorKind::InvalidState } else { ErrorKind::Unsupported };
    let container = t.driver().container(t.task(&Act::Exit(0)))?;
    t.fails(kind, "freeze what is reserved", container.freeze()).await?;
    t.ok("ensure the image", container.ensure_image()).await?;
    t.ok("create", container.create()).await?;
    t.fails(kind, "freeze what is created", container.freeze()).await?;
    t.fails(kind, "unfreeze what is created", container.unfreeze()).await?;
    let running = t.ok("start", container.start()).await?;
    t.done("wait", running.wait()).await?;
    t.fails(kind, "freeze what has ended", container.freeze()).await?;
    assert_eq!(container.state(), State::Exited);
    Ok(())
}

pub(crate) async fn freezing_from_many_tasks_ends_in_one_state(t: Trial) -> Outcome {
    let (task, taken) = ticking(&t);
    let Some(Started { container, .. }) = freezable(&t, task).await? else { return Ok(()) };
    let calls: Vec<_> = (0..10)
        .map(|number| {
            let container = Arc::clone(&container);
            tokio::spawn(async move {
                if number % 2 == 0 { container.freeze().await } else { container.unfreeze().await }
            })
        })
        .collect();
    for call in calls {
        t.done("freeze and unfreeze", call).await?.expect("freezing does not panic")?;
    }
    t.ok("unfreeze", container.unfreeze()).await?;
    assert_eq!(container.state(), State::Running);
    goes_on(&t, &taken).await?;
    t.ok("freeze", container.freeze()).await?;
    assert_eq!(container.state(), State::Frozen);
    stands_still(&taken).await;
    Ok(())
}
