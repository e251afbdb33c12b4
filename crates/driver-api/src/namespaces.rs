//! Namespaces that are made beforehand and lent to tasks: who makes what holds them, and who lends.

mod loan;
mod request;
mod spec;

pub use loan::Loan;
pub use request::{NamespaceRequest, WhenEmpty};
pub use spec::PlaceholderSpec;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Chosen, Result};

/// How a container joins the namespaces that a placeholder holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Namespaces {
    /// The backend that made the placeholder. No other can join it.
    pub backend: String,
    /// The placeholder's name in that backend's own words, such as a container's id.
    pub holder: String,
    /// Whether the namespace of System V objects and POSIX queues is joined, besides the network.
    pub ipc: bool,
    /// Whether the namespace of processes is joined, besides the network.
    pub pid: bool,
}

impl Namespaces {
    /// The network that `holder` holds on `backend`.
    pub fn network(backend: impl Into<String>, holder: impl Into<String>) -> Self {
        Self { backend: backend.into(), holder: holder.into(), ipc: false, pid: false }
    }
}

/// Makes placeholders on one engine. A backend implements it; a pool uses it.
///
/// Everything that it makes carries its owner's labels wherever the engine has such, so that a reaper
/// finds it should this process die.
#[async_trait]
pub trait Placeholders: fmt::Debug + Send + Sync + 'static {
    /// Makes a placeholder, not started yet. What it needs, such as an image, is seen to as well.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `ImageNotFound`, `NetworkNotFound` and whatever else the engine says; `Unsupported` for
    /// namespaces that the backend cannot share; `Closed` after [`close`](Self::close).
    async fn make(&self, spec: &PlaceholderSpec) -> Result<Arc<dyn Placeholder>>;

    /// Ends it: nothing can be made any more, and what is left is removed, within a bound.
    ///
    /// Dropping the future leaves the work to a reaper, as dropping this does.
    ///
    /// # Errors
    ///
    /// What could not be removed, by name.
    async fn close(&self) -> Result<()>;
}

/// What holds namespaces so that tasks can join them.
///
/// When the last handle is dropped, it is removed in the background; dropping never blocks.
#[async_trait]
pub trait Placeholder: fmt::Debug + Send + Sync + 'static {
    /// How it is joined, once it is started.
    fn namespaces(&self) -> &Namespaces;

    /// Starts it. From then on its namespaces can be joined.
    ///
    /// Dropping the future leaves it open whether it runs; [`stop`](Self::stop) is right in both
    /// cases.
    async fn start(&self) -> Result<()>;

    /// Waits until it holds its namespaces no longer, and says why. It has no bound: a placeholder
    /// lives for as long as it likes. One that was never started does not end.
    ///
    /// Dropping the future stops waiting.
    async fn watch(&self) -> String;

    /// Ends it, in whatever state it is, and removes it. It is idempotent.
    ///
    /// Dropping the future leaves the rest to a reaper.
    ///
    /// # Errors
    ///
    /// The engine would not remove it; a reaper goes on trying.
    async fn stop(&self) -> Result<()>;
}

/// Lends namespaces to tasks. A pool of placeholders is one; a driver asks it for the tasks whose
/// network is [`Prefork`](crate::NetworkMode::Prefork).
#[async_trait]
pub trait NamespaceSource: fmt::Debug + Send + Sync + 'static {
    /// Lends namespaces that nobody else has at the same time. `Ok(None)`: there are none now, and
    /// the task is to get a network of its own, [this](Self::own_network) one.
    ///
    /// Dropping the future gives back what was about to be lent.
    ///
    /// # Errors
    ///
    /// `PoolEmpty`, with the reason why nothing could be lent; `Closed`.
    async fn lease(&self, request: NamespaceRequest) -> Result<Option<Box<dyn NamespaceLease>>>;

    /// The network on which a task is that was lent nothing: one of those that it lends otherwise,
    /// so that a task which falls back reaches no more than others. It counts as used until what is
    /// returned is dropped. `None`, only where none is configured: the engine's default network.
    fn own_network(&self) -> Option<Chosen>;

    /// Ends it and removes what it holds, within a bound. Leases that are out are lost. It is
    /// idempotent. The driver that was given it closes it when it is closed itself, after its
    /// tasks.
    ///
    /// # Errors
    ///
    /// What could not be removed, by name.
    async fn close(&self) -> Result<()>;
}

/// Namespaces that are lent. Dropping the lease gives them back: it never blocks, and may come at
/// any time, also after they were lost.
///
/// It has to be held until the container that joined is gone from the engine.
#[async_trait]
pub trait NamespaceLease: fmt::Debug + Send + Sync + 'static {
    /// How they are joined.
    fn namespaces(&self) -> &Namespaces;

    /// Grows with each loan of the same place: no two leases of it have the same.
    fn generation(&self) -> u64;

    /// Why the namespaces are lost, if they are.
    fn lost(&self) -> Option<String>;

    /// Waits until they are lost, for ever if they never are, and says why.
    ///
    /// Dropping the future stops waiting.
    async fn until_lost(&self) -> String;
}

const _: fn(&dyn Placeholders, &dyn Placeholder, &dyn NamespaceSource, &dyn NamespaceLease) =
    |_, _, _, _| ();
