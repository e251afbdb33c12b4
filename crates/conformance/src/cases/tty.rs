//! Terminals.

use std::time::Duration;

use longshore_driver_api::{StreamEnd, Task, TtySize};
use longshore_testee::Terminals;

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
    let act = Act::Sleep(Some(Duration::from_secs(60)));
    let task = Task::new(built(t.spec(&act).tty(true)));
    let Some(task) = t.supported(t.caps().tty, task)? else { return Ok(()) };
    let started = t.started(task).await?;
    let size = TtySize { rows: 31, columns: 97 };
    t.ok("resize", started.running.resize(size)).await?;
    Ok(())
}
