//! Ending a task: stop and cancel.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Captured, ErrorKind, Outcome as Ending, SentFor, SentSignal, Signal, State, Task, TtySize,
};

use crate::Act;
use crate::trial::{Started, Trial, built};
use crate::verdict::Outcome;

const ASKED: SentSignal = SentSignal::new(Signal::TERM, SentFor::Stop);
const KILLED: SentSignal = SentSignal::new(Signal::KILL, SentFor::Stop);
const CANCELLED: SentSignal = SentSignal::new(Signal::KILL, SentFor::Cancel);

/// How long an immediate end may take.
const PROMPT: Duration = Duration::from_secs(20);

/// Starts a testee that says when it is ready.
async fn ready(t: &Trial, task: Task) -> Outcome<(Started, Captured)> {
    let (io, captured) = t.captured();
    let started = t.started(task.io(io)).await?;
    t.until("the task is ready", || captured.stdout() == b"ready\n").await?;
    Ok((started, captured))
}

pub(crate) async fn a_stopped_task_may_end_by_itself(t: Trial) -> Outcome {
    let (started, captured) = ready(&t, t.task(&Act::trap_term(5))).await?;
    t.ok("stop", started.running.stop(Some(PROMPT))).await?;
    assert_eq!(started.container.state(), State::Exited);
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!((exit.outcome, exit.status()), (Ending::Stopped, "killed"), "{exit:?}");
    assert_eq!((exit.code, exit.sent), (Some(5), vec![ASKED]));
    assert_eq!(captured.stdout(), b"ready\ncaught\n");
    Ok(())
}

pub(crate) async fn a_task_that_does_not_stop_is_killed(t: Trial) -> Outcome {
    let (started, _) = ready(&t, t.task(&Act::IgnoreTerm(None))).await?;
    let grace = Duration::from_millis(600);
    let before = tokio::time::Instant::now();
    t.ok("stop", started.running.stop(Some(grace))).await?;
    assert!(before.elapsed() >= grace, "{:?}", before.elapsed());
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Stopped, "{exit:?}");
    assert_eq!(exit.sent, [ASKED, KILLED]);
    Ok(())
}

pub(crate) async fn stop_uses_the_tasks_own_signal_and_grace(t: Trial) -> Outcome {
    let int = Signal::INT;
    let act = Act::TrapTerm { exit: 1, signal: int, delay: Duration::ZERO };
    let spec = t.spec(&act).stop_signal(int).stop_grace(PROMPT);
    let (started, captured) = ready(&t, Task::new(built(spec))).await?;
    t.ok("stop", started.running.stop(None)).await?;
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!(exit.sent, [SentSignal::new(int, SentFor::Stop)]);
    assert_eq!(captured.stdout(), b"ready\ncaught\n");

    let spec = t.spec(&Act::IgnoreTerm(None)).stop_grace(Duration::from_millis(500));
    let (started, _) = ready(&t, Task::new(built(spec))).await?;
    t.within(PROMPT, "stop", started.running.stop(None)).await??;
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!(exit.sent, [ASKED, KILLED]);
    Ok(())
}

pub(crate) async fn a_stop_goes_on_when_its_future_is_dropped(t: Trial) -> Outcome {
    let (started, _) = ready(&t, t.task(&Act::IgnoreTerm(None))).await?;
    let grace = Duration::from_millis(800);
    let stop = started.running.stop(Some(grace));
    let left = tokio::time::timeout(Duration::from_millis(300), stop).await;
    assert!(left.is_err(), "the stop ended before its grace: {left:?}");
    let exit = t.within(PROMPT, "wait", started.running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Stopped, "{exit:?}");
    Ok(())
}

pub(crate) async fn stopping_what_has_ended_changes_nothing(t: Trial) -> Outcome {
    let started = t.started(t.task(&Act::Exit(6))).await?;
    let exit = t.done("wait", started.running.wait()).await?;
    t.ok("stop", started.running.stop(None)).await?;
    started.running.cancel();
    assert_eq!(t.done("wait again", started.running.wait()).await?, exit);
    assert_eq!((exit.outcome, exit.sent), (Ending::Code(6), vec![]));
    Ok(())
}

pub(crate) async fn cancel_kills_at_once(t: Trial) -> Outcome {
    let (started, _) = ready(&t, t.task(&Act::IgnoreTerm(None))).await?;
    started.running.cancel();
    started.running.cancel();
    let exit = t.within(PROMPT, "wait", started.running.wait()).await?;
    assert_eq!((exit.outcome, exit.status()), (Ending::Cancelled, "cancelled"), "{exit:?}");
    assert!(exit.alternatives.is_empty(), "{exit:?}");
    assert_eq!(exit.sent, [CANCELLED]);
    Ok(())
}

pub(crate) async fn cancel_right_after_start_kills(t: Trial) -> Outcome {
    for _ in 0..5 {
        let started = t.started(t.task(&Act::Sleep(None))).await?;
        started.running.cancel();
        let exit = t.within(PROMPT, "wait", started.running.wait()).await?;
        assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}");
    }
    Ok(())
}

pub(crate) async fn cancel_wins_over_a_patient_stop(t: Trial) -> Outcome {
    let (started, _) = ready(&t, t.task(&Act::IgnoreTerm(None))).await?;
    let running = Arc::clone(&started.running);
    let stop = tokio::spawn(async move { running.stop(Some(Duration::from_secs(600))).await });
    t.pause().await;
    started.running.cancel();
    let exit = t.within(PROMPT, "wait", started.running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}");
    t.within(PROMPT, "the stop ends too", stop).await?.expect("stopping does not panic")?;
    Ok(())
}

pub(crate) async fn a_task_without_a_terminal_has_no_size(t: Trial) -> Outcome {
    let started = t.started(t.task(&Act::Sleep(None))).await?;
    let size = TtySize { rows: 24, columns: 80 };
    t.fails(ErrorKind::InvalidState, "resize", started.running.resize(size)).await?;
    Ok(())
}
