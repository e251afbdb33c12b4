//! What a driver borrowed for one task.

use super::{NamespaceLease, NamespaceRequest, NamespaceSource, Namespaces};
use crate::{Chosen, Error, ErrorKind, NetworkMode, NetworkReport, Result};

/// What a driver borrowed for one task, and what becomes of it. Every driver that lends needs the
/// same.
///
/// It has to be held until the task's container is gone from the engine. Dropping it gives back
/// what was borrowed.
#[derive(Debug)]
pub struct Loan(Given);

#[derive(Debug)]
enum Given {
    Lent(Box<dyn NamespaceLease>),
    /// Nothing; the network that the source has chosen for a task of its own.
    Nothing(Option<Chosen>),
}

impl Loan {
    /// Asks `source` for namespaces that `backend` can join.
    ///
    /// Dropping the future gives back what was about to be lent.
    ///
    /// # Errors
    ///
    /// What the source says; `InvalidInput` if it lends another backend's.
    pub async fn ask(
        source: &dyn NamespaceSource,
        request: NamespaceRequest,
        backend: &str,
    ) -> Result<Self> {
        let Some(lease) = source.lease(request).await? else {
            return Ok(Self(Given::Nothing(source.own_network())));
        };
        if lease.namespaces().backend != backend {
            return Err(Error::new(ErrorKind::InvalidInput, "lease").message(format!(
                "the pool's placeholders are of the backend {:?}, and {backend:?} cannot join them",
                lease.namespaces().backend
            )));
        }
        Ok(Self(Given::Lent(lease)))
    }

    /// What is to be joined. `None`: nothing was lent, and the task has a network of its own.
    #[must_use]
    pub fn namespaces(&self) -> Option<&Namespaces> {
        self.lease().map(|lease| lease.namespaces())
    }

    /// The network of its own that the task is to have, where nothing was lent.
    #[must_use]
    pub fn own_network(&self) -> Option<NetworkMode> {
        match &self.0 {
            Given::Lent(_) => None,
            Given::Nothing(Some(chosen)) => Some(NetworkMode::from(chosen.name())),
            Given::Nothing(None) => Some(NetworkMode::Bridge),
        }
    }

    /// Whether it was lent and is lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lease().is_some_and(|lease| lease.lost().is_some())
    }

    /// Waits until what was lent is lost, for ever if it never is, and says why.
    ///
    /// Dropping the future stops waiting.
    pub async fn until_lost(&self) -> String {
        match self.lease() {
            Some(lease) => lease.until_lost().await,
            None => std::future::pending().await,
        }
    }

    /// What became of the task's network by now.
    #[must_use]
    pub fn report(&self) -> NetworkReport {
        match self.lease() {
            None => NetworkReport::FellBack,
            Some(lease) => lease.lost().map_or(NetworkReport::Lent, NetworkReport::Lost),
        }
    }

    fn lease(&self) -> Option<&dyn NamespaceLease> {
        match &self.0 {
            Given::Lent(lease) => Some(&**lease),
            Given::Nothing(_) => None,
        }
    }
}
