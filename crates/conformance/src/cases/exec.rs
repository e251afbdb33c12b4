//! Further processes in the container of a task that runs.

use std::collections::BTreeMap;
use std::time::Duration;

use longshore_driver_api::{
    ByteSize, ContainerExt as _, ErrorKind, Exec, ExecSpec, Exit, NotStarted, Outcome as Ending,
    OutputLimit, SentFor, SentSignal, Signal, StreamEnd, StreamReport, TaskIo, TtySize,
};
use longshore_testee::{STDERR, STDOUT, Terminals, pattern};
use serde::Deserialize;

use crate::cases::tty::see_size;
use crate::expect;
use crate::run::Runtime;
use crate::tools::{Silent, Writer, poll_at_most};
use crate::trial::{Started, Trial};
use crate::verdict::{Outcome, Stop};
use crate::{Act, NO_SUCH_PROGRAM, NOT_EXECUTABLE, Write};

/// How long an end may take that does not wait for anybody.
const PROMPT: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct World {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: String,
}

/// A process that does what the testee is asked for.
fn spec(t: &Trial, act: &Act) -> ExecSpec {
    ExecSpec::new(std::iter::once(t.scene().program).chain(act.args()))
}

/// A task that runs. Where there is no exec, sees that it is refused, and that is all there is.
async fn host(t: &Trial) -> Outcome<Option<Started>> {
    let started = t.started(t.task(&Act::Sleep(None))).await?;
    if t.caps().exec {
        return Ok(Some(started));
    }
    let refused = started.container.exec(spec(t, &Act::Exit(0)), TaskIo::none());
    t.fails(ErrorKind::Unsupported, "exec", refused).await?;
    Ok(None)
}

async fn run(t: &Trial, host: &Started, spec: ExecSpec, io: TaskIo) -> Outcome<Exit> {
    let exec = t.ok("exec", host.container.exec(spec, io)).await?;
    t.done("wait for the process", exec.wait()).await
}

async fn begin(
    t: &Trial,
    host: &Started,
    spec: ExecSpec,
    io: TaskIo,
) -> Outcome<std::sync::Arc<dyn Exec>> {
    t.ok("exec", host.container.exec(spec, io)).await
}

pub(crate) async fn a_further_process_has_its_own_output_and_code(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    for (code, amount) in [(0, 0), (7, 1), (0, (64 << 10) + 1), (0, 1 << 20)] {
        let seed = t.seed().wrapping_add(amount);
        let write = Write { stdout: amount, stderr: amount / 2, chunk: 4000, seed, rate: None };
        let act = if code == 0 { Act::Write(write) } else { Act::Exit(code) };
        let (out, err) = if code == 0 { (amount, amount / 2) } else { (0, 0) };
        let (io, captured) = t.captured();
        let exit = run(&t, &host, spec(&t, &act), io).await?;
        assert_eq!(exit.outcome, Ending::Code(i32::from(code)), "{exit:?}");
        assert!(exit.is_proven() && exit.timings.run.is_some(), "{exit:?}");
        let size = |bytes: u64| usize::try_from(bytes).expect("a small amount");
        let (stdout, stderr) = (pattern(seed, STDOUT), pattern(seed, STDERR));
        assert!(captured.stdout() == stdout.bytes_of(size(out)), "other bytes than were written");
        assert_eq!(exit.output.stdout, expect::whole(t.caps(), out));
        if t.caps().separate_stderr {
            assert!(captured.stderr() == stderr.bytes_of(size(err)), "stderr differs");
            assert_eq!(exit.output.stderr, expect::whole(t.caps(), err));
        }
    }
    // The task went on meanwhile.
    host.running.cancel();
    assert_eq!(t.done("wait", host.running.wait()).await?.outcome, Ending::Cancelled);
    Ok(())
}

pub(crate) async fn the_short_form_gathers_as_much_as_was_asked_for(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    if !t.caps().separate_stderr {
        return Ok(());
    }
    let seed = t.seed();
    let act = Act::Write(Write { stdout: 300_000, stderr: 10, chunk: 4096, seed, rate: None });
    let asked = host.container.exec_output(spec(&t, &act), ByteSize(1000));
    let output = t.ok("exec", asked).await?;
    assert!(output.exit.is_success(), "{output:?}");
    assert!(output.stdout == pattern(seed, STDOUT).bytes_of(1000));
    assert!(output.stderr == pattern(seed, STDERR).bytes_of(10));
    let end = expect::whole_end(t.caps());
    assert_eq!(output.exit.output.stdout, StreamReport::new(end, 1000, 299_000));
    Ok(())
}

pub(crate) async fn arguments_environment_and_directory_reach_the_process(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let (io, captured) = t.captured();
    let awkward = "a b\n\"c\" $HOME \u{1F6A2} =x";
    let spec = spec(&t, &Act::World).env("AWKWARD", awkward).env("EMPTY", "").work_dir("/tmp");
    let exit = run(&t, &host, spec, io).await?;
    assert!(exit.is_success(), "{exit:?}");
    let world: World = crate::trial::json(&captured.stdout())?;
    assert_eq!(world.args, [t.scene().program, "world".to_owned()]);
    assert_eq!(world.env.get("AWKWARD").map(String::as_str), Some(awkward));
    assert_eq!(world.env.get("EMPTY").map(String::as_str), Some(""));
    assert_eq!(world.cwd, "/tmp");
    Ok(())
}

pub(crate) async fn input_and_its_end_reach_the_process(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let act = Act::Cat { limit: None };
    let bytes = pattern(t.seed(), STDOUT).bytes_of(300_000);
    let (io, captured) = t.captured();
    let io = io.stdin(std::io::Cursor::new(bytes.clone()));
    if !t.caps().stdin {
        let refused = host.container.exec(spec(&t, &act), io);
        t.fails(ErrorKind::Unsupported, "exec with input", refused).await?;
        return Ok(());
    }
    let exit = run(&t, &host, spec(&t, &act), io).await?;
    assert!(exit.is_success(), "{exit:?}");
    assert!(captured.stdout() == bytes, "the echo differs");

    // Without input it reads its end at once; input that never comes does not hold it.
    assert!(run(&t, &host, spec(&t, &act), TaskIo::none()).await?.is_success());
    let (silent, held) = Silent::new();
    let io = TaskIo::none().stdin(silent);
    let exit = run(&t, &host, spec(&t, &Act::Exit(3)), io).await?;
    assert_eq!(exit.code, Some(3), "{exit:?}");
    t.until("the input is let go", || std::sync::Arc::strong_count(&held) == 1).await
}

pub(crate) async fn what_cannot_be_started_is_told_and_is_no_output(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let reasons =
        [(NO_SUCH_PROGRAM, NotStarted::NotFound), (NOT_EXECUTABLE, NotStarted::NotExecutable)];
    for (program, why) in reasons {
        let (io, captured) = t.captured();
        let exit = run(&t, &host, ExecSpec::new([program]), io).await?;
        assert_eq!(expect::told(&exit), expect::exec_not_started(t.caps(), why), "{exit:?}");
        assert_eq!(captured.stdout(), b"", "the engine's words came as output");
        let stdout = exit.output.stdout;
        assert!(stdout.delivered == 0 && !stdout.is_incomplete(), "{exit:?}");
    }
    let invalid = ExecSpec::new([""; 0]).work_dir("relative");
    let refused = host.container.exec(invalid, TaskIo::none());
    let error = t.fails(ErrorKind::InvalidInput, "exec without a program", refused).await?;
    let text = error.to_string();
    assert!(text.contains("command") && text.contains("work_dir"), "{text}");
    Ok(())
}

/// What a process that was killed for `reason` has to tell.
fn killed(t: &Trial, exit: &Exit, outcome: Ending, reason: SentFor) {
    assert_eq!(exit.outcome, outcome, "{exit:?}");
    if t.caps().exec_kill {
        assert_eq!(exit.code, Some(137), "its end was not seen: {exit:?}");
        assert_eq!(exit.sent, [SentSignal::new(Signal::KILL, reason)], "{exit:?}");
    } else {
        assert_eq!((exit.code, &exit.sent[..]), (None, &[][..]), "{exit:?}");
        assert!(exit.engine_error.is_some(), "{exit:?}");
    }
}

pub(crate) async fn cancel_kills_it(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let (io, captured) = t.captured();
    let exec = begin(&t, &host, spec(&t, &Act::IgnoreTerm(None)), io).await?;
    t.until("the process runs", || captured.stdout() == b"ready\n").await?;
    exec.cancel();
    exec.cancel();
    let exit = t.within(PROMPT, "wait", exec.wait()).await?;
    killed(&t, &exit, Ending::Cancelled, SentFor::Cancel);
    assert_eq!(t.done("wait again", exec.wait()).await?, exit);

    // Right after the start, while it may not run yet.
    let exec = begin(&t, &host, spec(&t, &Act::Sleep(None)), TaskIo::none()).await?;
    exec.cancel();
    let exit = t.within(PROMPT, "wait", exec.wait()).await?;
    assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}");

    // After the end it changes nothing. The task is none the worse for any of it.
    let exec = begin(&t, &host, spec(&t, &Act::Exit(5)), TaskIo::none()).await?;
    assert_eq!(t.done("wait", exec.wait()).await?.code, Some(5));
    exec.cancel();
    assert_eq!(t.done("wait", exec.wait()).await?.outcome, Ending::Code(5));
    Ok(())
}

pub(crate) async fn cancel_does_not_wait_for_a_reader(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let (writer, taken) = Writer::stuck(10_000);
    let act = Act::write(64 << 20, t.seed());
    let exec = begin(&t, &host, spec(&t, &act), TaskIo::none().stdout(writer)).await?;
    t.until("the reader has stopped", || taken.len() == 10_000).await?;
    exec.cancel();
    let exit = t.within(PROMPT, "wait", exec.wait()).await?;
    assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}");
    let stdout = exit.output.stdout;
    assert_eq!((stdout.end, stdout.delivered), (StreamEnd::Abandoned, 10_000));
    t.until("the writer is let go", || taken.is_let_go()).await
}

pub(crate) async fn beyond_its_limit_it_is_killed_if_asked(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let act = Act::write(64 << 20, t.seed());
    let (io, captured) = t.only_stdout();
    let spec = spec(&t, &act).output(OutputLimit::stop_beyond(ByteSize(5000)));
    let exit = run(&t, &host, spec, io).await?;
    killed(&t, &exit, Ending::OutputLimit, SentFor::OutputLimit);
    assert!(captured.stdout() == pattern(t.seed(), STDOUT).bytes_of(5000));
    Ok(())
}

pub(crate) async fn its_future_and_handle_may_be_dropped(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let points = if t.soak() || t.runtime() == Runtime::Paused { 60 } else { 8 };
    for polls in 0..points {
        let (writer, taken) = Writer::slow(1000, Duration::from_millis(1));
        let io = TaskIo::none().stdout(writer);
        let future = host.container.exec(spec(&t, &Act::Sleep(None)), io);
        let step = format!("exec, dropped after {polls} polls");
        drop(t.done(&step, poll_at_most(polls, future)).await?);
        t.until("the writer is let go", || taken.is_let_go()).await?;
    }
    for pause in [0, 1, 5, 20, 60] {
        let (writer, taken) = Writer::slow(1000, Duration::from_millis(1));
        let io = TaskIo::none().stdout(writer);
        let future = host.container.exec(spec(&t, &Act::Sleep(None)), io);
        let limit = Duration::from_millis(pause);
        drop(t.done("exec, dropped in time", tokio::time::timeout(limit, future)).await?);
        t.until("the writer is let go", || taken.is_let_go()).await?;
    }
    assert!(run(&t, &host, spec(&t, &Act::Exit(0)), TaskIo::none()).await?.is_success());
    Ok(())
}

pub(crate) async fn close_ends_it(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let (writer, taken) = Writer::slow(1000, Duration::from_millis(1));
    let act = Act::IgnoreTerm(None);
    let exec = begin(&t, &host, spec(&t, &act), TaskIo::none().stdout(writer)).await?;
    t.until("the process runs", || taken.bytes() == b"ready\n").await?;
    t.ok("close", host.container.close()).await?;
    assert!(taken.is_let_go(), "the writer is still held after close");
    let exit = t.within(PROMPT, "wait", exec.wait()).await?;
    assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}");
    let late = host.container.exec(spec(&t, &act), TaskIo::none());
    t.fails(ErrorKind::Closed, "exec after close", late).await?;
    Ok(())
}

pub(crate) async fn it_does_not_hold_the_container(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let exec = begin(&t, &host, spec(&t, &Act::Sleep(None)), TaskIo::none()).await?;
    drop(host);
    let exit = t.within(PROMPT, "wait", exec.wait()).await?;
    assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}");
    t.nothing_left().await
}

pub(crate) async fn the_end_of_the_task_ends_it(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let exec = begin(&t, &host, spec(&t, &Act::IgnoreTerm(None)), TaskIo::none()).await?;
    t.ok("stop the task", host.running.stop(None)).await?;
    let exit = t.within(PROMPT, "wait", exec.wait()).await?;
    assert!(!exit.is_success() && exit.outcome != Ending::Cancelled, "{exit:?}");
    let late = host.container.exec(spec(&t, &Act::Exit(0)), TaskIo::none());
    t.fails(ErrorKind::InvalidState, "exec after the end", late).await?;
    Ok(())
}

pub(crate) async fn where_nothing_runs_it_is_refused(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let created = t.prepared(t.task(&Act::Exit(0))).await?;
    let early = created.exec(spec(&t, &Act::Exit(0)), TaskIo::none());
    t.fails(ErrorKind::InvalidState, "exec before the start", early).await?;
    if t.caps().freeze {
        t.ok("freeze", host.container.freeze()).await?;
        let frozen = host.container.exec(spec(&t, &Act::Exit(0)), TaskIo::none());
        t.fails(ErrorKind::InvalidState, "exec in a frozen container", frozen).await?;
        t.ok("unfreeze", host.container.unfreeze()).await?;
        assert!(run(&t, &host, spec(&t, &Act::Exit(0)), TaskIo::none()).await?.is_success());
    }
    Ok(())
}

pub(crate) async fn it_can_have_a_terminal(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let (io, captured) = t.only_stdout();
    let with_terminal = spec(&t, &Act::IsATty).tty(true);
    if !t.caps().tty {
        let refused = host.container.exec(with_terminal, io);
        t.fails(ErrorKind::Unsupported, "exec with a terminal", refused).await?;
        return Ok(());
    }
    let exit = run(&t, &host, with_terminal, io).await?;
    assert!(exit.is_success(), "{exit:?}");
    let terminals: Terminals = crate::trial::json(&captured.stdout())?;
    assert!(terminals.stdout && terminals.stderr, "{terminals:?}");
    assert_eq!(exit.output.stderr.end, StreamEnd::NotAttached);

    let (mut input, stdin) = tokio::io::duplex(1024);
    let (io, captured) = t.only_stdout();
    let (act, io) = match t.caps().stdin {
        true => (Act::Serve, io.stdin(stdin)),
        false => (Act::Sleep(None), io),
    };
    let exec = begin(&t, &host, spec(&t, &act).tty(true), io).await?;
    let size = TtySize { rows: 31, columns: 97 };
    t.ok("resize", exec.resize(size)).await?;
    if t.caps().stdin {
        see_size(&t, &mut input, &captured, size).await?;
    }
    exec.cancel();
    t.done("wait", exec.wait()).await?;
    t.ok("resize after the end", exec.resize(size)).await?;

    let exec = begin(&t, &host, spec(&t, &Act::Sleep(None)), TaskIo::none()).await?;
    t.fails(ErrorKind::InvalidState, "resize without a terminal", exec.resize(size)).await?;
    Ok(())
}

pub(crate) async fn many_at_once_have_each_their_own_output(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let mut all = tokio::task::JoinSet::new();
    for number in 0..if t.soak() { 32 } else { 6_u8 } {
        let container = std::sync::Arc::clone(&host.container);
        let seed = t.seed().wrapping_add(u64::from(number));
        let spec = spec(&t, &Act::write(50_000, seed));
        all.spawn(async move {
            let output = container.exec_output(spec, ByteSize::mib(1)).await;
            (seed, output)
        });
    }
    while let Some(done) = t.done("a process", all.join_next()).await? {
        let (seed, output) = done.map_err(Stop::failed)?;
        let output = output?;
        assert!(output.exit.is_success(), "{output:?}");
        assert!(output.stdout == pattern(seed, STDOUT).bytes_of(50_000), "other bytes");
    }
    Ok(())
}

pub(crate) async fn nothing_shows_its_environment(t: Trial) -> Outcome {
    let Some(host) = host(&t).await? else { return Ok(()) };
    let secret = "hunter2-in-exec";
    let spec = ExecSpec::new([NO_SUCH_PROGRAM]).env("TOKEN", secret);
    assert!(!format!("{spec:?}").contains(secret));
    let exec = begin(&t, &host, spec, TaskIo::none()).await?;
    assert!(!format!("{exec:?}").contains(secret), "{exec:?}");
    let exit = t.done("wait", exec.wait()).await?;
    assert!(!format!("{exit:?}").contains(secret), "{exit:?}");
    Ok(())
}
