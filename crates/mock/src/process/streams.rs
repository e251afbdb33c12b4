//! The standard streams of a process.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::pipe::{Reader, Writer};

/// What a process is started with.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    pub(crate) stdin: In,
    pub(crate) stdout: Out,
    pub(crate) stderr: Out,
}

#[derive(Debug, Clone)]
pub(crate) enum In {
    Empty,
    Pipe(Reader),
}

#[derive(Debug, Clone)]
pub(crate) enum Out {
    /// Nobody is attached.
    Null,
    Pipe(Writer),
}

/// A stream's place in a process: empty once it is closed.
type Slot<T> = Arc<Mutex<Option<T>>>;

/// The places of one process.
#[derive(Debug)]
pub(crate) struct Slots {
    pub(super) stdin: Slot<In>,
    pub(super) stdout: Slot<Out>,
    pub(super) stderr: Slot<Out>,
}

impl Slots {
    pub(super) fn new(streams: Streams) -> Self {
        let Streams { stdin, stdout, stderr } = streams;
        Self { stdin: slot(stdin), stdout: slot(stdout), stderr: slot(stderr) }
    }

    /// What a child inherits.
    pub(super) fn inherited(&self) -> Streams {
        Streams {
            stdin: self.stdin.lock().clone().unwrap_or(In::Empty),
            stdout: self.stdout.lock().clone().unwrap_or(Out::Null),
            stderr: self.stderr.lock().clone().unwrap_or(Out::Null),
        }
    }

    /// Closes all, as the end of a process does.
    pub(super) fn close(&self) {
        // Taken first: what is dropped wakes others, and no lock may be held then.
        let stdin = self.stdin.lock().take();
        let outputs = (self.stdout.lock().take(), self.stderr.lock().take());
        drop((stdin, outputs));
    }
}

fn slot<T>(stream: T) -> Slot<T> {
    Arc::new(Mutex::new(Some(stream)))
}

/// What a process reads on stdin. Clones are the same stream. Closed, it is at its end.
#[derive(Debug, Clone)]
pub struct Input(pub(super) Slot<In>);

/// What a process writes to stdout or stderr. Clones are the same stream, which
/// [`close`](Self::close) and shutting it down close for all of them.
///
/// Writing waits while the pipe of 64 KiB is full. It fails once the stream is closed.
#[derive(Debug, Clone)]
pub struct Output(pub(super) Slot<Out>);

impl Input {
    /// Closes the stream in this process.
    pub fn close(&self) {
        let closed = self.0.lock().take();
        drop(closed);
    }
}

impl Output {
    /// Closes the stream in this process.
    pub fn close(&self) {
        let closed = self.0.lock().take();
        drop(closed);
    }
}

impl AsyncRead for Input {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self.0.lock() {
            Some(In::Pipe(reader)) => Pin::new(reader).poll_read(cx, buffer),
            Some(In::Empty) | None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self.0.lock() {
            Some(Out::Pipe(writer)) => Pin::new(writer).poll_write(cx, bytes),
            Some(Out::Null) => Poll::Ready(Ok(bytes.len())),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}
