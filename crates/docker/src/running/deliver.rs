//! Sending signals to a task, frozen or not.

use std::sync::Arc;

use longshore_driver_api::{Result, SentFor, SentSignal, Signal};

use crate::client::error::ClientError;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::retry::{again, if_unsent, repeat};

/// Sends a signal. A task that has ended already is no error.
pub(super) async fn deliver(
    core: &Arc<Core>,
    id: &str,
    signal: Signal,
    reason: SentFor,
) -> Result<()> {
    let api = &core.shared.api;
    let name = signal.to_string();
    let call = || api.kill_container(id, &name);
    // What a signal of the caller's own means is not known here: it must not come twice.
    // Before the call: the end that it causes may be told before the call is answered.
    let note = SentSignal::new(signal, reason);
    core.sent.lock().push(note);
    let sent = match reason {
        SentFor::Signal => if_unsent("kill_container", call).await,
        _ => repeat("kill_container", call).await,
    };
    // Where the answer is lost, it may have come all the same.
    if sent.as_ref().is_err_and(|error| !error.is_answer_lost()) {
        let mut sent = core.sent.lock();
        if let Some(place) = sent.iter().rposition(|sent| *sent == note) {
            sent.remove(place);
        }
    }
    match sent {
        Ok(()) => {}
        Err(error) if has_ended(&error) => return Ok(()),
        Err(error) => return Err(engine_error("signal", &core.subject(), error)),
    }
    // A frozen process takes the signal when it goes on. A plain signal does not wake it.
    if reason != SentFor::Signal && *core.frozen.borrow() {
        // The engine does it by itself for some signals, and then refuses: that is fine.
        let _ = api.unpause_container(id).await;
        core.frozen.send_replace(false);
    }
    Ok(())
}

/// The signal that asks the task to end: its own, else the image's, else `SIGTERM`.
pub(super) async fn stop_signal(core: &Core, id: &str) -> Signal {
    if let Some(signal) = core.spec.stop.signal {
        return signal;
    }
    let container = again("inspect_container", || core.shared.api.inspect_container(id)).await;
    container
        .ok()
        .and_then(|container| container.config.stop_signal.parse().ok())
        .unwrap_or(Signal::TERM)
}

fn has_ended(error: &ClientError) -> bool {
    error.is_not_found()
        || matches!(error, ClientError::Status { status: 409 | 500, message }
            // Docker's words, then Podman's.
            if message.contains("not running") || message.contains("can only kill running containers"))
}
