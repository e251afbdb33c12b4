//! What a task writes.

use std::time::Duration;

use longshore_driver_api::{Captured, Exit, Outcome as Ending, StreamEnd, Task, TaskIo};
use longshore_testee::{STDERR, STDOUT, pattern};

use crate::expect;
use crate::tools::Writer;
use crate::trial::Trial;
use crate::verdict::Outcome;
use crate::{Act, Write};

/// Runs a task that writes so much to stdout, and checks everything about it.
async fn writes(t: &Trial, amount: usize, seed: u64) -> Outcome {
    let (io, captured) = t.captured();
    let exit = t.run(t.task(&Act::write(amount as u64, seed)).io(io)).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    check(t, &captured, &exit, amount, seed);
    Ok(())
}

fn check(t: &Trial, captured: &Captured, exit: &Exit, amount: usize, seed: u64) {
    let stdout = captured.stdout();
    assert_eq!(stdout.len(), amount, "{exit:?}");
    assert!(stdout == pattern(seed, STDOUT).bytes_of(amount), "other bytes than were written");
    assert_eq!(exit.output.stdout, expect::whole(t.caps(), amount as u64));
    if t.caps().separate_stderr {
        assert_eq!(exit.output.stderr, expect::whole(t.caps(), 0));
        assert!(captured.stderr().is_empty());
    }
}

pub(crate) async fn every_byte_is_delivered(t: Trial) -> Outcome {
    for amount in [0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20] {
        writes(&t, amount, t.seed()).await?;
    }
    Ok(())
}

pub(crate) async fn sixteen_mebibytes_are_delivered(t: Trial) -> Outcome {
    writes(&t, 16 << 20, t.seed()).await
}

pub(crate) async fn what_is_written_just_before_the_end_is_delivered(t: Trial) -> Outcome {
    for round in 0..if t.soak() { 300 } else { 10 } {
        writes(&t, 100_000, t.seed().wrapping_add(round)).await?;
    }
    Ok(())
}

pub(crate) async fn both_streams_are_delivered_apart(t: Trial) -> Outcome {
    let (amount, seed) = (1 << 20, t.seed());
    let act = Write { stdout: amount, stderr: amount + 1, chunk: 1000, seed, rate: None };
    let (io, captured) = TaskIo::captured();
    let task = t.task(&Act::Write(act)).io(io);
    let Some(task) = t.supported(t.caps().separate_stderr, task)? else { return Ok(()) };
    let exit = t.run(task).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    assert!(captured.stdout() == pattern(seed, STDOUT).bytes_of(1 << 20), "stdout differs");
    assert!(captured.stderr() == pattern(seed, STDERR).bytes_of((1 << 20) + 1), "stderr differs");
    assert_eq!(exit.output.stdout, expect::whole(t.caps(), amount));
    assert_eq!(exit.output.stderr, expect::whole(t.caps(), amount + 1));
    Ok(())
}

pub(crate) async fn a_stream_that_nobody_wants_is_not_attached(t: Trial) -> Outcome {
    let (amount, seed) = (2 << 20, t.seed());
    let act = Act::Write(Write { stdout: amount, stderr: amount, chunk: 4096, seed, rate: None });
    let exit = t.run(t.task(&act)).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    for stream in [exit.output.stdout, exit.output.stderr] {
        assert_eq!((stream.end, stream.delivered), (StreamEnd::NotAttached, 0));
    }

    let (io, captured) = t.only_stdout();
    let exit = t.run(t.task(&act).io(io)).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    assert!(captured.stdout() == pattern(seed, STDOUT).bytes_of(2 << 20), "stdout differs");
    assert_eq!(exit.output.stdout, expect::whole(t.caps(), amount));
    assert_eq!(exit.output.stderr.end, StreamEnd::NotAttached);
    Ok(())
}

pub(crate) async fn a_slow_reader_gets_every_byte(t: Trial) -> Outcome {
    let (amount, seed) = (1_288_895, t.seed());
    let (writer, taken) = Writer::slow(8 << 10, Duration::from_millis(2));
    let io = TaskIo::none().stdout(writer);
    let exit = t.run(t.task(&Act::write(amount, seed)).io(io)).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    let expected = pattern(seed, STDOUT).bytes_of(1_288_895);
    assert_eq!(taken.len(), expected.len());
    assert!(taken.bytes() == expected, "other bytes than were written");
    assert_eq!(exit.output.stdout, expect::whole(t.caps(), amount));
    Ok(())
}

pub(crate) async fn nothing_is_written_after_wait(t: Trial) -> Outcome {
    let (writer, taken) = Writer::slow(4 << 10, Duration::from_millis(1));
    let task = t.task(&Act::write(100_000, t.seed())).io(TaskIo::none().stdout(writer));
    let started = t.started(task).await?;
    t.done("wait", started.running.wait()).await?;
    let at_the_end = taken.len();
    assert_eq!(at_the_end, 100_000);
    t.pause().await;
    assert_eq!(taken.len(), at_the_end);
    t.ok("close", started.container.close()).await?;
    assert!(taken.is_let_go(), "the writer is still held after close");
    Ok(())
}

pub(crate) async fn a_task_that_closes_its_streams_lives_on(t: Trial) -> Outcome {
    let life = Duration::from_millis(700);
    let (io, captured) = t.captured();
    let exit = t.run(t.task(&Act::CloseStreams { life, exit: 7 }).io(io)).await?;
    assert_eq!(exit.outcome, Ending::Code(7), "{exit:?}");
    // The process may have run for a while before the engine said so.
    let lived = exit.timings.start.zip(exit.timings.run).map(|(start, run)| start + run);
    assert!(lived.is_some_and(|lived| lived >= life), "{:?}", exit.timings);
    assert!(captured.stdout().is_empty());
    assert_eq!(exit.output.stdout, expect::whole(t.caps(), 0));
    Ok(())
}

pub(crate) async fn a_grandchild_does_not_hold_the_task(t: Trial) -> Outcome {
    let (io, captured) = t.captured();
    let task: Task = t.task(&Act::Daemonize { hold: None }).io(io);
    let started = t.started(task).await?;
    let waited = t.within(Duration::from_secs(20), "wait", started.running.wait());
    let exit = waited.await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    let stdout = captured.stdout();
    assert!(b"held\n".starts_with(&stdout), "{stdout:?}");
    assert_eq!(exit.output.stdout.delivered, stdout.len() as u64);
    Ok(())
}
