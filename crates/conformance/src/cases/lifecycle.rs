//! The stages of a container.

use std::sync::Arc;

use longshore_driver_api::{ContainerExt as _, ErrorKind, State, Task};

use crate::Act;
use crate::trial::{Started, Trial};
use crate::verdict::Outcome;

pub(crate) async fn reserving_creates_nothing(t: Trial) -> Outcome {
    let task = t.task(&Act::Exit(0));
    let spec = task.spec.clone();
    let container = t.driver().container(task)?;
    assert_eq!(*container.spec(), spec);
    t.ok("ask for the image", container.image_status()).await?;
    assert_eq!(t.leftovers().await?, [""; 0]);
    assert_eq!(container.state(), State::Reserved);
    assert_eq!(container.engine_id(), None);
    Ok(())
}

pub(crate) async fn the_state_is_right_at_each_stage(t: Trial) -> Outcome {
    let container = t.driver().container(t.task(&Act::trap_term(0)))?;
    assert_eq!(container.state(), State::Reserved);
    t.ok("ensure the image", container.ensure_image()).await?;
    assert_eq!(container.state(), State::Reserved);
    t.ok("create", container.create()).await?;
    assert_eq!(container.state(), State::Created);
    let running = t.ok("start", container.start()).await?;
    assert_eq!(container.state(), State::Running);
    t.ok("stop", running.stop(None)).await?;
    t.done("wait", running.wait()).await?;
    assert_eq!(container.state(), State::Exited);
    t.ok("close", container.close()).await?;
    assert_eq!(container.state(), State::Closed);
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn creating_twice_creates_once(t: Trial) -> Outcome {
    let container = t.prepared(t.task(&Act::Exit(0))).await?;
    let (id, there) = (container.engine_id(), t.leftovers().await?);
    t.ok("create again", container.create()).await?;
    assert_eq!(container.engine_id(), id);
    assert_eq!(t.leftovers().await?, there);
    let started = t.ok("start", container.start()).await?;
    t.ok("create a started one", container.create()).await?;
    assert!(t.done("wait", started.wait()).await?.is_success());
    Ok(())
}

pub(crate) async fn creating_at_once_creates_once(t: Trial) -> Outcome {
    let _one = t.prepared(t.task(&Act::Exit(0))).await?;
    let of_one = t.leftovers().await?.len();
    let container = t.driver().container(t.task(&Act::Exit(0)))?;
    t.ok("ensure the image", container.ensure_image()).await?;
    let creating: Vec<_> = (0..8)
        .map(|_| {
            let container = Arc::clone(&container);
            tokio::spawn(async move { container.create().await })
        })
        .collect();
    for create in creating {
        t.done("create", create).await?.expect("creating does not panic")?;
    }
    assert_eq!(container.state(), State::Created);
    assert_eq!(t.leftovers().await?.len(), 2 * of_one);
    Ok(())
}

pub(crate) async fn start_before_create_is_refused(t: Trial) -> Outcome {
    let container = t.driver().container(t.task(&Act::Exit(0)))?;
    t.fails(ErrorKind::InvalidState, "start what is not created", container.start()).await?;
    assert_eq!(container.state(), State::Reserved);
    t.ok("ensure the image", container.ensure_image()).await?;
    t.ok("create", container.create()).await?;
    let running = t.ok("start", container.start()).await?;
    assert!(t.done("wait", running.wait()).await?.is_success());
    Ok(())
}

pub(crate) async fn starting_again_runs_the_task_once(t: Trial) -> Outcome {
    let (io, captured) = t.captured();
    let container = t.prepared(t.task(&Act::write(1000, t.seed())).io(io)).await?;
    let starting: Vec<_> = (0..4)
        .map(|_| {
            let container = Arc::clone(&container);
            tokio::spawn(async move { container.start().await })
        })
        .collect();
    let mut exits = Vec::new();
    for start in starting {
        let running = t.done("start", start).await?.expect("starting does not panic")?;
        exits.push(t.done("wait", running.wait()).await?);
    }
    let again = t.ok("start an ended one", container.start()).await?;
    exits.push(t.done("wait", again.wait()).await?);
    assert!(exits.iter().all(|exit| exit == &exits[0] && exit.is_success()), "{exits:?}");
    assert_eq!(captured.stdout().len(), 1000);
    Ok(())
}

pub(crate) async fn the_engines_id_is_known_once_created(t: Trial) -> Outcome {
    let one = t.started(t.task(&Act::Sleep(None))).await?;
    let other = t.started(t.task(&Act::Sleep(None))).await?;
    let [one, other] = [one, other].map(|started| started.container.engine_id());
    assert!(one.as_deref().is_some_and(|id| !id.is_empty()), "{one:?}");
    assert!(one != other, "two containers have the id {one:?}");
    Ok(())
}

pub(crate) async fn engine_options_can_be_edited_until_create(t: Trial) -> Outcome {
    let container = t.driver().container(t.task(&Act::Exit(0)))?;
    let mut edits = 0;
    let edited = container.edit_engine_options(&mut |_| edits += 1);
    let after = match edited {
        Ok(()) => {
            assert_eq!(edits, 1, "the options are edited once");
            ErrorKind::InvalidState
        }
        Err(error) => {
            assert_eq!((error.kind(), edits), (ErrorKind::Unsupported, 0), "{error}");
            ErrorKind::Unsupported
        }
    };
    t.ok("ensure the image", container.ensure_image()).await?;
    t.ok("create", container.create()).await?;
    let late = container.edit_engine_options(&mut |_| edits += 1);
    assert_eq!(late.map_err(|error| error.kind()), Err(after));
    assert!(edits <= 1, "a refused edit was carried out");
    Ok(())
}

pub(crate) async fn a_closed_container_starts_nothing(t: Trial) -> Outcome {
    let container = t.prepared(t.task(&Act::Sleep(None))).await?;
    t.ok("close", container.close()).await?;
    t.fails(ErrorKind::Closed, "create what is closed", container.create()).await?;
    t.fails(ErrorKind::Closed, "start what is closed", container.start()).await?;
    assert_eq!(container.state(), State::Closed);
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn the_short_forms_work_on_the_drivers_own_type(t: Trial) -> Outcome {
    let fixture = Arc::clone(t.fixture());
    fixture.on_its_own_type(t).await
}

pub(crate) async fn how_long_each_stage_took_is_told(t: Trial) -> Outcome {
    let time = std::time::Duration::from_millis(300);
    let Started { running, .. } = t.started(t.task(&Act::Sleep(Some(time)))).await?;
    let timings = t.done("wait", running.wait()).await?.timings;
    assert!(timings.create.is_some() && timings.start.is_some(), "{timings:?}");
    assert!(timings.drain.is_some(), "{timings:?}");
    // The process may have run for a while before the engine said so.
    let lived = timings.start.zip(timings.run).map(|(start, run)| start + run);
    assert!(lived.is_some_and(|lived| lived >= time), "{timings:?}");
    Ok(())
}

pub(crate) async fn a_driver_says_what_it_is(t: Trial) -> Outcome {
    let driver = t.open_another().await?;
    assert!(!driver.name().is_empty());
    assert!(!driver.capabilities().engine.is_empty());
    assert_eq!(driver.capabilities(), t.caps());
    t.ok("ping", driver.ping()).await?;
    drop(driver.container(Task::new(t.task(&Act::Exit(0)).spec))?);
    t.ok("ping again", driver.ping()).await?;
    Ok(())
}
