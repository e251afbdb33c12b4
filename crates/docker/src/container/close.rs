//! Closing: begun by whoever comes first, carried out by the reaper, awaited by all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use longshore_driver_api::{Error, Result};

use super::core::{Core, Creation};

impl Core {
    /// Begins to close. It never blocks and may be called from anywhere, inside a runtime or not.
    pub(crate) fn begin_close(self: &Arc<Self>) {
        // A subscription to `ending` is how the supervisor learns of it.
        let first = self.closed.send_if_modified(|_| {
            let first = !self.ending.is_cancelled();
            self.ending.cancel();
            first
        });
        if first {
            self.shared.reaper.close(Arc::clone(self));
        }
    }

    /// Closes, and returns when everything is released.
    pub(crate) async fn close(self: &Arc<Self>) -> Result<()> {
        let mut closed = self.closed.subscribe();
        self.begin_close();
        loop {
            if let Some(result) = &*closed.borrow_and_update() {
                return result.clone().map_err(|error| error.duplicate());
            }
            // The sender is in the core, which is held: it cannot go away.
            let _ = closed.changed().await;
        }
    }

    /// Everything that this process held is released; on the engine it is removed, or not. Called
    /// again when a removal succeeds that had failed.
    pub(crate) fn finish_close(&self, result: std::result::Result<(), Error>) {
        let first = self.closed.borrow().is_none();
        if result.is_ok() {
            // Not before: its container would use what somebody else has borrowed by then.
            self.give_back();
        }
        self.leave_network();
        self.release_image();
        // The caller's code must not take the reaper down with it.
        if catch_unwind(AssertUnwindSafe(|| drop(self.take_io()))).is_err() {
            tracing::error!(
                container = self.name,
                "a stream of the task's panicked as it was dropped"
            );
        }
        if first && catch_unwind(AssertUnwindSafe(|| self.hooks.closed())).is_err() {
            tracing::error!(container = self.name, "the task's hook for closing panicked");
        }
        if result.is_ok() {
            self.release_claim();
        }
        self.closed.send_replace(Some(result.map_err(Arc::new)));
    }

    /// Whether the engine may hold something for it.
    pub(crate) fn may_exist(&self) -> bool {
        !matches!(&*self.creation.borrow(), Creation::NotAsked | Creation::Failed(_, None))
    }
}
