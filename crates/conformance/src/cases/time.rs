//! Timeouts.

use std::time::Duration;

use longshore_driver_api::{
    Captured, Exit, Outcome as Ending, SentFor, SentSignal, Signal, Task, TaskSpecBuilder,
};

use crate::Act;
use crate::trial::{Trial, built};
use crate::verdict::Outcome;

/// Long enough for the testee to be ready.
const TIMEOUT: Duration = Duration::from_secs(2);

const ASKED: SentSignal = SentSignal::new(Signal::TERM, SentFor::Timeout);
const KILLED: SentSignal = SentSignal::new(Signal::KILL, SentFor::Timeout);

async fn timed_out(t: &Trial, spec: TaskSpecBuilder) -> Outcome<(Exit, Captured)> {
    let (io, captured) = t.captured();
    let exit = t.run(Task::new(built(spec.timeout(TIMEOUT))).io(io)).await?;
    assert_eq!((exit.outcome, exit.status()), (Ending::TimedOut, "timeout"), "{exit:?}");
    assert!(exit.alternatives.is_empty(), "{exit:?}");
    assert!(exit.timings.run.is_some_and(|run| run >= TIMEOUT), "{:?}", exit.timings);
    assert!(!exit.output.is_incomplete(), "{exit:?}");
    Ok((exit, captured))
}

pub(crate) async fn a_task_ends_at_its_timeout(t: Trial) -> Outcome {
    let grace = Duration::from_secs(30);
    let (exit, _) = timed_out(&t, t.spec(&Act::Sleep(None)).stop_grace(grace)).await?;
    assert_eq!(exit.sent, [ASKED]);
    assert!(exit.timings.run.is_some_and(|run| run < grace), "{:?}", exit.timings);
    Ok(())
}

pub(crate) async fn a_task_that_does_not_obey_is_killed_after_its_grace(t: Trial) -> Outcome {
    let grace = Duration::from_millis(600);
    let spec = t.spec(&Act::IgnoreTerm(None)).stop_grace(grace);
    let (exit, captured) = timed_out(&t, spec).await?;
    assert_eq!(exit.sent, [ASKED, KILLED]);
    assert!(exit.timings.run.is_some_and(|run| run >= TIMEOUT + grace), "{:?}", exit.timings);
    assert_eq!(captured.stdout(), b"ready\n");
    Ok(())
}

pub(crate) async fn a_task_that_ends_well_when_asked_is_timed_out_all_the_same(
    t: Trial,
) -> Outcome {
    for code in [0, 5] {
        let (exit, captured) = timed_out(&t, t.spec(&Act::trap_term(code))).await?;
        assert_eq!(exit.code, Some(i32::from(code)));
        assert_eq!(exit.sent, [ASKED]);
        assert_eq!(captured.stdout(), b"ready\ncaught\n");
    }
    Ok(())
}

pub(crate) async fn no_grace_is_an_immediate_kill(t: Trial) -> Outcome {
    let spec = t.spec(&Act::IgnoreTerm(None)).stop_grace(Duration::ZERO);
    let (exit, _) = timed_out(&t, spec).await?;
    assert_eq!(exit.sent.last(), Some(&KILLED));
    Ok(())
}

pub(crate) async fn the_timeout_asks_with_the_tasks_own_signal(t: Trial) -> Outcome {
    let usr1 = Signal::from_number(10).expect("a signal");
    let act = Act::TrapTerm { exit: 0, signal: usr1, delay: Duration::ZERO };
    let (exit, captured) = timed_out(&t, t.spec(&act).stop_signal(usr1)).await?;
    assert_eq!(exit.sent, [SentSignal::new(usr1, SentFor::Timeout)]);
    assert_eq!(captured.stdout(), b"ready\ncaught\n");
    Ok(())
}

pub(crate) async fn a_task_that_ends_in_time_is_not_timed_out(t: Trial) -> Outcome {
    let act = Act::Sleep(Some(Duration::from_millis(200)));
    let started = t.started(Task::new(built(t.spec(&act).timeout(TIMEOUT * 2)))).await?;
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!((exit.outcome, exit.status()), (Ending::Code(0), "success"), "{exit:?}");
    assert!(exit.sent.is_empty(), "{exit:?}");
    tokio::time::sleep(TIMEOUT * 2).await;
    assert_eq!(t.done("wait after the timeout", started.running.wait()).await?, exit);
    Ok(())
}

pub(crate) async fn the_timeout_counts_from_the_start_of_the_process(t: Trial) -> Outcome {
    let act = Act::Sleep(Some(Duration::from_millis(300)));
    let container = t.prepared(Task::new(built(t.spec(&act).timeout(TIMEOUT)))).await?;
    tokio::time::sleep(TIMEOUT + Duration::from_millis(200)).await;
    let running = t.ok("start", container.start()).await?;
    let exit = t.done("wait", running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    Ok(())
}

pub(crate) async fn the_timeout_needs_nobody_to_wait(t: Trial) -> Outcome {
    let spec = t.spec(&Act::Sleep(None)).timeout(TIMEOUT);
    let started = t.started(Task::new(built(spec))).await?;
    t.until("the task has ended", || {
        started.container.state() == longshore_driver_api::State::Exited
    })
    .await?;
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!(exit.outcome, Ending::TimedOut, "{exit:?}");
    Ok(())
}
