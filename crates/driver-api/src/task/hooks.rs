//! What a task asks its caller, and tells it.

use std::fmt;

use async_trait::async_trait;
use longshore_image_ref::ImageRef;

use crate::{Credential, Result};

/// Whom a driver asks and tells while it works on a task. Every method has a default that does
/// nothing.
#[async_trait]
pub trait TaskHooks: fmt::Debug + Send + Sync + 'static {
    /// The credential for pulling this task's image. `Ok(None)`: the driver's own sources are
    /// asked. It is called only when a pull is needed; an error stops the pull.
    async fn credential(&self, _image: &ImageRef) -> Result<Option<Credential>> {
        Ok(None)
    }

    /// How far the pull of this task's image is. It should return at once.
    ///
    /// It is called at least once in each pull that succeeds. Whoever joins a pull that is under way
    /// is told at once how far that is. Between two calls steps may be left out, never the last.
    fn pull_progress(&self, _progress: &PullProgress) {}

    /// The borrowed network of the running task is lost, for this reason: from now on it has none.
    /// It should return at once. The task's [`Exit`](crate::Exit) says the same.
    fn network_lost(&self, _why: &str) {}

    /// The container has been closed, and everything that it held is released. Called exactly
    /// once for each container, whether it was closed or dropped. It should return at once: what else
    /// is to be removed waits for it.
    fn closed(&self) {}
}

/// Hooks that do nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

#[async_trait]
impl TaskHooks for NoHooks {}

/// How far a pull is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PullProgress {
    /// Layers that the pull has heard of.
    pub layers: u64,
    /// Layers that are done or were there already.
    pub layers_done: u64,
    /// Bytes to download, of the layers whose size is known.
    pub bytes: u64,
    /// Bytes downloaded.
    pub bytes_done: u64,
    /// Bytes a second of late; none while nothing is known of it.
    pub rate: Option<u64>,
    /// The engine's words for what it does.
    pub status: String,
}
