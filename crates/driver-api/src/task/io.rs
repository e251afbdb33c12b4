//! Where a task's input comes from, and where its output and its statistics go.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use longshore_stats::Sample;
use tokio::io::{AsyncRead, AsyncWrite};

/// Takes the statistics of a running task.
///
/// It is called by one task of the driver at a time and never after
/// [`Running::wait`](crate::Running::wait) has returned. It should return soon: a slow one delays
/// the next sample.
pub trait StatsSink: Send + 'static {
    /// Takes one sample.
    fn sample(&mut self, sample: Sample);
}

impl<F: FnMut(Sample) + Send + 'static> StatsSink for F {
    fn sample(&mut self, sample: Sample) {
        self(sample);
    }
}

/// A task's streams. A stream that is absent is not attached at all.
///
/// A reader or writer is dropped when the driver is done with it, at the latest when the container
/// is closed. A writer that is slow slows the task down; a writer that fails is not written to
/// again, and the rest of its stream is read, counted and thrown away.
#[derive(Default)]
#[non_exhaustive]
pub struct TaskIo {
    /// What the task reads. Absent: its input is empty.
    pub stdin: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// What the task writes to stdout, and all of its output if it has a terminal.
    pub stdout: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// What the task writes to stderr.
    pub stderr: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Its statistics while it runs. Absent: none are gathered.
    pub stats: Option<Box<dyn StatsSink>>,
}

impl TaskIo {
    /// No stream at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Output gathered in memory, without a bound but the one of
    /// [`Limits::output`](crate::Limits::output).
    #[must_use]
    pub fn captured() -> (Self, Captured) {
        let captured = Captured::default();
        let io = Self::none()
            .stdout(Buffer(Arc::clone(&captured.stdout)))
            .stderr(Buffer(Arc::clone(&captured.stderr)));
        (io, captured)
    }

    /// Sets what the task reads.
    #[must_use]
    pub fn stdin(mut self, reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        self.stdin = Some(Box::new(reader));
        self
    }

    /// Sets where stdout goes.
    #[must_use]
    pub fn stdout(mut self, writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        self.stdout = Some(Box::new(writer));
        self
    }

    /// Sets where stderr goes.
    #[must_use]
    pub fn stderr(mut self, writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        self.stderr = Some(Box::new(writer));
        self
    }

    /// Sets where statistics go.
    #[must_use]
    pub fn stats(mut self, sink: impl StatsSink) -> Self {
        self.stats = Some(Box::new(sink));
        self
    }
}

impl fmt::Debug for TaskIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskIo")
            .field("stdin", &self.stdin.is_some())
            .field("stdout", &self.stdout.is_some())
            .field("stderr", &self.stderr.is_some())
            .field("stats", &self.stats.is_some())
            .finish()
    }
}

/// Output gathered in memory.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Captured {
    /// What came on stdout so far.
    #[must_use]
    pub fn stdout(&self) -> Vec<u8> {
        lock(&self.stdout).clone()
    }

    /// What came on stderr so far.
    #[must_use]
    pub fn stderr(&self) -> Vec<u8> {
        lock(&self.stderr).clone()
    }
}

struct Buffer(Arc<Mutex<Vec<u8>>>);

/// A buffer of bytes is whole after every operation, so a panic elsewhere does not spoil it.
fn lock(buffer: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncWrite for Buffer {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
