//! A container made anew, because what it was to join is no more, or its input is spent.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Error, Result};
use tokio::time::timeout;

use super::core::{Core, Creation};
use super::create::create;
use crate::removal::remove_container;
use crate::retry::again;

/// With how many borrowed networks a start is tried.
const TRIES: u32 = 3;
/// How long whoever has lent a network has to learn that it is lost. Before, he would lend it again.
const LEARNS: Duration = Duration::from_secs(2);

/// Whether something else is to be borrowed in place of what the engine has refused.
pub(super) async fn can_borrow_again(core: &Core) -> bool {
    if !core.is_loan_refused() || core.loans() >= TRIES || core.ending.is_cancelled() {
        return false;
    }
    let Some(loan) = core.loan() else { return false };
    tokio::select! {
        biased;
        () = core.ending.cancelled() => false,
        learnt = timeout(LEARNS, loan.until_lost()) => learnt.is_ok(),
    }
}

/// Makes a container anew that was not started because what it joins was refused: what it joins is
/// settled when it is made. Gives its new id. `None`: it is as it was, since it may have run, or
/// holds what somebody has put there, or nothing more is to be borrowed.
pub(crate) async fn remake(core: &Arc<Core>, id: &str, why: &Error) -> Result<Option<String>> {
    if !can_borrow_again(core).await {
        return Ok(None);
    }
    make_anew(core, id, why).await
}

/// Makes a container anew that cannot be started any more, as [`remake`] does, with what it has
/// borrowed.
pub(crate) async fn make_anew(core: &Arc<Core>, id: &str, why: &Error) -> Result<Option<String>> {
    let Some(remaking) = Remaking::begin(core, id) else { return Ok(None) };
    // In this order: whoever copies says so first, and looks then whether there is a container.
    if core.is_touched() {
        return Ok(None);
    }
    let api = &*core.shared.api;
    // An engine never says so again once the process has begun.
    match again("inspect_container", || api.inspect_container(id)).await {
        Ok(container) if container.state.status == "created" => {}
        _ => return Ok(None),
    }
    if let Err(error) = remove_container(api, id, core.shared.timeouts.work).await {
        tracing::warn!(container = core.name, %error, "it cannot be made anew");
        return Ok(None);
    }
    remaking.removed(why);
    tracing::info!(container = core.name, task = core.spec.id, %why, "it is made anew");
    create(core).await?;
    core.created_id("start").map(Some)
}

/// A container that is being made anew, under the name that it had. Until the one before is gone,
/// it stays what there is, however this ends.
struct Remaking<'a> {
    core: &'a Core,
    id: &'a str,
    /// Why it was removed, once it is.
    removed: Option<Arc<Error>>,
}

impl<'a> Remaking<'a> {
    /// Whoever closes waits from now on, and nobody else finds a container. `None`: it is not there.
    fn begin(core: &'a Core, id: &'a str) -> Option<Self> {
        let begun = core.creation.send_if_modified(|creation| {
            let is_there = matches!(creation, Creation::Done(there) if there == id);
            if is_there {
                *creation = Creation::InFlight;
            }
            is_there
        });
        begun.then_some(Self { core, id, removed: None })
    }

    fn removed(mut self, why: &Error) {
        self.removed = Some(Arc::new(why.duplicate()));
    }
}

impl Drop for Remaking<'_> {
    fn drop(&mut self) {
        let now = match self.removed.take() {
            Some(why) => Creation::Failed(why, None),
            None => Creation::Done(self.id.to_owned()),
        };
        self.core.creation.send_replace(now);
    }
}
