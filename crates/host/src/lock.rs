//! A lock on a file that ends with its guard.

use std::fs::{File, TryLockError};
use std::io;

/// A locked file.
///
/// Dropping it unlocks the file expressly: closing alone would leave it locked for as long as a
/// child that another thread is about to start still shares it.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Locks `file` for this opening alone; none if it is locked by another.
    pub(crate) fn exclusive(file: File) -> io::Result<Option<Self>> {
        let taken = file.try_lock();
        Self::from_try(file, taken)
    }

    /// Locks `file` against [`exclusive`](Self::exclusive) only.
    pub(crate) fn shared(file: File) -> io::Result<Option<Self>> {
        let taken = file.try_lock_shared();
        Self::from_try(file, taken)
    }

    fn from_try(file: File, taken: Result<(), TryLockError>) -> io::Result<Option<Self>> {
        match taken {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(cause),
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(cause) = self.0.unlock() {
            // Closing the file, which follows, releases the lock as well.
            tracing::debug!(%cause, "a lock was released by closing");
        }
    }
}
