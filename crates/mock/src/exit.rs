//! The exit of a process, for all who wait for it.

use longshore_driver_api::Exit;
use tokio::sync::watch;

/// The exit of a process, once it is known. The first one told stays.
#[derive(Debug)]
pub(crate) struct ExitCell(watch::Sender<Option<Exit>>);

impl ExitCell {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn publish(&self, exit: Exit) {
        self.0.send_if_modified(|published| {
            let first = published.is_none();
            if first {
                *published = Some(exit);
            }
            first
        });
    }

    pub(crate) fn is_known(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits for it.
    pub(crate) async fn known(&self) -> Exit {
        let mut exit = self.0.subscribe();
        loop {
            if let Some(exit) = &*exit.borrow_and_update() {
                return exit.clone();
            }
            // The sender is in `self`.
            let _ = exit.changed().await;
        }
    }
}
