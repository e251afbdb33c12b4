//! Many tasks at once.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{DriverExt as _, Outcome as Ending, Task};
use longshore_testee::{STDOUT, pattern};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::Act;
use crate::expect;
use crate::trial::{Trial, built};
use crate::verdict::Outcome;

/// Runs so many at once and checks each one's output against its own pattern.
async fn at_once(t: &Trial, many: u64) -> Outcome {
    let mut running = Vec::new();
    for number in 0..many {
        let seed = t.seed().wrapping_add(number);
        let (io, captured) = t.captured();
        let amount = 1000 * (number + 1);
        let (driver, task) = (Arc::clone(t.driver()), t.task(&Act::write(amount, seed)).io(io));
        running.push((
            seed,
            amount,
            captured,
            tokio::spawn(async move { driver.run_task(task).await }),
        ));
    }
    for (seed, amount, captured, run) in running {
        let ran = t.within(Duration::from_secs(170), "run many at once", run).await?;
        let exit = ran.expect("running does not panic")?;
        assert_eq!(exit.outcome, Ending::Code(0), "{exit:?}");
        assert_eq!(exit.output.stdout, expect::whole(t.caps(), amount));
        let own = pattern(seed, STDOUT).bytes_of(usize::try_from(amount).expect("a small number"));
        assert!(captured.stdout() == own, "a task has not its own output");
    }
    Ok(())
}

pub(crate) async fn many_tasks_have_each_their_own_output(t: Trial) -> Outcome {
    at_once(&t, if t.soak() { 200 } else { 16 }).await
}

pub(crate) async fn two_tasks_may_have_the_same_id(t: Trial) -> Outcome {
    let spec = built(t.spec(&Act::Sleep(None)).id("the same"));
    let one = t.started(Task::new(spec.clone())).await?;
    let other = t.started(Task::new(spec)).await?;
    assert!(one.container.engine_id() != other.container.engine_id());
    one.running.cancel();
    assert_eq!(t.done("wait", one.running.wait()).await?.outcome, Ending::Cancelled);
    t.ok("close", one.container.close()).await?;
    t.pause().await;
    assert_eq!(other.container.state(), longshore_driver_api::State::Running);
    other.running.cancel();
    assert_eq!(t.done("wait", other.running.wait()).await?.outcome, Ending::Cancelled);
    Ok(())
}

pub(crate) async fn ends_of_many_tasks_are_each_their_own(t: Trial) -> Outcome {
    let mut random = StdRng::seed_from_u64(t.seed());
    let mut running = Vec::new();
    for number in 0..if t.soak() { 100 } else { 12_u8 } {
        let code = random.random_range(0..100);
        let (act, expected) = match number % 3 {
            0 => (Act::Exit(code), Ending::Code(i32::from(code))),
            1 => (Act::Sleep(None), Ending::Cancelled),
            _ => (Act::IgnoreTerm(None), Ending::Stopped),
        };
        let (trial, task) = (t.clone(), t.task(&act));
        let run = tokio::spawn(async move {
            let started = trial.started(task).await?;
            match expected {
                Ending::Cancelled => started.running.cancel(),
                Ending::Stopped => started.running.stop(Some(Duration::ZERO)).await?,
                _ => {}
            }
            let exit = started.running.wait().await;
            started.container.close().await?;
            Outcome::Ok(exit)
        });
        running.push((expected, run));
    }
    for (expected, run) in running {
        let ran = t.within(Duration::from_secs(170), "run many at once", run).await?;
        let exit = ran.expect("running does not panic")?;
        assert_eq!(exit.outcome, expected, "{exit:?}");
    }
    Ok(())
}
