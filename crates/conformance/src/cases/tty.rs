//! Terminals.

use std::time::Duration;

use longshore_driver_api::{Captured, StreamEnd, Task, TtySize};
use longshore_testee::Terminals;
use tokio::io::{AsyncWriteExt as _, DuplexStream};

use crate::Act;
use crate::trial::{Trial, built};
use crate::verdict::Outcome;

pub(crate) async fn a_task_with_a_terminal_has_one_output(t: Trial) -> Outcome {
    let (io, captured) = t.only_stdout();
    let task = Task::new(built(t.spec(&Act::IsATty).tty(true))).io(io);
    let Some(task) = t.supported(t.caps().tty, task)? else { return Ok(()) };
    let exit = t.run(task).await?;
    assert!(exit.is_success(), "{exit:?}");
    let terminals: Terminals = crate::trial::json(&captured.stdout())?;
    assert!(terminals.stdout && terminals.stderr, "{terminals:?}");
    assert_eq!(exit.output.stderr.end, StreamEnd::NotAttached);
    assert_eq!(exit.output.stdout.delivered, captured.stdout().len() as u64);
    Ok(())
}

pub(crate) async fn what_goes_to_stderr_comes_on_the_terminal(t: Trial) -> Outcome {
    let (mut input, stdin) = tokio::io::duplex(1024);
    let (io, captured) = t.only_stdout();
    let io = io.stdin(stdin);
    let task = Task::new(built(t.spec(&Act::Serve).tty(true))).io(io);
    let Some(task) = t.supported(t.caps().tty && t.caps().stdin, task)? else { return Ok(()) };
    let started = t.started(task).await?;
    let has = |text: &str| String::from_utf8_lossy(&captured.stdout()).contains(text);
    t.until("the task is ready", || has("ready")).await?;
    let asked = tokio::io::AsyncWriteExt::write_all(&mut input, b"err of-stderr\nexit 3\n");
    t.done("ask the task", asked).await?.expect("the driver reads");
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!(exit.code, Some(3), "{exit:?}");
    // A terminal echoes what is typed, which does not begin with the word.
    assert!(has("\nof-stderr"), "{:?}", captured.stdout());
    Ok(())
}

pub(crate) async fn a_terminal_has_its_size_from_the_start(t: Trial) -> Outcome {
    let size = TtySize { rows: 31, columns: 97 };
    // More than once: a size that is set right after the start comes in time now and then.
    for _ in 0..5 {
        let (io, captured) = t.only_stdout();
        let spec = t.spec(&Act::IsATty).tty(true).tty_size(size);
        let task = Task::new(built(spec)).io(io);
        let Some(task) = t.supported(t.caps().tty && t.caps().tty_size, task)? else {
            return Ok(());
        };
        let exit = t.run(task).await?;
        assert!(exit.is_success(), "{exit:?}");
        let seen: Terminals = crate::trial::json(&captured.stdout())?;
        assert_eq!((seen.rows, seen.columns), (Some(31), Some(97)));
    }
    Ok(())
}

pub(crate) async fn a_terminal_can_be_resized(t: Trial) -> Outcome {
    let (mut input, stdin) = tokio::io::duplex(1024);
    let (io, captured) = t.only_stdout();
    let task = Task::new(built(t.spec(&Act::Serve).tty(true))).io(io.stdin(stdin));
    let Some(task) = t.supported(t.caps().tty && t.caps().stdin, task)? else { return Ok(()) };
    let started = t.started(task).await?;
    for size in [TtySize { rows: 31, columns: 97 }, TtySize { rows: 50, columns: 20 }] {
        t.ok("resize", started.running.resize(size)).await?;
        see_size(&t, &mut input, &captured, size).await?;
    }
    Ok(())
}

/// Asks a program that serves for its terminal's size until it is this one: an engine may have passed
/// it on by then, or not yet.
pub(super) async fn see_size(
    t: &Trial,
    input: &mut DuplexStream,
    captured: &Captured,
    size: TtySize,
) -> Outcome {
    // A terminal ends lines in its own way, and echoes the question, which has no figures.
    let answers = || {
        let text = String::from_utf8_lossy(&captured.stdout()).into_owned();
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        let lines = whole.lines().filter(|line| line.starts_with("size "));
        lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()
    };
    let wanted = format!("size {} {}", size.rows, size.columns);
    let asking = async {
        let mut last = None;
        for _ in 0..200 {
            let had = answers().len();
            input.write_all(b"size\n").await.expect("the driver reads");
            while answers().len() == had {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            last = answers().pop();
            if last.as_ref() == Some(&wanted) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(last, Some(wanted), "the size that the task sees");
    };
    t.done("see the new size", asking).await
}
