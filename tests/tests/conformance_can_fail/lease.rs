//! Leases as a driver with a defect has them.

use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Chosen, NamespaceLease, NamespaceRequest, NamespaceSource, Namespaces, Result,
};

use crate::Defect;

/// Lends what another lends.
#[derive(Debug)]
pub(crate) struct BrokenSource {
    pub(crate) inner: Arc<dyn NamespaceSource>,
    pub(crate) defect: Defect,
}

#[async_trait]
impl NamespaceSource for BrokenSource {
    async fn lease(&self, request: NamespaceRequest) -> Result<Option<Box<dyn NamespaceLease>>> {
        let Some(inner) = self.inner.lease(request).await? else { return Ok(None) };
        let inner: Arc<dyn NamespaceLease> = Arc::from(inner);
        if self.defect == Defect::KeepsWhatIsLent {
            std::mem::forget(Arc::clone(&inner));
        }
        Ok(Some(Box::new(BrokenLease { inner, defect: self.defect })))
    }

    fn own_network(&self) -> Option<Chosen> {
        if self.defect == Defect::FallsBackToTheDefault { None } else { self.inner.own_network() }
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

#[derive(Debug)]
struct BrokenLease {
    inner: Arc<dyn NamespaceLease>,
    defect: Defect,
}

#[async_trait]
impl NamespaceLease for BrokenLease {
    fn namespaces(&self) -> &Namespaces {
        self.inner.namespaces()
    }

    fn generation(&self) -> u64 {
        self.inner.generation()
    }

    fn lost(&self) -> Option<String> {
        if self.defect == Defect::LosesInSilence { None } else { self.inner.lost() }
    }

    async fn until_lost(&self) -> String {
        if self.defect == Defect::LosesInSilence {
            return std::future::pending().await;
        }
        self.inner.until_lost().await
    }
}
