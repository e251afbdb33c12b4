//! Freezing and unfreezing, each right whatever the state is said to be.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Result};

use super::core::{Core, Stage};
use crate::client::error::ClientError;
use crate::error::engine_error;
use crate::retry::{again, if_unsent, is_unsent};
use crate::running::send_kept_signals;

/// How long the engine's answers may contradict each other: it learns of each change a second time,
/// late, and then believes an old state for a moment.
const SETTLES: Duration = Duration::from_millis(200);
/// How often it is asked meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// What runc and its shim say of a process that is frozen, and of one that is not, while the engine
/// believed the opposite.
const FROZEN_BELOW: &str = "cannot pause a paused container";
const RUNNING_BELOW: &str = "cannot resume a running process";

/// Makes the processes stand still.
pub(super) async fn freeze(core: &Arc<Core>) -> Result<()> {
    change(core, "freeze", true).await
}

/// Lets the processes go on.
pub(super) async fn unfreeze(core: &Arc<Core>) -> Result<()> {
    change(core, "unfreeze", false).await
}

async fn change(core: &Arc<Core>, op: &'static str, wanted: bool) -> Result<()> {
    let id = core.created_id(op)?;
    if core.stage() != Stage::Running {
        return Err(not_running(core, op));
    }
    // Two at once would each mistake what the other does for the engine's late knowledge. Whoever gives
    // up before it is his turn has changed nothing.
    let turn = tokio::select! {
        () = core.ending.cancelled() => return Err(core.closed_error(op)),
        turn = Arc::clone(&core.freezing).lock_owned() => turn,
    };
    let own = Arc::clone(core);
    // What was asked for has to be known, whoever waits for it.
    let doing = core.shared.tasks.spawn(async move {
        let _turn = turn;
        let mut open = Open { core: &own, wanted, settled: false };
        let done = async {
            bring_about(&mut open, op, &id).await?;
            if !wanted {
                send_kept_signals(&own, &id).await?;
            }
            Ok(())
        };
        tokio::select! {
            // Closing wins over a freeze under way.
            () = own.ending.cancelled() => Err(own.closed_error(op)),
            done = done => done,
        }
    });
    doing.await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Io, op).message("the runtime is ending").because(error))
    })
}

/// A change that the engine may have been asked for, and may have made.
struct Open<'a> {
    core: &'a Arc<Core>,
    wanted: bool,
    settled: bool,
}

impl Open<'_> {
    /// It is known whether the processes stand still.
    fn settle(&mut self, frozen: bool) {
        self.core.frozen.send_replace(frozen);
        self.settled = true;
    }

    /// What is known after a call that failed. A task that may go on has its time counted: it would
    /// have no timeout otherwise.
    async fn failed(&mut self, id: &str, error: &ClientError) {
        if is_unsent(error) {
            self.settled = true;
        } else if self.wanted || !error.is_answer_lost() {
            // The engine may still believe an old state.
            tokio::time::sleep(SETTLES).await;
            let api = &self.core.shared.api;
            if let Ok(found) = again("inspect_container", || api.inspect_container(id)).await {
                self.settle(found.state.running && found.state.paused);
            }
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.settled && !self.wanted {
            self.core.frozen.send_replace(false);
        }
    }
}

async fn bring_about(open: &mut Open<'_>, op: &'static str, id: &str) -> Result<()> {
    let (core, wanted) = (open.core, open.wanted);
    let api = &core.shared.api;
    let failed = |error| engine_error(op, &core.subject(), error);
    let give_up = tokio::time::Instant::now() + core.shared.timeouts.call;
    loop {
        let runtime_has_it = match ask(core, id, wanted).await {
            Ok(()) => {
                open.settle(wanted);
                return Ok(());
            }
            Err(error) if !is_about_the_state(&error) => {
                open.failed(id, &error).await;
                return Err(failed(error));
            }
            Err(error) if tokio::time::Instant::now() >= give_up => return Err(failed(error)),
            Err(error) => is_so_below(&error, wanted),
        };
        // The engine says that it is so already, or that the process does not run. Look until it
        // has said the same for a while.
        let settled = tokio::time::Instant::now() + SETTLES;
        loop {
            let state = again("inspect_container", || api.inspect_container(id))
                .await
                .map_err(failed)?
                .state;
            if !state.running {
                return Err(not_running(core, op));
            }
            let now = tokio::time::Instant::now();
            if state.paused != wanted {
                // The runtime below the engine knows for certain; the engine comes to know it.
                if !runtime_has_it || now >= settled {
                    break;
                }
            } else if *core.frozen.borrow() == wanted || runtime_has_it {
                open.settle(wanted);
                return Ok(());
            } else if now >= settled {
                // Our own last word was the opposite. If the engine stays with what it says, it is
                // brought to know better by one round of both.
                let _ = ask(core, id, !wanted).await;
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn ask(core: &Core, id: &str, frozen: bool) -> Result<(), ClientError> {
    let api = &core.shared.api;
    match frozen {
        true => if_unsent("pause_container", || api.pause_container(id)).await,
        false => if_unsent("unpause_container", || api.unpause_container(id)).await,
    }
}

/// Whether the engine refused because of the container's state. Engines answer 409 or 500 to that.
fn is_about_the_state(error: &ClientError) -> bool {
    let ClientError::Status { status, message } = error else { return false };
    matches!(status, 409 | 500)
        && ["already paused", "not paused", "not running", "is paused", "can only"]
            .iter()
            .chain(&[FROZEN_BELOW, RUNNING_BELOW])
            .any(|words| message.contains(words))
}

/// Whether the runtime below the engine refused because the process is in the wanted state.
fn is_so_below(error: &ClientError, wanted: bool) -> bool {
    let ClientError::Status { message, .. } = error else { return false };
    message.contains(if wanted { FROZEN_BELOW } else { RUNNING_BELOW })
}

fn not_running(core: &Core, op: &'static str) -> Error {
    Error::new(ErrorKind::InvalidState, op)
        .message(format!("the process of {} does not run", core.subject()))
}
