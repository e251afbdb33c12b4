//! A pool that begins after the driver that it lends to.

use std::sync::{Arc, OnceLock};

use longshore_driver_api::{
    Chosen, Error, ErrorKind, NamespaceLease, NamespaceRequest, NamespaceSource, Result,
};

use crate::prefork::Pool;

/// Lends nothing until its pool has begun, and then what the pool lends.
#[derive(Debug, Default)]
pub(crate) struct LatePool(OnceLock<Arc<Pool>>);

impl LatePool {
    /// Lends from `pool` from now on. Only once.
    pub(crate) fn begin(&self, pool: Arc<Pool>) {
        // Whoever opens the driver does it, and hands it out after that.
        let _ = self.0.set(pool);
    }
}

#[async_trait::async_trait]
impl NamespaceSource for LatePool {
    async fn lease(&self, request: NamespaceRequest) -> Result<Option<Box<dyn NamespaceLease>>> {
        let pool = self.0.get().ok_or_else(|| {
            Error::new(ErrorKind::PoolEmpty, "lease").message("the pool has not begun yet")
        })?;
        pool.lease(request).await
    }

    fn own_network(&self) -> Option<Chosen> {
        // Before the pool has begun, every lease is an error: nobody falls back.
        self.0.get().and_then(|pool| pool.own_network())
    }

    async fn close(&self) -> Result<()> {
        match self.0.get() {
            Some(pool) => pool.close().await,
            None => Ok(()),
        }
    }
}
