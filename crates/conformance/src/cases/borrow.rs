//! Tasks on a network that was made beforehand and is lent to them.

use std::sync::{Arc, Mutex, PoisonError};

use longshore_driver_api::{
    Driver, DriverExt as _, ErrorKind, NetworkMode, NetworkReport, Outcome as Ended, Task,
    TaskHooks, TaskSpec, WhenEmpty,
};

use crate::Act;
use crate::tools::{Books, Lender};
use crate::trial::{Trial, built};
use crate::verdict::{Outcome, Stop};

/// A task on a borrowed network, which fails at once where there is none.
fn borrower(t: &Trial, act: &Act) -> TaskSpec {
    let spec = t.spec(act).network(NetworkMode::Prefork);
    built(spec.edit(|spec| spec.network.when_empty = Some(WhenEmpty::Error)))
}

/// A driver that borrows of a lender with one placeholder, and the lender's books. `None` where it
/// cannot borrow, and refuses to.
async fn world(t: &Trial) -> Outcome<Option<(Arc<dyn Driver>, Arc<Books>)>> {
    world_on(t, NetworkMode::Bridge).await
}

/// The same with the placeholder on this network.
async fn world_on(
    t: &Trial,
    network: NetworkMode,
) -> Outcome<Option<(Arc<dyn Driver>, Arc<Books>)>> {
    let books = Books::new();
    let kept = Arc::clone(&books);
    let lend = move |placeholders| -> Arc<dyn longshore_driver_api::NamespaceSource> {
        Arc::new(Lender::new(placeholders, network.clone(), Arc::clone(&kept)))
    };
    let Some(driver) = t.open_borrowing(&lend).await? else {
        return Err(Stop::Skipped("the fixture has no placeholders to lend".to_owned()));
    };
    if driver.capabilities().prefork {
        return Ok(Some((driver, books)));
    }
    match driver.container(Task::new(borrower(t, &Act::Exit(0)))) {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        other => Err(Stop::failed(format_args!("not refused: {other:?}"))),
    }
}

pub(crate) async fn a_lent_network_is_the_tasks_until_its_container_is_gone(t: Trial) -> Outcome {
    let Some((driver, books)) = world(&t).await? else { return Ok(()) };
    for round in 1..=2 {
        let task = Task::new(borrower(&t, &Act::Sleep(None)));
        let container = t.ok("prepare", driver.prepare(task)).await?;
        assert_eq!(books.out(), 1, "it is lent by the time the container is there");
        let running = t.ok("start", container.start()).await?;
        let info = t.ok("ask for the network", running.network()).await?;
        assert!(info.address().is_some(), "a lent network is a network: {info:?}");
        running.cancel();
        let exit = t.done("wait", running.wait()).await?;
        assert_eq!((exit.outcome, &exit.network), (Ended::Cancelled, &NetworkReport::Lent));
        assert!(exit.timings.lease.is_some(), "{:?}", exit.timings);
        t.ok("close", container.close()).await?;
        t.until("the lease comes back", || books.out() == 0).await?;
        assert_eq!(books.requests().len(), round);
    }
    assert!(books.requests().iter().all(|request| !request.changes), "{:?}", books.requests());
    // The lender is closed with the driver, and what it lent is gone then.
    t.ok("close the driver", driver.close()).await?;
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn whoever_lends_is_told_what_the_task_could_do(t: Trial) -> Outcome {
    let Some((driver, books)) = world(&t).await? else { return Ok(()) };
    let mut spec = borrower(&t, &Act::Exit(0));
    spec.security.cap_add = vec!["NET_ADMIN".parse().expect("a capability of Linux")];
    let exit = t.ok("run a task that could change it", driver.run_task(spec)).await?;
    assert_eq!(exit.network, NetworkReport::Lent);
    let exit = t.ok("run one that could not", driver.run_task(borrower(&t, &Act::Exit(0)))).await?;
    assert_eq!(exit.network, NetworkReport::Lent);
    let changes: Vec<bool> = books.requests().iter().map(|request| request.changes).collect();
    assert_eq!(changes, [true, false]);
    Ok(())
}

pub(crate) async fn where_there_is_none_it_fails_or_falls_back_as_it_asked(t: Trial) -> Outcome {
    let Some((driver, books)) = world(&t).await? else { return Ok(()) };
    let holder = driver.prepare(Task::new(borrower(&t, &Act::Sleep(None))));
    let holder = t.ok("prepare the one that has it", holder).await?;
    let before = t.leftovers().await?.len();
    let run = driver.run_task(borrower(&t, &Act::Exit(0)));
    t.fails(ErrorKind::PoolEmpty, "run another", run).await?;
    assert_eq!((t.leftovers().await?.len(), books.out()), (before, 1));
    let mut spec = borrower(&t, &Act::Exit(0));
    spec.network.when_empty = Some(WhenEmpty::FallBack);
    let exit = t.ok("run one that falls back", driver.run_task(spec)).await?;
    assert_eq!((exit.is_success(), &exit.network), (true, &NetworkReport::FellBack));
    t.ok("close the one that has it", holder.close()).await?;
    t.until("the lease comes back", || books.out() == 0).await?;
    Ok(())
}

pub(crate) async fn whoever_falls_back_is_on_a_network_of_the_lenders(t: Trial) -> Outcome {
    // Every engine has it, and whoever is on it reaches nobody.
    let Some((driver, books)) = world_on(&t, NetworkMode::None).await? else { return Ok(()) };
    let mut containers = Vec::new();
    for _ in 0..2 {
        let mut spec = borrower(&t, &Act::Sleep(None));
        spec.network.when_empty = Some(WhenEmpty::FallBack);
        let container = t.ok("prepare", driver.prepare(Task::new(spec))).await?;
        let running = t.ok("start", container.start()).await?;
        let info = t.ok("ask for the network", running.network()).await?;
        let names: Vec<&str> = info.networks.iter().map(|it| it.network.as_str()).collect();
        assert_eq!((names, info.address()), (vec!["none"], None));
        containers.push((container, running));
    }
    // The second has found none to borrow.
    assert_eq!((books.requests().len(), books.out()), (2, 1));
    let mut reports = Vec::new();
    for (container, running) in &containers {
        running.cancel();
        reports.push(t.done("wait", running.wait()).await?.network.clone());
        t.ok("close", container.close()).await?;
    }
    assert_eq!(reports, [NetworkReport::Lent, NetworkReport::FellBack]);
    Ok(())
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl TaskHooks for Told {
    fn network_lost(&self, why: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(why.to_owned());
    }
}

pub(crate) async fn a_network_that_is_lost_before_the_start_is_replaced(t: Trial) -> Outcome {
    let Some((driver, books)) = world(&t).await? else { return Ok(()) };
    let task = Task::new(borrower(&t, &Act::Sleep(None)));
    let container = t.ok("prepare", driver.prepare(task)).await?;
    t.ok("end the placeholder", books.end("the lender has ended it")).await?;
    let running = t.ok("start", container.start()).await?;
    let info = t.ok("ask for the network", running.network()).await?;
    assert!(info.address().is_some(), "it is on another one: {info:?}");
    assert_eq!((books.requests().len(), books.out()), (2, 1));
    running.cancel();
    let exit = t.done("wait", running.wait()).await?;
    assert_eq!((exit.outcome, &exit.network), (Ended::Cancelled, &NetworkReport::Lent));
    t.ok("close", container.close()).await?;
    t.until("the lease comes back", || books.out() == 0).await?;
    t.ok("close the driver", driver.close()).await?;
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn a_network_that_is_lost_is_told_once_and_in_the_exit(t: Trial) -> Outcome {
    let Some((driver, books)) = world(&t).await? else { return Ok(()) };
    let told = Arc::new(Told::default());
    let task = Task::new(borrower(&t, &Act::Sleep(None))).hooks(told.clone());
    let container = t.ok("prepare", driver.prepare(task)).await?;
    let running = t.ok("start", container.start()).await?;
    books.lose("the lender says so");
    t.until("the task's owner is told", || !told.list().is_empty()).await?;
    running.cancel();
    let exit = t.done("wait", running.wait()).await?;
    assert_eq!(exit.network, NetworkReport::Lost("the lender says so".to_owned()));
    assert_eq!(exit.outcome, Ended::Cancelled);
    t.ok("close", container.close()).await?;
    assert_eq!(told.list(), ["the lender says so"]);
    t.until("the lease comes back", || books.out() == 0).await?;
    Ok(())
}
