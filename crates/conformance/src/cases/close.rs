//! Closing a container or a driver, in any state.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Container, ContainerExt as _, DriverExt as _, ErrorKind, Outcome as Ending, State, Task,
};

use crate::Act;
use crate::tools::Counting;
use crate::trial::{Started, Trial};
use crate::verdict::Outcome;

fn counted(t: &Trial, act: &Act) -> (Task, Arc<Counting>) {
    let hooks = Counting::new();
    (t.task(act).hooks(Arc::clone(&hooks) as _), hooks)
}

/// Closes it twice, and sees that it is gone and its hook was called once.
async fn closes(t: &Trial, container: &dyn Container, hooks: &Counting) -> Outcome {
    t.ok("close", container.close()).await?;
    assert_eq!(container.state(), State::Closed);
    assert_eq!(t.leftovers().await?, [""; 0]);
    assert_eq!(hooks.closed(), 1, "calls of the hook");
    t.ok("close again", container.close()).await?;
    assert_eq!(hooks.closed(), 1, "calls of the hook after a second close");
    Ok(())
}

pub(crate) async fn before_anything_is_created(t: Trial) -> Outcome {
    let (task, hooks) = counted(&t, &Act::Exit(0));
    let container = t.driver().container(task)?;
    closes(&t, &*container, &hooks).await?;

    let (task, hooks) = counted(&t, &Act::Exit(0));
    let container = t.driver().container(task)?;
    t.ok("ensure the image", container.ensure_image()).await?;
    closes(&t, &*container, &hooks).await
}

pub(crate) async fn before_start(t: Trial) -> Outcome {
    let (task, hooks) = counted(&t, &Act::Exit(0));
    let container = t.prepared(task).await?;
    closes(&t, &*container, &hooks).await
}

pub(crate) async fn while_running(t: Trial) -> Outcome {
    let (task, hooks) = counted(&t, &Act::IgnoreTerm(None));
    let Started { container, running } = t.started(task).await?;
    closes(&t, &*container, &hooks).await?;
    let exit = t.done("wait", running.wait()).await?;
    assert_eq!((exit.outcome, exit.status()), (Ending::Cancelled, "cancelled"), "{exit:?}");
    Ok(())
}

pub(crate) async fn while_others_wait(t: Trial) -> Outcome {
    let Started { container, running } = t.started(t.task(&Act::Sleep(None))).await?;
    let waiting = {
        let running = Arc::clone(&running);
        tokio::spawn(async move { running.wait().await })
    };
    t.pause().await;
    t.ok("close", container.close()).await?;
    let exit = t.done("the waiter is told", waiting).await?.expect("waiting does not panic");
    assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}");
    Ok(())
}

pub(crate) async fn after_the_end(t: Trial) -> Outcome {
    let (task, hooks) = counted(&t, &Act::Exit(4));
    let Started { container, running } = t.started(task).await?;
    let exit = t.done("wait", running.wait()).await?;
    closes(&t, &*container, &hooks).await?;
    assert_eq!(t.done("wait again", running.wait()).await?, exit);
    assert_eq!(exit.outcome, Ending::Code(4), "{exit:?}");
    Ok(())
}

pub(crate) async fn from_many_tasks_at_once(t: Trial) -> Outcome {
    let (task, hooks) = counted(&t, &Act::Sleep(None));
    let Started { container, .. } = t.started(task).await?;
    let closing: Vec<_> = (0..8)
        .map(|_| {
            let container = Arc::clone(&container);
            tokio::spawn(async move { container.close().await })
        })
        .collect();
    for close in closing {
        t.done("close", close).await?.expect("closing does not panic")?;
        // Each call returns when the work is done, not only the one that did it.
        assert_eq!(t.leftovers().await?, [""; 0]);
    }
    closes(&t, &*container, &hooks).await
}

pub(crate) async fn while_others_create_or_freeze(t: Trial) -> Outcome {
    let container = t.driver().container(t.task(&Act::Exit(0)))?;
    t.ok("ensure the image", container.ensure_image()).await?;
    let creating = {
        let container = Arc::clone(&container);
        tokio::spawn(async move { container.create().await })
    };
    tokio::task::yield_now().await;
    t.ok("close", container.close()).await?;
    if let Err(error) = t.done("create", creating).await?.expect("creating does not panic") {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
    assert_eq!(t.leftovers().await?, [""; 0]);

    if t.caps().freeze {
        let Started { container, .. } = t.started(t.task(&Act::Sleep(None))).await?;
        let freezing = {
            let container = Arc::clone(&container);
            tokio::spawn(async move {
                let frozen = container.freeze().await;
                frozen.and(container.unfreeze().await)
            })
        };
        tokio::task::yield_now().await;
        t.ok("close", container.close()).await?;
        // It comes before or after the close; either way it ends and nothing is left.
        let _ = t.done("freeze", freezing).await?.expect("freezing does not panic");
        assert_eq!(t.leftovers().await?, [""; 0]);
    }
    Ok(())
}

pub(crate) async fn a_closed_driver_makes_no_container(t: Trial) -> Outcome {
    let driver = t.open_another().await?;
    t.ok("close the driver", driver.close()).await?;
    match driver.container(t.task(&Act::Exit(0))) {
        Ok(container) => panic!("a closed driver reserved {container:?}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
    }
    t.ok("close the driver again", driver.close()).await?;
    Ok(())
}

pub(crate) async fn a_driver_closes_what_is_left(t: Trial) -> Outcome {
    let driver = t.open_another().await?;
    let mut hooks = Vec::new();
    let mut task = |act: &Act| {
        let (task, counting) = counted(&t, act);
        hooks.push(counting);
        task
    };
    let reserved = driver.container(task(&Act::Exit(0)))?;
    let created = t.ok("prepare", driver.prepare(task(&Act::Exit(0)))).await?;
    let started = t.ok("prepare", driver.prepare(task(&Act::IgnoreTerm(None)))).await?;
    let running = t.ok("start", started.start()).await?;
    let ended = t.ok("prepare", driver.prepare(task(&Act::Exit(2)))).await?;
    let over = t.ok("start", ended.start()).await?;
    t.done("wait", over.wait()).await?;

    t.ok("close the driver", driver.close()).await?;
    assert_eq!(t.leftovers().await?, [""; 0]);
    for container in [reserved, created, started, ended] {
        assert_eq!(container.state(), State::Closed);
        t.ok("close", container.close()).await?;
    }
    assert_eq!(t.done("wait", running.wait()).await?.outcome, Ending::Cancelled);
    assert_eq!(t.done("wait", over.wait()).await?.outcome, Ending::Code(2));
    let closed: Vec<usize> = hooks.iter().map(|hooks| hooks.closed()).collect();
    assert_eq!(closed, [1; 4], "calls of the hooks");
    Ok(())
}

pub(crate) async fn a_driver_may_be_closed_while_it_works(t: Trial) -> Outcome {
    let driver = t.open_another().await?;
    let mut working = Vec::new();
    for _ in 0..4 {
        let (driver, task) = (Arc::clone(&driver), t.task(&Act::Sleep(None)));
        working.push(tokio::spawn(async move { driver.run_task(task).await }));
    }
    tokio::time::sleep(Duration::from_millis(if t.soak() { 5 } else { 50 })).await;
    t.ok("close the driver", driver.close()).await?;
    for work in working {
        match t.done("what it worked on ends", work).await?.expect("running does not panic") {
            Ok(exit) => assert_eq!(exit.outcome, Ending::Cancelled, "{exit:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
        }
    }
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}
