//! Owners and what they leave.

use std::time::Duration;

use longshore_driver_api::{DriverExt as _, Outcome as Ending, ReapOptions, State, Task, TaskSpec};

use crate::trial::{Trial, built};
use crate::verdict::{Outcome, Stop};
use crate::{Act, Hosting};

pub(crate) async fn a_live_owners_containers_are_left_alone(t: Trial) -> Outcome {
    let started = t.started(t.task(&Act::trap_term(3))).await?;
    let created = t.prepared(t.task(&Act::Exit(0))).await?;
    let other = t.open_another().await?;
    for driver in [&other, t.driver()] {
        let report = t.ok("reap", driver.reap(ReapOptions::new())).await?;
        assert!(report.removed.is_empty() && report.failed.is_empty(), "{report:?}");
        assert!(report.kept >= 2, "{report:?}");
    }
    assert_eq!(started.container.state(), State::Running);
    let running = t.ok("start what was created", created.start()).await?;
    assert!(t.done("wait", running.wait()).await?.is_success());
    t.ok("stop", started.running.stop(None)).await?;
    assert_eq!(t.done("wait", started.running.wait()).await?.outcome, Ending::Stopped);
    Ok(())
}

pub(crate) async fn closing_a_driver_leaves_anothers_containers_alone(t: Trial) -> Outcome {
    let other = t.open_another().await?;
    let theirs = t.ok("prepare", other.prepare(t.task(&Act::Sleep(None)))).await?;
    let running = t.ok("start", theirs.start()).await?;
    let mine = t.ok("open a driver", t.fixture().open()).await?;
    let _container = t.ok("prepare", mine.prepare(t.task(&Act::Exit(0)))).await?;
    t.ok("close the driver", mine.close()).await?;
    assert_eq!(theirs.state(), State::Running);
    running.cancel();
    assert_eq!(t.done("wait", running.wait()).await?.outcome, Ending::Cancelled);
    Ok(())
}

/// Leaves a container of a dead owner.
async fn orphan(t: &Trial, spec: TaskSpec, stage: State) -> Outcome {
    match t.ok("leave an orphan", t.fixture().orphan(spec, stage)).await? {
        Hosting::Yes => {}
        Hosting::No(reason) => return Err(Stop::Skipped(reason)),
    }
    let left = t.leftovers().await?;
    assert!(!left.is_empty(), "the fixture left no container behind");
    Ok(())
}

pub(crate) async fn what_a_dead_owner_left_is_removed(t: Trial) -> Outcome {
    let mut stages = vec![State::Created, State::Running];
    if t.caps().freeze {
        stages.push(State::Frozen);
    }
    for stage in stages {
        let spec = t.task(&Act::IgnoreTerm(None)).spec;
        orphan(&t, spec.clone(), stage).await?;
        let there = t.leftovers().await?;

        let dry = t.ok("reap dry", t.driver().reap(ReapOptions::new().dry_run(true))).await?;
        assert_eq!((dry.removed.len(), dry.failed.len()), (1, 0), "{stage:?}: {dry:?}");
        assert_eq!(t.leftovers().await?, there, "a dry run removed something");

        let report = t.ok("reap", t.driver().reap(ReapOptions::new())).await?;
        assert!(report.failed.is_empty(), "{stage:?}: {report:?}");
        let [reaped] = &report.removed[..] else { panic!("{stage:?}: {report:?}") };
        assert_eq!(reaped.task.as_ref(), Some(&spec.id));
        assert_eq!(dry.removed[0].id, reaped.id);
        assert_eq!(t.leftovers().await?, [""; 0], "{stage:?}");

        let again = t.ok("reap again", t.driver().reap(ReapOptions::new())).await?;
        assert!(again.removed.is_empty() && again.failed.is_empty(), "{again:?}");
    }
    Ok(())
}

pub(crate) async fn a_recoverable_orphan_is_kept_for_its_time(t: Trial) -> Outcome {
    let spec = t.spec(&Act::Sleep(None)).recoverable_for(Duration::from_secs(10));
    let task = Task::new(built(spec));
    let Some(task) = t.supported(t.caps().recover, task)? else { return Ok(()) };
    orphan(&t, task.spec, State::Running).await?;
    let report = t.ok("reap", t.driver().reap(ReapOptions::new())).await?;
    assert!(report.removed.is_empty(), "{report:?}");
    assert_eq!(report.kept, 1, "{report:?}");
    tokio::time::sleep(Duration::from_secs(11)).await;
    let report = t.ok("reap later", t.driver().reap(ReapOptions::new())).await?;
    assert_eq!(report.removed.len(), 1, "{report:?}");
    Ok(())
}
