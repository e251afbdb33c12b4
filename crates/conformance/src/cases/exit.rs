//! How a task ended, and what proves it.

use std::sync::Arc;

use longshore_driver_api::{
    ByteSize, ExecSpec, NotStarted, OomEvidence, Outcome as Ending, Security, SentFor, SentSignal,
    Signal, Task, TaskSpecBuilder,
};
use longshore_testee::ChildFate;

use crate::expect;
use crate::trial::{Trial, built};
use crate::verdict::Outcome;
use crate::{Act, NO_SUCH_PROGRAM, NOT_EXECUTABLE};

/// A limit that the testee fits into.
const LITTLE: ByteSize = ByteSize::mib(48);
/// More than that.
const MUCH: u64 = 256 << 20;

pub(crate) async fn a_code_is_the_tasks_own(t: Trial) -> Outcome {
    for (code, status) in
        [(0, "success"), (1, "error"), (3, "error"), (125, "error"), (255, "error")]
    {
        let exit = t.run(t.task(&Act::Exit(code))).await?;
        assert_eq!(expect::told(&exit), expect::code(t.caps(), code), "{exit:?}");
        assert_eq!((exit.code, exit.status()), (Some(i32::from(code)), status));
        assert!(exit.sent.is_empty() && !expect::oom_seen(&exit), "{exit:?}");
        assert_eq!(exit.is_success(), code == 0);
    }
    Ok(())
}

pub(crate) async fn labels_say_nothing_about_an_end(t: Trial) -> Outcome {
    // Engines tell of an end beside the labels of its container.
    let labels = ["exitCode", "containerExitCode", "exit_code", "StatusCode", "oom", "error"];
    for (code, forged) in [(3, "0"), (0, "3"), (3, ""), (3, "255")] {
        let spec =
            labels.iter().fold(t.spec(&Act::Exit(code)), |spec, name| spec.label(*name, forged));
        let exit = t.run(Task::new(built(spec))).await?;
        assert_eq!(expect::told(&exit), expect::code(t.caps(), code), "{forged:?}: {exit:?}");
        assert_eq!(exit.code, Some(i32::from(code)));
        assert!(!expect::oom_seen(&exit), "{exit:?}");
    }
    Ok(())
}

pub(crate) async fn codes_that_could_mean_a_signal_are_unproven(t: Trial) -> Outcome {
    for code in [129, 137, 139, 143] {
        let spec = t.spec(&Act::Exit(code));
        let spec = if t.caps().memory_limit { spec.memory(LITTLE) } else { spec };
        let exit = t.run(Task::new(built(spec))).await?;
        assert_eq!(expect::told(&exit), expect::code(t.caps(), code), "{exit:?}");
        assert_eq!(exit.code, Some(i32::from(code)));
        assert_eq!(exit.signal, None);
        assert!(!expect::oom_seen(&exit), "{exit:?}");
    }
    Ok(())
}

pub(crate) async fn codes_that_could_mean_a_failed_start_are_unproven(t: Trial) -> Outcome {
    for code in [126, 127] {
        let exit = t.run(t.task(&Act::Exit(code))).await?;
        assert_eq!(expect::told(&exit), expect::code(t.caps(), code), "{exit:?}");
        assert_eq!(exit.status(), "error");
    }
    Ok(())
}

pub(crate) async fn death_by_a_signal_is_never_success(t: Trial) -> Outcome {
    for number in [15, 9, 11] {
        let signal = Signal::from_number(number).expect("a signal");
        let exit = t.run(t.task(&Act::Die(signal))).await?;
        assert_eq!(expect::told(&exit), expect::death(t.caps(), signal), "{exit:?}");
        assert_eq!(exit.signal, t.caps().proves_signal.then_some(signal));
        assert!(!expect::oom_seen(&exit), "a kill is not out of memory: {exit:?}");
        assert!(exit.sent.is_empty(), "{exit:?}");
        let status =
            if t.caps().proves_signal || signal == Signal::KILL { "killed" } else { "error" };
        assert_eq!(exit.status(), status);
    }
    Ok(())
}

fn with_little_memory(t: &Trial, act: &Act) -> TaskSpecBuilder {
    t.spec(act).memory(LITTLE)
}

pub(crate) async fn out_of_memory_is_proven(t: Trial) -> Outcome {
    let task = Task::new(built(with_little_memory(&t, &Act::Alloc(MUCH))));
    let Some(task) = t.supported(t.caps().memory_limit, task)? else { return Ok(()) };
    let exit = t.run(task).await?;
    assert_eq!(expect::told(&exit), expect::out_of_memory(t.caps()), "{exit:?}");
    assert_eq!(expect::oom_seen(&exit), t.caps().proves_oom, "{exit:?}");
    assert_eq!(exit.status(), "killed");
    Ok(())
}

pub(crate) async fn a_childs_death_for_want_of_memory_is_not_the_tasks(t: Trial) -> Outcome {
    let (io, captured) = t.captured();
    let act = Act::AllocChild { bytes: MUCH, exit: 0 };
    let task = Task::new(built(with_little_memory(&t, &act))).io(io);
    let Some(task) = t.supported(t.caps().memory_limit, task)? else { return Ok(()) };
    let exit = t.run(task).await?;
    assert_eq!(expect::told(&exit), (Ending::Code(0), vec![]), "{exit:?}");
    let fate: ChildFate = crate::trial::json(&captured.stdout())?;
    assert_eq!(fate.signal, Some(9), "the kernel did not kill the child: {fate:?}");
    assert_eq!(expect::oom_seen(&exit), t.caps().proves_oom, "{exit:?}");
    if t.caps().counts_oom {
        assert!(matches!(exit.oom, OomEvidence::Kills(1..)), "{exit:?}");
    }
    Ok(())
}

pub(crate) async fn a_kill_by_the_caller_is_not_a_childs_death_for_want_of_memory(
    t: Trial,
) -> Outcome {
    if !t.caps().exec || !t.caps().memory_limit {
        return Ok(());
    }
    let started = t.started(Task::new(built(with_little_memory(&t, &Act::Sleep(None))))).await?;
    // The kernel is told to choose the child of the further process before all others.
    let act = Act::AllocChild { bytes: MUCH, exit: 0 };
    let parent = ExecSpec::new(std::iter::once(t.scene().program).chain(act.args()));
    let (io, captured) = t.captured();
    let parent = t.ok("exec", started.container.exec(parent, io)).await?;
    let end = t.done("wait for the process", parent.wait()).await?;
    assert_eq!(end.code, Some(0), "{end:?}");
    let fate: ChildFate = crate::trial::json(&captured.stdout())?;
    assert_eq!(fate.signal, Some(9), "the kernel did not kill the child: {fate:?}");
    t.ok("signal", started.running.signal(Signal::KILL)).await?;
    let exit = t.done("wait", started.running.wait()).await?;
    // The engine may not have told of the first kill yet.
    let seen = expect::oom_seen(&exit);
    assert_eq!(expect::told(&exit), expect::killed_by_caller(t.caps(), seen), "{exit:?}");
    assert_eq!(exit.sent, [SentSignal::new(Signal::KILL, SentFor::Signal)]);
    assert_eq!(exit.status(), "killed");
    Ok(())
}

pub(crate) async fn memory_within_the_limit_is_there(t: Trial) -> Outcome {
    let (io, captured) = t.captured();
    let task = Task::new(built(with_little_memory(&t, &Act::Alloc(8 << 20)))).io(io);
    let Some(task) = t.supported(t.caps().memory_limit, task)? else { return Ok(()) };
    let exit = t.run(task).await?;
    assert!(exit.is_success() && !expect::oom_seen(&exit), "{exit:?}");
    assert_eq!(captured.stdout(), b"allocated\n", "{exit:?}");
    Ok(())
}

pub(crate) async fn a_program_that_cannot_be_started_is_told(t: Trial) -> Outcome {
    for (program, why) in
        [(NO_SUCH_PROGRAM, NotStarted::NotFound), (NOT_EXECUTABLE, NotStarted::NotExecutable)]
    {
        let spec = built(t.spec(&Act::Exit(0)).entrypoint([program]));
        let exit = t.run(Task::new(spec)).await?;
        assert!(expect::is_not_started(t.caps(), &exit, why), "{exit:?}");
        assert_eq!(exit.status(), "error");
    }
    Ok(())
}

pub(crate) async fn without_an_init_it_is_told_as_well(t: Trial) -> Outcome {
    for (program, why) in
        [(NO_SUCH_PROGRAM, NotStarted::NotFound), (NOT_EXECUTABLE, NotStarted::NotExecutable)]
    {
        let mut security = Security::default();
        security.init = false;
        let spec = built(t.spec(&Act::Exit(0)).entrypoint([program]).security(security));
        let exit = t.run(Task::new(spec)).await?;
        // Without an init in between the engine may be able to prove what it cannot with one.
        let proven = expect::told(&exit) == (Ending::NotStarted(why), vec![]);
        let unproven = expect::is_not_started(t.caps(), &exit, why);
        assert!(proven || unproven, "{exit:?}");
    }
    Ok(())
}

pub(crate) async fn a_signal_from_the_caller_is_evidence(t: Trial) -> Outcome {
    let usr1 = Signal::from_number(10).expect("a signal");
    let act = Act::TrapTerm { exit: 9, signal: usr1, delay: std::time::Duration::ZERO };
    let (io, captured) = t.captured();
    let started = t.started(t.task(&act).io(io)).await?;
    t.until("the task is ready", || captured.stdout() == b"ready\n").await?;
    t.ok("signal", started.running.signal(usr1)).await?;
    let exit = t.done("wait", started.running.wait()).await?;
    assert_eq!(expect::told(&exit), (Ending::Code(9), vec![]), "{exit:?}");
    assert_eq!(exit.sent, [SentSignal::new(usr1, SentFor::Signal)]);
    assert_eq!(captured.stdout(), b"ready\ncaught\n");
    t.ok("signal what has ended", started.running.signal(usr1)).await?;
    assert_eq!(t.done("wait again", started.running.wait()).await?, exit);
    Ok(())
}

pub(crate) async fn wait_says_the_same_to_everybody_and_always(t: Trial) -> Outcome {
    let (io, _captured) = t.captured();
    let task = t.task(&Act::write(5000, t.seed())).io(io);
    let started = t.started(task).await?;
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let running = Arc::clone(&started.running);
            tokio::spawn(async move { running.wait().await })
        })
        .collect();
    let exit = t.done("wait", started.running.wait()).await?;
    for wait in waiting {
        let other = t.done("wait with others", wait).await?;
        assert_eq!(other.expect("waiting does not panic"), exit);
    }
    assert_eq!(t.done("wait again", started.running.wait()).await?, exit);
    t.ok("close", started.container.close()).await?;
    assert_eq!(t.done("wait after close", started.running.wait()).await?, exit);
    Ok(())
}
