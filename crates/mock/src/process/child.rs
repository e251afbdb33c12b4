//! What a process has: children and memory.

use std::sync::Arc;

use longshore_driver_api::Signal;

use super::Inner;
use crate::Ended;

/// A child of a process. Dropping it leaves the child alone.
#[derive(Debug)]
pub struct Child(Arc<Inner>);

/// Memory that a process has taken. It is given back when this is dropped.
#[derive(Debug)]
pub struct Memory {
    process: Arc<Inner>,
    bytes: u64,
}

impl Child {
    pub(super) fn new(process: Arc<Inner>) -> Self {
        Self(process)
    }

    /// The child's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Waits for the child's end. Dropping the future only stops waiting.
    pub async fn wait(&self) -> Ended {
        self.0.fate().await
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.0.deliver(signal);
    }
}

impl Memory {
    pub(super) fn new(process: Arc<Inner>, bytes: u64) -> Self {
        Self { process, bytes }
    }

    /// How much it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.process.give_memory(self.bytes);
    }
}
