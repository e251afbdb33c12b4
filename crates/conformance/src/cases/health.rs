//! A start that waits until the task does well.

use std::time::Duration;

use longshore_driver_api::{ErrorKind, Health, HealthCheck, State, Task};

use crate::Act;
use crate::trial::{Trial, built};
use crate::verdict::Outcome;

/// A task whose start waits until `check` ends with 0.
fn waiting(t: &Trial, act: &Act, check: &Act) -> Task {
    let program = std::iter::once(t.scene().program).chain(check.args());
    let mut health = Health::default();
    health.check = HealthCheck::Run(program.collect());
    health.interval = Some(Duration::from_millis(300));
    health.retries = Some(2);
    health.wait = Some(Duration::from_secs(30));
    Task::new(built(t.spec(act).health(health)))
}

pub(crate) async fn a_start_waits_until_the_task_does_well(t: Trial) -> Outcome {
    let task = waiting(&t, &Act::Sleep(None), &Act::Exit(0));
    let Some(task) = t.supported(t.caps().health, task)? else { return Ok(()) };
    let started = t.started(task).await?;
    assert_eq!(started.container.state(), State::Running);
    started.running.cancel();
    t.done("wait", started.running.wait()).await?;
    Ok(())
}

pub(crate) async fn an_unhealthy_task_is_told_apart(t: Trial) -> Outcome {
    let task = waiting(&t, &Act::Sleep(None), &Act::Exit(1));
    let Some(task) = t.supported(t.caps().health, task)? else { return Ok(()) };
    let container = t.prepared(task).await?;
    t.fails(ErrorKind::Unhealthy, "start", container.start()).await?;
    // It is left to its owner.
    t.ok("close", container.close()).await?;
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn a_task_that_ends_before_it_does_well_is_told_apart(t: Trial) -> Outcome {
    let task = waiting(&t, &Act::Sleep(Some(Duration::from_millis(50))), &Act::Exit(1));
    let Some(task) = t.supported(t.caps().health, task)? else { return Ok(()) };
    let container = t.prepared(task).await?;
    t.fails(ErrorKind::EndedEarly, "start", container.start()).await?;
    t.ok("close", container.close()).await?;
    Ok(())
}

pub(crate) async fn waiting_for_health_has_a_bound(t: Trial) -> Outcome {
    let mut task = waiting(&t, &Act::Sleep(None), &Act::Exit(1));
    task.spec.health.start_period = Some(Duration::from_secs(3600));
    task.spec.health.wait = Some(Duration::from_millis(700));
    let Some(task) = t.supported(t.caps().health, task)? else { return Ok(()) };
    let container = t.prepared(task).await?;
    t.fails(ErrorKind::Deadline, "start", container.start()).await?;
    t.ok("close", container.close()).await?;
    Ok(())
}

pub(crate) async fn waiting_for_health_without_a_check_is_refused(t: Trial) -> Outcome {
    let mut task = waiting(&t, &Act::Sleep(None), &Act::Exit(0));
    task.spec.health.check = HealthCheck::Image;
    let Some(task) = t.supported(t.caps().health, task)? else { return Ok(()) };
    let container = t.prepared(task).await?;
    t.fails(ErrorKind::InvalidInput, "start", container.start()).await?;
    t.ok("close", container.close()).await?;
    Ok(())
}
