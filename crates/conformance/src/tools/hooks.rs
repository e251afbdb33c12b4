//! Hooks that count.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use longshore_driver_api::{Credential, ImageRef, PullProgress, Result, TaskHooks};

/// Counts what a driver asks and tells, and answers with a credential if it has one.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    closed: AtomicUsize,
    asked: AtomicUsize,
    told: AtomicUsize,
    last: Mutex<Option<PullProgress>>,
    credential: Option<Credential>,
}

impl Counting {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn with_credential(credential: Credential) -> Arc<Self> {
        Arc::new(Self { credential: Some(credential), ..Self::default() })
    }

    /// How often the container was said to be closed.
    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    /// How often a credential was asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// What was told last of the pull's progress.
    pub(crate) fn last(&self) -> Option<PullProgress> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often the pull's progress was told.
    pub(crate) fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl TaskHooks for Counting {
    async fn credential(&self, _image: &ImageRef) -> Result<Option<Credential>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.credential.clone())
    }

    fn pull_progress(&self, progress: &PullProgress) {
        self.told.fetch_add(1, Ordering::SeqCst);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
    }

    fn closed(&self) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}
