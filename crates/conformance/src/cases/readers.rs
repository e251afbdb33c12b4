//! Readers that stop reading, and writers that fail.

use std::time::Duration;

use longshore_driver_api::{
    Outcome as Ending, SentFor, SentSignal, Signal, State, StreamEnd, Task, TaskIo,
};

use crate::Act;
use crate::tools::{Taken, Writer};
use crate::trial::{Started, Trial, built};
use crate::verdict::Outcome;

/// How long an end may take that does not wait for a reader.
const PROMPT: Duration = Duration::from_secs(20);
/// What the reader takes before it stops.
const ROOM: usize = 10_000;
/// What a task can write and end although nobody reads: less than any pipe holds beyond `ROOM`.
const FITS: u64 = 32 << 10;

/// A task that writes more than anything buffers, to a reader that has stopped.
async fn blocked(t: &Trial) -> Outcome<(Started, Taken)> {
    let (writer, taken) = Writer::stuck(ROOM);
    let task = t.task(&Act::write(64 << 20, t.seed())).io(TaskIo::none().stdout(writer));
    let started = t.started(task).await?;
    t.until("the reader has stopped", || taken.len() == ROOM).await?;
    Ok((started, taken))
}

/// A task that has ended, and whose reader has stopped before taking everything.
async fn undrained(t: &Trial, timeout: Option<Duration>) -> Outcome<(Started, Taken)> {
    let (writer, taken) = Writer::stuck(ROOM);
    let spec = t.spec(&Act::write(FITS, t.seed())).edit(|spec| spec.timeout = timeout);
    let started = t.started(Task::new(built(spec)).io(TaskIo::none().stdout(writer))).await?;
    t.until("the reader has stopped", || taken.len() == ROOM).await?;
    t.until("the task has ended", || started.container.state() == State::Exited).await?;
    Ok((started, taken))
}

async fn abandoned(t: &Trial, started: &Started, expected: Ending) -> Outcome {
    let exit = t.within(PROMPT, "wait for an undrained task", started.running.wait()).await?;
    assert_eq!(exit.outcome, expected, "{exit:?}");
    let stdout = exit.output.stdout;
    assert_eq!((stdout.end, stdout.delivered), (StreamEnd::Abandoned, ROOM as u64));
    assert!(exit.output.is_incomplete());
    Ok(())
}

pub(crate) async fn cancel_does_not_wait_for_a_reader(t: Trial) -> Outcome {
    let (started, _) = blocked(&t).await?;
    started.running.cancel();
    abandoned(&t, &started, Ending::Cancelled).await
}

pub(crate) async fn a_timeout_does_not_wait_for_a_reader(t: Trial) -> Outcome {
    let (writer, taken) = Writer::stuck(ROOM);
    let spec = t.spec(&Act::write(64 << 20, t.seed())).timeout(Duration::from_secs(2));
    let started = t.started(Task::new(built(spec)).io(TaskIo::none().stdout(writer))).await?;
    t.until("the reader has stopped", || taken.len() == ROOM).await?;
    abandoned(&t, &started, Ending::TimedOut).await
}

pub(crate) async fn close_does_not_wait_for_a_reader(t: Trial) -> Outcome {
    let (started, taken) = blocked(&t).await?;
    t.within(PROMPT, "close", started.container.close()).await??;
    abandoned(&t, &started, Ending::Cancelled).await?;
    assert!(taken.is_let_go(), "the writer is still held after close");
    Ok(())
}

pub(crate) async fn cancel_ends_the_wait_for_a_reader(t: Trial) -> Outcome {
    let (started, _) = undrained(&t, None).await?;
    t.pause().await;
    started.running.cancel();
    abandoned(&t, &started, Ending::Code(0)).await
}

pub(crate) async fn the_timeout_ends_the_wait_for_a_reader(t: Trial) -> Outcome {
    let (started, _) = undrained(&t, Some(Duration::from_secs(6))).await?;
    abandoned(&t, &started, Ending::Code(0)).await
}

pub(crate) async fn close_ends_the_wait_for_a_reader(t: Trial) -> Outcome {
    let (started, _) = undrained(&t, None).await?;
    t.pause().await;
    t.within(PROMPT, "close", started.container.close()).await??;
    abandoned(&t, &started, Ending::Code(0)).await
}

pub(crate) async fn a_writer_that_fails_does_not_stop_the_task(t: Trial) -> Outcome {
    let amount = 1_000_000;
    let (writer, taken) = Writer::failing(1000);
    let task = t.task(&Act::write(amount, t.seed())).io(TaskIo::none().stdout(writer));
    let exit = t.run(task).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    let stdout = exit.output.stdout;
    assert_eq!(stdout.end, StreamEnd::WriterFailed);
    assert_eq!((stdout.delivered, stdout.discarded), (1000, amount - 1000));
    assert_eq!(taken.len(), 1000);
    Ok(())
}

pub(crate) async fn a_stopped_task_does_not_wait_for_a_reader_to_die(t: Trial) -> Outcome {
    let (started, _) = blocked(&t).await?;
    t.within(PROMPT, "stop", started.running.stop(None)).await??;
    started.running.cancel();
    let exit = t.within(PROMPT, "wait", started.running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Stopped, "{exit:?}");
    assert_eq!(exit.sent.first(), Some(&SentSignal::new(Signal::TERM, SentFor::Stop)));
    assert_eq!(exit.output.stdout.end, StreamEnd::Abandoned);
    Ok(())
}
