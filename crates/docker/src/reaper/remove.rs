//! Removing one container, whatever its state and whatever the engine says about it.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{SentFor, SentSignal, Signal};
use tokio::time::Instant;

use super::work::Ledger;
use crate::client::error::{ClientError, Result};
use crate::container::core::{Core, Creation, Stage};
use crate::error::engine_error;
use crate::retry::{again, pause};

/// How often a container is looked for whose making was asked for without an answer.
const LOOK: Duration = Duration::from_millis(100);
/// The longest pause between two attempts to remove a container that the engine does not remove.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Closes a container: waits for its making, removes it, lets its supervisor finish, and says so.
pub(super) async fn close(core: Arc<Core>, ledger: Arc<Ledger>) {
    wait_for_making(&core).await;
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
    core.shared.leave(core.key);
}

async fn wait_for_making(core: &Core) {
    let mut creation = core.creation.subscribe();
    let made = creation.wait_for(|creation| !matches!(creation, Creation::InFlight));
    // The request has a bound of its own; this one is against what nobody thought of.
    let _ = tokio::time::timeout(core.shared.timeouts.work * 2, made).await;
}

async fn wait_for_supervisor(core: &Core) {
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
    let (target, until) = match &*core.creation.borrow() {
        Creation::Done(id) => (id.clone(), None),
        Creation::Failed(_, until) => (core.name.clone(), *until),
        // The name is as good as the id for what is still being made.
        Creation::InFlight | Creation::NotAsked => (core.name.clone(), None),
    };
    if core.stage() == Stage::Running {
        core.sent.lock().push(SentSignal::new(Signal::KILL, SentFor::Cancel));
    }
    loop {
        if remove_once(core, &target).await? {
            return Ok(());
        }
        // It is not there. One whose making was asked for may still appear.
        match until {
            Some(until) if Instant::now() < until => tokio::time::sleep(LOOK).await,
            _ => return Ok(()),
        }
    }
}

/// Removes it if it is there; says whether it was.
async fn remove_once(core: &Core, target: &str) -> Result<bool> {
    let api = &core.shared.api;
    let error = match again(|| api.remove_container(target)).await {
        Ok(()) => return Ok(true),
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => error,
    };
    if is_under_way(&error) {
        return gone(core, target).await.map(|()| true);
    }
    if error.status().is_none() {
        return Err(error);
    }
    // A container can be frozen while the engine thinks that it is not: then it cannot be killed.
    // One round of both brings the two together.
    for _ in 0..2 {
        if api.unpause_container(target).await.is_ok() {
            break;
        }
        if api.pause_container(target).await.is_err() {
            break;
        }
    }
    match api.remove_container(target).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) if is_under_way(&error) => gone(core, target).await.map(|()| true),
        Err(error) => Err(error),
    }
}

fn is_under_way(error: &ClientError) -> bool {
    matches!(error, ClientError::Status { status: 409, message } if message.contains("already in progress"))
}

/// Waits until somebody else's removal is done.
async fn gone(core: &Core, target: &str) -> Result<()> {
    let bound = core.shared.timeouts.work;
    let give_up = Instant::now() + bound;
    loop {
        match core.shared.api.inspect_container(target).await {
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) if error.status().is_none() => return Err(error),
            _ => {}
        }
        if Instant::now() >= give_up {
            return Err(ClientError::Deadline { bound });
        }
        tokio::time::sleep(LOOK / 4).await;
    }
}
