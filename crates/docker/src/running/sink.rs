//! Where one output stream goes: through a bounded buffer to the caller's writer, up to a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, BytesMut};
use futures_util::FutureExt as _;
use longshore_driver_api::{StreamEnd, StreamReport};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::client::demux::BUFFER;

/// How much may wait for the caller's writer. A piece of the wire always fits on top.
const WAITING: usize = 192 * 1024;
/// How much may wait once the task was asked to end: what an engine holds of one stream (a mebibyte
/// of its own, the socket and two pipes), so that it can tell the end.
const WAITING_AT_THE_END: usize = 2 * 1024 * 1024;

/// One output stream on its way to the caller.
pub(crate) struct Sink {
    /// Absent: the stream is not wanted, or its writer failed.
    writer: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    wanted: bool,
    failed: bool,
    given_up: bool,
    unflushed: bool,
    waiting: BytesMut,
    /// How much may still be delivered.
    left: u64,
    delivered: u64,
    discarded: u64,
    /// Where in the stream the delivery is, for those who look on.
    position: Option<Arc<AtomicU64>>,
}

impl Sink {
    /// A stream to `writer`, of which at most `limit` bytes are delivered.
    pub(crate) fn new(
        writer: Option<Box<dyn AsyncWrite + Send + Unpin>>,
        limit: Option<u64>,
    ) -> Self {
        Self {
            wanted: writer.is_some(),
            writer,
            failed: false,
            given_up: false,
            unflushed: false,
            waiting: BytesMut::new(),
            left: limit.unwrap_or(u64::MAX),
            delivered: 0,
            discarded: 0,
            position: None,
        }
    }

    /// Tells `position` of everything that is delivered.
    pub(crate) fn telling(mut self, position: &Arc<AtomicU64>) -> Self {
        self.position = Some(Arc::clone(position));
        self
    }

    /// Whether one more piece of the wire may be put in; more of them once the task was asked to
    /// end.
    pub(crate) fn has_room(&self, asked: bool) -> bool {
        self.waiting.len() <= if asked { WAITING_AT_THE_END } else { WAITING }
    }

    /// Whether everything is with the caller.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.unflushed
    }

    /// Puts a piece in. Says whether the stream is beyond its limit.
    pub(crate) fn put(&mut self, piece: &[u8]) -> bool {
        debug_assert!(piece.len() <= BUFFER, "a piece is at most what the wire's buffer holds");
        let length = piece.len() as u64;
        let taken = if self.writer.is_some() { length.min(self.left) } else { 0 };
        // At most the length of the piece.
        let (take, beyond) = piece.split_at(usize::try_from(taken).unwrap_or(piece.len()));
        let is_beyond = self.writer.is_some() && !beyond.is_empty();
        if self.writer.is_some() {
            self.left -= taken;
        }
        let now = if self.waiting.is_empty() { self.write_now(take) } else { 0 };
        if self.writer.is_some() {
            self.waiting.extend_from_slice(&take[now..]);
        } else {
            self.discarded += (take.len() - now) as u64;
        }
        self.discarded += beyond.len() as u64;
        is_beyond
    }

    /// Writes what the writer takes at once, which spares most bytes the way through the buffer.
    /// Whoever is not ready is asked again by [`Sink::step`], which waits.
    fn write_now(&mut self, piece: &[u8]) -> usize {
        let Some(writer) = self.writer.as_mut().filter(|_| !piece.is_empty()) else { return 0 };
        let Some(result) = writer.write(piece).now_or_never() else { return 0 };
        self.count(&result)
    }

    /// Moves what waits one step towards the caller. Dropping the future loses nothing.
    pub(crate) async fn step(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        if self.waiting.is_empty() {
            let flushed = writer.flush().await;
            self.unflushed = false;
            if flushed.is_err() {
                self.fail();
            }
        } else {
            let result = writer.write(&self.waiting).await;
            let written = self.count(&result);
            // A writer that failed left nothing waiting.
            self.waiting.advance(written);
        }
    }

    /// Takes note of a write. Gives how many bytes were taken.
    fn count(&mut self, result: &std::io::Result<usize>) -> usize {
        match result {
            &Ok(written) if written > 0 => {
                self.delivered += written as u64;
                if let Some(position) = &self.position {
                    position.fetch_add(written as u64, Ordering::Relaxed);
                }
                self.unflushed = true;
                written
            }
            _ => {
                self.fail();
                0
            }
        }
    }

    /// It is not written to again; the task must not suffer from it.
    fn fail(&mut self) {
        self.failed = true;
        self.stop_writing();
    }

    /// Gives up a writer that does not take what waits for it. The rest is thrown away.
    pub(crate) fn give_up(&mut self) {
        if self.writer.is_some() && !self.is_empty() {
            self.given_up = true;
            self.stop_writing();
        }
    }

    fn stop_writing(&mut self) {
        self.writer = None;
        self.unflushed = false;
        self.discarded += self.waiting.len() as u64;
        self.waiting.clear();
    }

    /// What became of the stream, which ended with `end`. Gives the writer back to be dropped.
    pub(crate) fn report(mut self, end: StreamEnd) -> StreamReport {
        self.writer = None;
        let end = match (self.wanted, self.failed, self.given_up) {
            (false, ..) => StreamEnd::NotAttached,
            (_, true, _) => StreamEnd::WriterFailed,
            (.., true) => StreamEnd::Abandoned,
            _ => end,
        };
        StreamReport::new(end, self.delivered, self.discarded)
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("waiting", &self.waiting.len())
            .field("delivered", &self.delivered)
            .field("discarded", &self.discarded)
            .finish_non_exhaustive()
    }
}
