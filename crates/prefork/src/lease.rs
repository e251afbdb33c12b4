//! What a task holds of the pool.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{NamespaceLease, Namespaces};
use tokio::sync::watch;

use crate::desk::Desk;
use crate::slot::Ticket;

/// A placeholder as its leases see it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) namespaces: Namespaces,
    lost: watch::Sender<Option<Arc<str>>>,
}

impl Held {
    pub(crate) fn new(namespaces: Namespaces) -> Self {
        Self { namespaces, lost: watch::Sender::new(None) }
    }

    /// Tells whoever has a lease that there is nothing behind it any more. The first reason stays.
    pub(crate) fn lose(&self, why: &str) {
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            if first {
                *lost = Some(why.into());
            }
            first
        });
    }
}

/// A lease of one slot. Dropping it gives the slot back.
pub(crate) struct Lease {
    desk: Arc<Desk>,
    ticket: Ticket,
    held: Arc<Held>,
}

impl Lease {
    pub(crate) fn new(desk: Arc<Desk>, ticket: Ticket, held: Arc<Held>) -> Self {
        Self { desk, ticket, held }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.desk.put_back(self.ticket);
    }
}

#[async_trait]
impl NamespaceLease for Lease {
    fn namespaces(&self) -> &Namespaces {
        &self.held.namespaces
    }

    fn generation(&self) -> u64 {
        self.ticket.generation
    }

    fn lost(&self) -> Option<String> {
        self.held.lost.borrow().as_deref().map(ToOwned::to_owned)
    }

    async fn until_lost(&self) -> String {
        let mut lost = self.held.lost.subscribe();
        loop {
            if let Some(why) = self.lost() {
                return why;
            }
            // The sender is in `self`.
            let _ = lost.changed().await;
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("slot", &self.ticket.slot)
            .field("generation", &self.ticket.generation)
            .field("holder", &self.held.namespaces.holder)
            .finish()
    }
}
