//! Sources of input.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

/// Input that is open and never comes. The count of the `Arc` tells whether it was let go.
pub(crate) struct Silent(#[expect(dead_code, reason = "held for its count")] Arc<()>);

impl Silent {
    pub(crate) fn new() -> (Self, Arc<()>) {
        let held = Arc::new(());
        (Self(Arc::clone(&held)), held)
    }
}

impl AsyncRead for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}
