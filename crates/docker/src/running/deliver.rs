//! Sending signals to a task, frozen or not.

use std::sync::Arc;

use longshore_driver_api::{Result, SentFor, SentSignal, Signal};

use crate::client::error::ClientError;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::retry::{again, if_unsent};

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
    let sent = if reason == SentFor::Signal { if_unsent(call).await } else { again(call).await };
    match sent {
        Ok(()) => core.sent.lock().push(SentSignal::new(signal, reason)),
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
    let container = core.shared.api.inspect_container(id).await;
    container
        .ok()
        .and_then(|container| container.config.stop_signal.parse().ok())
        .unwrap_or(Signal::TERM)
}

fn has_ended(error: &ClientError) -> bool {
    error.is_not_found()
        || matches!(error, ClientError::Status { status: 409 | 500, message }
            if message.contains("not running"))
}
