//! The standard streams of a process.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::toll::Toll;
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

/// A stream's place in a process.
#[derive(Debug)]
pub(super) struct Place<T> {
    /// Absent once it is closed.
    stream: Mutex<Option<T>>,
    toll: Toll,
}

impl<T> Place<T> {
    fn new(stream: T) -> Arc<Self> {
        Arc::new(Self { stream: Mutex::new(Some(stream)), toll: Toll::default() })
    }

    fn close(&self) {
        // Dropped without the lock: it may wake somebody who takes it.
        let closed = self.stream.lock().take();
        drop(closed);
    }
}

/// The places of one process.
#[derive(Debug)]
pub(super) struct Slots {
    pub(super) stdin: Arc<Place<In>>,
    pub(super) stdout: Arc<Place<Out>>,
    pub(super) stderr: Arc<Place<Out>>,
}

impl Slots {
    pub(super) fn new(streams: Streams) -> Self {
        let Streams { stdin, stdout, stderr } = streams;
        Self { stdin: Place::new(stdin), stdout: Place::new(stdout), stderr: Place::new(stderr) }
    }

    /// What a child inherits.
    pub(super) fn inherited(&self) -> Streams {
        Streams {
            stdin: self.stdin.stream.lock().clone().unwrap_or(In::Empty),
            stdout: self.stdout.stream.lock().clone().unwrap_or(Out::Null),
            stderr: self.stderr.stream.lock().clone().unwrap_or(Out::Null),
        }
    }

    /// Closes all, as the end of a process does.
    pub(super) fn close(&self) {
        self.stdin.close();
        self.stdout.close();
        self.stderr.close();
    }
}

/// What a process reads on stdin. Clones are the same stream. Closed, it is at its end.
#[derive(Debug)]
pub struct Input {
    place: Arc<Place<In>>,
    paying: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// What a process writes to stdout or stderr. Clones are the same stream, which
/// [`close`](Self::close) and shutting it down close for all of them.
///
/// Writing waits while the pipe of 64 KiB is full. It fails once the stream is closed.
#[derive(Debug)]
pub struct Output {
    place: Arc<Place<Out>>,
    paying: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Input {
    pub(super) fn new(place: &Arc<Place<In>>) -> Self {
        Self { place: Arc::clone(place), paying: None }
    }

    /// Closes the stream in this process.
    pub fn close(&self) {
        self.place.close();
    }
}

impl Clone for Input {
    fn clone(&self) -> Self {
        Self::new(&self.place)
    }
}

impl Output {
    pub(super) fn new(place: &Arc<Place<Out>>) -> Self {
        Self { place: Arc::clone(place), paying: None }
    }

    /// Closes the stream in this process.
    pub fn close(&self) {
        self.place.close();
    }
}

impl Clone for Output {
    fn clone(&self) -> Self {
        Self::new(&self.place)
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { place, paying } = &mut *self;
        ready!(place.toll.poll_paid(paying, cx));
        let before = buffer.filled().len();
        match &mut *place.stream.lock() {
            Some(In::Pipe(reader)) => ready!(Pin::new(reader).poll_read(cx, buffer))?,
            Some(In::Empty) | None => {}
        }
        place.toll.owe(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { place, paying } = &mut *self;
        ready!(place.toll.poll_paid(paying, cx));
        let written = match &mut *place.stream.lock() {
            Some(Out::Pipe(writer)) => ready!(Pin::new(writer).poll_write(cx, bytes))?,
            Some(Out::Null) => bytes.len(),
            None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        };
        place.toll.owe(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}
