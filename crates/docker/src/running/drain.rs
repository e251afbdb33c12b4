//! Waiting for the rest of the output once the end is known.

use tokio::task::JoinHandle;

use super::output::{LAST_CALL, Signals};

/// Waits for the pump until nobody waits for its output any more, and then for a moment longer. A
/// writer of the caller's that panicked takes the pump with it: what is then known is `panicked`.
pub(crate) async fn drain<T>(
    pump: &mut JoinHandle<T>,
    nobody_waits: impl Future<Output = ()>,
    signals: &Signals,
    panicked: fn() -> T,
) -> T {
    let last_call = async {
        nobody_waits.await;
        tokio::time::sleep(LAST_CALL).await;
    };
    tokio::select! {
        biased;
        done = &mut *pump => return done.unwrap_or_else(|_| panicked()),
        () = last_call => signals.abandon.cancel(),
    }
    pump.await.unwrap_or_else(|_| panicked())
}
