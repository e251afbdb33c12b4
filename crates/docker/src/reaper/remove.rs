//! Closing one container: waiting for its making, removing it, and trying on where that fails.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{SentFor, SentSignal, Signal};
use tokio::time::Instant;

use super::work::Ledger;
use crate::client::error::Result;
use crate::container::core::{Core, Creation, Stage};
use crate::error::engine_error;
use crate::removal::remove_container;
use crate::retry::pause;

/// How often a container is looked for whose making was asked for without an answer.
const LOOK: Duration = Duration::from_millis(100);
/// The longest pause between two attempts to remove a container that the engine does not remove.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Closes a container: waits for its making, removes it, lets its supervisor finish, and says so.
pub(super) async fn close(core: Arc<Core>, ledger: Arc<Ledger>) {
    wait_for_making(&core).await;
    let given_up = is_in_flight(&core);
    let removed = if core.may_exist() { remove(&core).await } else { Ok(()) };
    wait_for_supervisor(&core).await;
    let result = match removed {
        Ok(()) => Ok(()),
        Err(error) => {
            ledger.failing.lock().insert(core.subject(), error.to_string());
            Err(engine_error("close", &core.subject(), error))
        }
    };
    let failed = result.is_err();
    core.finish_close(result);
    if failed {
        // The owner is told. What is left on the engine is this thread's affair from now on.
        if !keep_trying(&core, &ledger).await {
            return;
        }
        ledger.failing.lock().remove(&core.subject());
        core.finish_close(Ok(()));
    }
    if given_up && !remove_late(&core, &ledger).await {
        return;
    }
    core.shared.leave(core.key);
}

fn is_in_flight(core: &Core) -> bool {
    matches!(&*core.creation.borrow(), Creation::InFlight)
}

/// Removes what is made after closing was told: it had waited for the making for as long as it may
/// take, and a runtime that stands still had not told how it went. Says whether nothing is left.
async fn remove_late(core: &Core, ledger: &Ledger) -> bool {
    let mut creation = core.creation.subscribe();
    tokio::select! {
        () = ledger.give_up.cancelled() => return false,
        () = async { drop(creation.wait_for(|it| !matches!(it, Creation::InFlight)).await) } => {}
    }
    if !core.may_exist() || remove(core).await.is_ok() {
        return true;
    }
    ledger.failing.lock().insert(core.subject(), "it was made after it was closed".to_owned());
    let removed = keep_trying(core, ledger).await;
    if removed {
        ledger.failing.lock().remove(&core.subject());
    }
    removed
}

async fn wait_for_making(core: &Core) {
    let mut creation = core.creation.subscribe();
    let made = creation.wait_for(|creation| !matches!(creation, Creation::InFlight));
    // The request has a bound of its own; this one is against what nobody thought of.
    let _ = tokio::time::timeout(core.shared.timeouts.work * 2, made).await;
}

async fn wait_for_supervisor(core: &Core) {
    core.execs.close();
    // Each has a bound of its own; this one is against what nobody thought of.
    let _ = tokio::time::timeout(core.shared.timeouts.work, core.execs.wait()).await;
    if core.stage() == Stage::Unstarted {
        return;
    }
    let mut exit = core.exit.subscribe();
    let ended = exit.wait_for(Option::is_some);
    let _ = tokio::time::timeout(core.shared.timeouts.call, ended).await;
}

async fn keep_trying(core: &Core, ledger: &Ledger) -> bool {
    for attempt in 3_u32.. {
        tokio::select! {
            () = ledger.give_up.cancelled() => return false,
            () = tokio::time::sleep(pause(attempt).min(LONGEST_PAUSE)) => {}
        }
        if remove(core).await.is_ok() {
            return true;
        }
    }
    false
}

async fn remove(core: &Core) -> Result<()> {
    let (target, late) = match &*core.creation.borrow() {
        Creation::Done(id) => (id.clone(), None),
        Creation::Failed(_, late) => (core.name.clone(), *late),
        // The name is as good as the id for what is still being made.
        Creation::InFlight | Creation::NotAsked => (core.name.clone(), None),
    };
    if core.stage() == Stage::Running {
        core.sent.lock().push(SentSignal::new(Signal::KILL, SentFor::Cancel));
    }
    let (api, bound) = (&*core.shared.api, core.shared.timeouts.work);
    loop {
        // An engine that began later knew of all that there was before it answered anybody.
        let appears = match late {
            Some(late) => {
                Instant::now() < late.until && !core.shared.engine_began_after(late.asked).await
            }
            None => false,
        };
        if remove_container(api, &target, bound).await? || !appears {
            return Ok(());
        }
        // It is not there. One whose making was asked for may still appear.
        tokio::time::sleep(LOOK).await;
    }
}
