//! The connection of an attached container, taken over from HTTP.

use std::io::Cursor;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, ReadHalf, WriteHalf};

use super::connect::Io;

/// The two directions of an attached container.
pub(crate) struct RawStream {
    /// What came with the end of HTTP and belongs to the stream already.
    early: Bytes,
    io: Box<dyn Io>,
}

/// The bytes from the container.
pub(crate) type FromContainer = Box<dyn AsyncRead + Send + Unpin>;
/// The bytes to the container. Shutting it down is the end of the container's standard input.
pub(crate) type ToContainer = WriteHalf<Box<dyn Io>>;

impl RawStream {
    /// A stream that begins with `early`.
    pub(crate) fn new(early: Bytes, io: Box<dyn Io>) -> Self {
        Self { early, io }
    }

    /// The two directions, each for itself.
    pub(crate) fn split(self) -> (FromContainer, ToContainer) {
        let (read, write): (ReadHalf<_>, _) = tokio::io::split(self.io);
        if self.early.is_empty() {
            return (Box::new(read), write);
        }
        (Box::new(Cursor::new(self.early).chain(read)), write)
    }
}

impl std::fmt::Debug for RawStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawStream").field("early", &self.early.len()).finish_non_exhaustive()
    }
}
