//! Tasks that outlive their owner.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Driver, ErrorKind, Exit, Handle, LogDriver, Lost, Missing, Outcome as Ending, ReapOptions,
    Recovered, Signal, State, Task, TaskIo, TaskSpecBuilder, TtySize,
};
use longshore_testee::{STDOUT, pattern};
use tokio::time::{Instant, sleep};

use crate::Act;
use crate::expect;
use crate::tools::poll_at_most;
use crate::trial::{Trial, built};
use crate::verdict::{Outcome, Stop};

/// Longer than any case takes.
const WITHIN: Duration = Duration::from_secs(600);
const READY: u64 = "ready\n".len() as u64;

/// A task that can be recovered; none where the driver refuses such, as it should.
fn recoverable(t: &Trial, spec: TaskSpecBuilder, within: Duration) -> Outcome<Option<Task>> {
    t.supported(t.caps().recover, Task::new(built(spec.recoverable_for(within))))
}

/// Leaves a task of a dead owner, to whom so many bytes of its stdout came. Its handle.
async fn abandoned(
    t: &Trial,
    spec: TaskSpecBuilder,
    within: Duration,
    written: u64,
) -> Outcome<Option<Handle>> {
    let Some(task) = recoverable(t, spec, within)? else { return Ok(None) };
    let left = t.ok("leave a task", t.fixture().abandoned(task.spec, written)).await?;
    let handle = left.ok_or_else(|| Stop::Skipped("the fixture leaves no handle".to_owned()))?;
    assert!(handle.stdout() >= written, "{handle:?}");
    // It is kept as text.
    let again: Handle = handle.to_string().parse()?;
    assert_eq!(again, handle);
    Ok(Some(again))
}

async fn recovered(t: &Trial, handle: &Handle, io: TaskIo) -> Outcome<Recovered> {
    t.ok("recover", t.driver().recover(handle, io)).await
}

async fn refused(t: &Trial, driver: &Arc<dyn Driver>, handle: &Handle, kind: ErrorKind) -> Outcome {
    t.fails(kind, "recover", driver.recover(handle, TaskIo::none())).await.map(drop)
}

/// Ends a recovered task, and sees that it is gone for everybody then.
async fn end(t: &Trial, handle: &Handle, recovered: Recovered) -> Outcome<Exit> {
    recovered.running.cancel();
    let exit = t.done("wait", recovered.running.wait()).await?;
    t.ok("close", recovered.container.close()).await?;
    assert_eq!(t.leftovers().await?, [""; 0]);
    refused(t, t.driver(), handle, ErrorKind::NotFound).await?;
    Ok(exit)
}

pub(crate) async fn a_task_that_is_not_recoverable_has_no_handle(t: Trial) -> Outcome {
    let started = t.started(t.task(&Act::Sleep(None))).await?;
    let Err(error) = started.running.handle() else { panic!("there is one") };
    let expected = [ErrorKind::InvalidState, ErrorKind::Unsupported];
    assert!(expected.contains(&error.kind()), "{error:?}");
    Ok(())
}

pub(crate) async fn a_handle_holds_no_value_of_the_environment(t: Trial) -> Outcome {
    let spec = t.spec(&Act::Sleep(None)).env("TOKEN", "hunter2");
    let Some(task) = recoverable(&t, spec, WITHIN)? else { return Ok(()) };
    let started = t.started(task).await?;
    let handle = started.running.handle()?;
    let shown = format!("{handle} {handle:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!((handle.backend(), handle.stdout()), (t.driver().name(), 0));
    Ok(())
}

pub(crate) async fn a_dead_owners_task_is_waited_for_to_its_end(t: Trial) -> Outcome {
    let spec = t.spec(&Act::trap_term(3)).id("the-task");
    let Some(handle) = abandoned(&t, spec, WITHIN, READY).await? else { return Ok(()) };
    let (io, captured) = t.captured();
    let Recovered { container, running, lost, .. } = recovered(&t, &handle, io).await?;
    assert_eq!((container.spec().id.as_str(), container.state()), ("the-task", State::Running));
    if t.caps().freeze {
        t.ok("freeze", container.freeze()).await?;
        t.ok("unfreeze", container.unfreeze()).await?;
    }
    t.ok("signal", running.signal(Signal::TERM)).await?;
    let exit = t.done("wait", running.wait()).await?;
    assert_eq!(expect::told(&exit), expect::code(t.caps(), 3), "{exit:?}");
    assert_eq!(container.state(), State::Exited);
    assert_eq!(captured.stdout(), b"caught\n", "{lost:?}");
    assert_eq!(exit.output.stdout.delivered, 7, "{exit:?}");
    assert_eq!(exit.output.stdout.is_incomplete(), lost.stdout.is_loss(), "{exit:?} {lost:?}");
    drop(running);
    t.ok("close", container.close()).await?;
    assert_eq!(t.leftovers().await?, [""; 0]);
    refused(&t, t.driver(), &handle, ErrorKind::NotFound).await
}

pub(crate) async fn a_task_that_ended_meanwhile_tells_how(t: Trial) -> Outcome {
    let act = Act::CloseStreams { life: Duration::from_secs(1), exit: 7 };
    let Some(handle) = abandoned(&t, t.spec(&act), WITHIN, 0).await? else { return Ok(()) };
    sleep(Duration::from_secs(2)).await;
    let report = t.ok("reap", t.driver().reap(ReapOptions::new())).await?;
    assert_eq!((report.removed.len(), report.kept), (0, 1), "{report:?}");
    let Recovered { container, running, .. } = recovered(&t, &handle, TaskIo::none()).await?;
    let exit = t.done("wait", running.wait()).await?;
    assert_eq!(expect::told(&exit), expect::code(t.caps(), 7), "{exit:?}");
    assert!(exit.sent.is_empty(), "{exit:?}");
    t.ok("close", container.close()).await
}

pub(crate) async fn output_meanwhile_is_delivered_or_said_to_be_lost(t: Trial) -> Outcome {
    const ALL: usize = 30_000;
    for log in [LogDriver::default(), t.scene().keeping_log] {
        let write = crate::Write {
            stdout: ALL as u64,
            stderr: 0,
            chunk: 100,
            seed: t.seed(),
            rate: Some(10_000),
        };
        let spec = t.spec(&Act::Write(write)).log(log.clone());
        let Some(handle) = abandoned(&t, spec, WITHIN, 1000).await? else { return Ok(()) };
        sleep(Duration::from_millis(500)).await;
        let (io, captured) = t.captured();
        let Recovered { container, running, lost, .. } = recovered(&t, &handle, io).await?;
        let exit = t.done("wait", running.wait()).await?;
        assert!(exit.is_success(), "{exit:?}");
        let (told, all) = (captured.stdout(), pattern(t.seed(), STDOUT).bytes_of(ALL));
        let behind = ALL as u64 - handle.stdout();
        match lost.stdout {
            Missing::Nothing => assert_eq!(told.len() as u64, behind),
            Missing::Bytes(bytes) => assert_eq!(told.len() as u64, behind - bytes),
            Missing::Unknown => assert!(told.len() as u64 <= behind, "{}", told.len()),
            other => panic!("{other:?}"),
        }
        assert!(all.ends_with(&told), "{} bytes are not the last of the task's", told.len());
        // What is kept may be more than an engine can vouch for.
        let told_well =
            handle.keeps_output() != lost.stdout.is_loss() || lost.stdout == Missing::Unknown;
        assert!(told_well, "{log:?}: {lost:?}");
        assert_eq!(exit.output.stdout.is_incomplete(), lost.stdout.is_loss(), "{exit:?}");
        t.ok("close", container.close()).await?;
    }
    Ok(())
}

pub(crate) async fn a_recovered_terminal_is_one_stream(t: Trial) -> Outcome {
    if !t.caps().tty {
        let task = Task::new(built(t.spec(&Act::IsATty).tty(true)));
        return t.supported(false, task).map(drop);
    }
    for log in [LogDriver::default(), t.scene().keeping_log] {
        let spec = t.spec(&Act::trap_term(0)).tty(true).log(log);
        let Some(handle) = abandoned(&t, spec, WITHIN, READY).await? else { return Ok(()) };
        let (io, captured) = TaskIo::captured();
        let Recovered { container, running, lost, .. } = recovered(&t, &handle, io).await?;
        assert_eq!(lost.stderr, Missing::NotAttached);
        t.ok("resize", running.resize(TtySize { rows: 10, columns: 20 })).await?;
        t.ok("signal", running.signal(Signal::TERM)).await?;
        let exit = t.done("wait", running.wait()).await?;
        assert!(exit.is_success(), "{exit:?}");
        // A terminal may put a carriage return before each line feed; the handle may be between.
        let text = String::from_utf8_lossy(&captured.stdout()).into_owned();
        assert_eq!(text.trim(), "caught");
        let stderr = exit.output.stderr;
        assert!(stderr.delivered == 0 && !stderr.is_incomplete(), "{exit:?}");
        t.ok("close", container.close()).await?;
    }
    Ok(())
}

pub(crate) async fn a_stream_that_is_not_wanted_is_not_lost(t: Trial) -> Outcome {
    let spec = t.spec(&Act::trap_term(0));
    let Some(handle) = abandoned(&t, spec, WITHIN, READY).await? else { return Ok(()) };
    let recovered = recovered(&t, &handle, TaskIo::none()).await?;
    assert_eq!(recovered.lost, Lost::default());
    let exit = end(&t, &handle, recovered).await?;
    assert_eq!(exit.outcome, Ending::Cancelled);
    assert!(!exit.output.is_incomplete(), "{exit:?}");
    Ok(())
}

pub(crate) async fn of_all_who_recover_a_task_one_gets_it(t: Trial) -> Outcome {
    let spec = t.spec(&Act::trap_term(0));
    let Some(handle) = abandoned(&t, spec, WITHIN, READY).await? else { return Ok(()) };
    let mut drivers = vec![Arc::clone(t.driver())];
    for _ in 0..3 {
        drivers.push(t.open_another().await?);
    }
    let mut all = tokio::task::JoinSet::new();
    for driver in &drivers {
        let (driver, handle) = (Arc::clone(driver), handle.clone());
        all.spawn(async move { driver.recover(&handle, TaskIo::none()).await });
    }
    let mut winner = None;
    for answer in t.done("recover", all.join_all()).await? {
        match answer {
            Ok(recovered) => assert!(winner.replace(recovered).is_none(), "two have it"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::OwnerAlive, "{error}"),
        }
    }
    let Some(winner) = winner else { panic!("nobody has it") };
    for driver in &drivers {
        refused(&t, driver, &handle, ErrorKind::OwnerAlive).await?;
    }
    assert_eq!(winner.container.state(), State::Running);
    end(&t, &handle, winner).await.map(drop)
}

pub(crate) async fn a_recovery_that_is_dropped_leaves_the_task_as_it_was(t: Trial) -> Outcome {
    let spec = t.spec(&Act::trap_term(3));
    let Some(handle) = abandoned(&t, spec, WITHIN, READY).await? else { return Ok(()) };
    let mut polls = 0;
    let recovered = loop {
        let attempt = t.driver().recover(&handle, TaskIo::none());
        match t.done("recover, dropped on the way", poll_at_most(polls, attempt)).await? {
            Some(Ok(recovered)) => break recovered,
            None => polls += 1,
            // What was dropped is given up a moment later.
            Some(Err(error)) if error.kind() == ErrorKind::OwnerAlive => t.pause().await,
            Some(Err(error)) => return Err(error.into()),
        }
        assert!(polls < 1000, "it is never done");
    };
    t.ok("signal", recovered.running.signal(Signal::TERM)).await?;
    let exit = t.done("wait", recovered.running.wait()).await?;
    assert_eq!(expect::told(&exit), expect::code(t.caps(), 3), "{exit:?}");
    end(&t, &handle, recovered).await.map(drop)
}

pub(crate) async fn a_living_owners_task_is_not_recovered(t: Trial) -> Outcome {
    let (io, captured) = t.captured();
    let Some(task) = recoverable(&t, t.spec(&Act::trap_term(0)), WITHIN)? else { return Ok(()) };
    let started = t.started(task.io(io)).await?;
    t.until("ready", || captured.stdout() == b"ready\n").await?;
    let handle = started.running.handle()?;
    let other = t.open_another().await?;
    for driver in [t.driver(), &other] {
        refused(&t, driver, &handle, ErrorKind::OwnerAlive).await?;
    }
    t.ok("signal", started.running.signal(Signal::TERM)).await?;
    let exit = t.done("wait", started.running.wait()).await?;
    assert!(exit.is_success() && !exit.output.is_incomplete(), "{exit:?}");
    assert_eq!(captured.stdout(), b"ready\ncaught\n");
    // Recoverable or not: what is closed is gone.
    t.ok("close", started.container.close()).await?;
    refused(&t, &other, &handle, ErrorKind::NotFound).await
}

pub(crate) async fn the_timeout_goes_on_from_the_start(t: Trial) -> Outcome {
    let timeout = Duration::from_secs(6);
    let begun = Instant::now();
    let spec = t.spec(&Act::IgnoreTerm(None)).timeout(timeout).stop_grace(Duration::ZERO);
    let Some(handle) = abandoned(&t, spec, WITHIN, READY).await? else { return Ok(()) };
    let started_before = Instant::now();
    sleep(Duration::from_secs(3)).await;
    let Recovered { container, running, .. } = recovered(&t, &handle, TaskIo::none()).await?;
    let exit = t.done("wait", running.wait()).await?;
    assert_eq!(exit.outcome, Ending::TimedOut, "{exit:?}");
    assert!(begun.elapsed() >= timeout, "after {:?}", begun.elapsed());
    // Beginning anew, it would take three seconds more.
    let late = started_before.elapsed().saturating_sub(timeout);
    assert!(late < Duration::from_millis(2500), "{late:?} late");
    assert!(exit.timings.run.is_some_and(|run| run >= timeout), "{:?}", exit.timings);
    t.ok("close", container.close()).await
}

pub(crate) async fn a_recovered_task_is_spared_by_reapers_for_ever(t: Trial) -> Outcome {
    let within = Duration::from_secs(5);
    let spec = t.spec(&Act::trap_term(3));
    let Some(handle) = abandoned(&t, spec, within, READY).await? else { return Ok(()) };
    let recovered = recovered(&t, &handle, TaskIo::none()).await?;
    sleep(within + Duration::from_secs(1)).await;
    let other = t.open_another().await?;
    for driver in [&other, t.driver()] {
        for dry_run in [true, false] {
            let report = t.ok("reap", driver.reap(ReapOptions::new().dry_run(dry_run))).await?;
            assert!(report.removed.is_empty() && report.failed.is_empty(), "{report:?}");
            assert_eq!(report.kept, 1, "{report:?}");
        }
    }
    t.ok("signal", recovered.running.signal(Signal::TERM)).await?;
    let exit = t.done("wait", recovered.running.wait()).await?;
    assert_eq!(expect::told(&exit), expect::code(t.caps(), 3), "{exit:?}");
    end(&t, &handle, recovered).await.map(drop)
}

pub(crate) async fn past_its_time_a_task_is_not_recovered(t: Trial) -> Outcome {
    let within = Duration::from_secs(3);
    let spec = t.spec(&Act::Sleep(None));
    let Some(handle) = abandoned(&t, spec, within, 0).await? else { return Ok(()) };
    sleep(within + Duration::from_secs(1)).await;
    refused(&t, t.driver(), &handle, ErrorKind::Expired).await?;
    let report = t.ok("reap", t.driver().reap(ReapOptions::new())).await?;
    assert_eq!((report.removed.len(), report.failed.len()), (1, 0), "{report:?}");
    refused(&t, t.driver(), &handle, ErrorKind::NotFound).await
}

pub(crate) async fn what_is_no_handle_of_this_driver_is_told(t: Trial) -> Outcome {
    let name = t.driver().name().to_owned();
    if !t.caps().recover {
        let handle = Handle::new(name, 1, "x")?;
        return refused(&t, t.driver(), &handle, ErrorKind::Unsupported).await;
    }
    let foreign = Handle::new(format!("not-{name}"), 1, "x")?;
    refused(&t, t.driver(), &foreign, ErrorKind::HandleForeign).await?;
    for unknown in [Handle::new(&*name, 1, "x")?, Handle::new(&*name, 4711, "x")?] {
        refused(&t, t.driver(), &unknown, ErrorKind::HandleUnknown).await?;
    }
    Ok(())
}
