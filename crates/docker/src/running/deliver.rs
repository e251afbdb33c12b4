//! Sending signals to a task, frozen or not.

use longshore_driver_api::{Result, SentFor, SentSignal, Signal};
use tokio_util::sync::CancellationToken;

use crate::client::error::ClientError;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::retry::{again, if_unsent, pause, repeat};

/// Sends a signal of the caller's own. A frozen process takes it when it goes on: until then it is
/// kept here, since some engines let a process go on with any signal.
pub(super) async fn signal(core: &Core, id: &str, signal: Signal) -> Result<()> {
    // Nobody freezes it in between.
    let _turn = core.freezing.lock().await;
    {
        // Under the lock: who lets it go on says so first, and sends what is kept then.
        let mut kept = core.kept_signals.lock();
        if signal != Signal::KILL && *core.frozen.borrow() {
            kept.push_back(signal);
            return Ok(());
        }
    }
    kept(core, id).await?;
    send(core, id, signal, SentFor::Signal).await
}

/// Sends what was kept while the process was frozen. It goes on now.
pub(crate) async fn kept(core: &Core, id: &str) -> Result<()> {
    // What is sent is kept no more, even if nobody waits for the answer: it must not come twice.
    while let Some(signal) = { core.kept_signals.lock().pop_front() } {
        send(core, id, signal, SentFor::Signal).await?;
    }
    Ok(())
}

/// Sends a signal for a reason of the driver's. It lets a frozen process go on, which takes the signal
/// then. A task that has ended already is no error.
pub(super) async fn deliver(core: &Core, id: &str, signal: Signal, reason: SentFor) -> Result<()> {
    send(core, id, signal, reason).await?;
    if *core.frozen.borrow() {
        // The engine does it by itself for some signals, and then refuses: that is fine.
        let _ = core.shared.api.unpause_container(id).await;
        core.frozen.send_replace(false);
        kept(core, id).await?;
    }
    Ok(())
}

async fn send(core: &Core, id: &str, signal: Signal, reason: SentFor) -> Result<()> {
    let name = signal.to_string();
    let call = || core.shared.api.kill_container(id, &name);
    // Before the call: the end that it causes may be told before the call is answered.
    let note = SentSignal::new(signal, reason);
    let is_another = {
        let mut sent = core.sent.lock();
        // A kill that was not answered is sent again until it is: that is one.
        let again = signal == Signal::KILL && reason != SentFor::Signal;
        let is_another = !again || sent.last() != Some(&note);
        if is_another {
            sent.push(note);
        }
        is_another
    };
    let sent = match reason {
        // What a signal of the caller's own means is not known here: it must not come twice.
        SentFor::Signal => if_unsent("kill_container", call).await,
        _ => repeat("kill_container", call).await,
    };
    // Where the answer is lost, it may have come all the same.
    if is_another && sent.as_ref().is_err_and(|error| !error.is_answer_lost()) {
        let mut sent = core.sent.lock();
        if let Some(place) = sent.iter().rposition(|sent| *sent == note) {
            sent.remove(place);
        }
    }
    match sent {
        Err(error) if !has_ended(&error) => Err(engine_error("signal", &core.subject(), error)),
        _ => Ok(()),
    }
}

/// Kills the task, again and again until the engine takes it: a second kill does what one does. Ends
/// by itself only then.
pub(super) async fn kill(core: &Core, id: &str, reason: SentFor) {
    for attempt in 1.. {
        match deliver(core, id, Signal::KILL, reason).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(container = core.name, attempt, %error, "a kill could not be sent");
            }
        }
        tokio::time::sleep(pause(attempt)).await;
    }
}

/// Asks the task to end, unless it is killed before it is known how.
pub(super) async fn ask_to_end(
    core: &Core,
    id: &str,
    reason: SentFor,
    killed: &CancellationToken,
) -> Result<()> {
    let signal = stop_signal(core, id).await;
    if killed.is_cancelled() {
        return Ok(());
    }
    deliver(core, id, signal, reason).await
}

/// The signal that asks the task to end: its own, else the image's, else `SIGTERM`.
async fn stop_signal(core: &Core, id: &str) -> Signal {
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
