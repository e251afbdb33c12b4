//! What a task reads.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Outcome as Ending, TaskIo};
use longshore_testee::pattern;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex};

use crate::Act;
use crate::expect;
use crate::tools::Silent;
use crate::trial::Trial;
use crate::verdict::Outcome;

async fn echoes(t: &Trial, amount: usize) -> Outcome {
    let input = pattern(t.seed(), 0).bytes_of(amount);
    let (io, captured) = t.captured();
    let task = t.task(&Act::Cat { limit: None }).io(io.stdin(Cursor::new(input.clone())));
    let Some(task) = t.supported(t.caps().stdin, task)? else { return Ok(()) };
    let exit = t.run(task).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    assert_eq!(captured.stdout().len(), amount);
    assert!(captured.stdout() == input, "other bytes than were given");
    assert_eq!(exit.output.stdout, expect::whole(t.caps(), amount as u64));
    Ok(())
}

pub(crate) async fn every_byte_and_the_end_reach_the_task(t: Trial) -> Outcome {
    for amount in [0, 1, 64 << 10, (1 << 20) + 1] {
        echoes(&t, amount).await?;
    }
    Ok(())
}

pub(crate) async fn sixteen_mebibytes_reach_the_task(t: Trial) -> Outcome {
    echoes(&t, 16 << 20).await
}

pub(crate) async fn input_that_is_not_read_is_no_error(t: Trial) -> Outcome {
    let input = Cursor::new(vec![7; 16 << 20]);
    let task = t.task(&Act::Exit(3)).io(TaskIo::none().stdin(input));
    let Some(task) = t.supported(t.caps().stdin, task)? else { return Ok(()) };
    let exit = t.run(task).await?;
    assert_eq!(exit.outcome, Ending::Code(3), "{exit:?}");
    Ok(())
}

pub(crate) async fn a_task_may_end_before_its_input(t: Trial) -> Outcome {
    let input = pattern(t.seed(), 0).bytes_of(8 << 20);
    let (io, captured) = t.captured();
    let act = Act::Cat { limit: Some(1000) };
    let task = t.task(&act).io(io.stdin(Cursor::new(input.clone())));
    let Some(task) = t.supported(t.caps().stdin, task)? else { return Ok(()) };
    let exit = t.run(task).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    assert!(captured.stdout() == input[..1000], "other bytes than were given");
    Ok(())
}

pub(crate) async fn an_open_input_does_not_hold_the_task(t: Trial) -> Outcome {
    let (input, held) = Silent::new();
    let (io, captured) = t.captured();
    let task = t.task(&Act::write(5000, t.seed())).io(io.stdin(input));
    let Some(task) = t.supported(t.caps().stdin, task)? else { return Ok(()) };
    let started = t.started(task).await?;
    let waited = t.within(Duration::from_secs(20), "wait", started.running.wait());
    let exit = waited.await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    assert_eq!(captured.stdout().len(), 5000);
    t.ok("close", started.container.close()).await?;
    assert_eq!(Arc::strong_count(&held), 1, "the reader is still held after close");
    Ok(())
}

pub(crate) async fn a_task_answers_while_its_input_is_open(t: Trial) -> Outcome {
    let (mut input, stdin) = duplex(1024);
    let (stdout, output) = duplex(1024);
    let task = t.task(&Act::Serve).io(TaskIo::none().stdin(stdin).stdout(stdout));
    let Some(task) = t.supported(t.caps().stdin, task)? else { return Ok(()) };
    let started = t.started(task).await?;
    let mut lines = BufReader::new(output).lines();
    let conversation = async {
        assert_eq!(lines.next_line().await?.as_deref(), Some("ready"));
        for text in ["one", "two", "three"] {
            input.write_all(format!("out {text}\n").as_bytes()).await?;
            assert_eq!(lines.next_line().await?.as_deref(), Some(text));
        }
        input.write_all(b"exit 4\n").await
    };
    t.done("talk with the task", conversation).await?.expect("the driver reads and writes");
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Code(4), "{exit:?}");
    Ok(())
}

pub(crate) async fn the_end_of_input_reaches_a_task_that_waits_for_it(t: Trial) -> Outcome {
    let (mut input, stdin) = duplex(1024);
    let (io, captured) = t.captured();
    let task = t.task(&Act::Cat { limit: None }).io(io.stdin(stdin));
    let Some(task) = t.supported(t.caps().stdin, task)? else { return Ok(()) };
    let started = t.started(task).await?;
    t.done("write the input", input.write_all(b"abc")).await?.expect("the driver reads");
    t.until("the task has answered", || captured.stdout() == b"abc").await?;
    drop(input);
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    assert_eq!(captured.stdout(), b"abc");
    Ok(())
}

pub(crate) async fn without_input_a_task_reads_its_end(t: Trial) -> Outcome {
    let (io, captured) = t.captured();
    let exit = t.run(t.task(&Act::Cat { limit: None }).io(io)).await?;
    assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
    assert!(captured.stdout().is_empty());
    Ok(())
}
