//! This process's own standard streams, byte for byte.
//!
//! Each operation is one system call on a blocking thread, without a buffer in between: bytes count
//! as written only once the system took them, and a read that never ends keeps nobody from exiting.

use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::failure::Failure;

/// What a pipe holds.
const CHUNK: usize = 64 * 1024;

/// Reads stdin.
#[derive(Debug, Default)]
pub(crate) struct Input(Reading);

#[derive(Debug, Default)]
enum Reading {
    #[default]
    Idle,
    Busy(JoinHandle<io::Result<Vec<u8>>>),
    /// Bytes, and how many of them are taken.
    Have(Vec<u8>, usize),
}

/// Writes stdout or stderr.
#[derive(Debug)]
pub(crate) struct Output {
    fd: BorrowedFd<'static>,
    writing: Option<Writing>,
    watch: Arc<Watch>,
}

#[derive(Debug)]
struct Writing {
    done: JoinHandle<io::Result<usize>>,
    chunk: Arc<[u8]>,
}

/// What became of an [`Output`].
#[derive(Debug)]
pub(crate) struct Watch {
    name: &'static str,
    error: OnceLock<io::Error>,
    broken: Notify,
}

/// Writes a text to stdout. It may wait for ever; when the future is dropped, nobody waits any more.
pub(crate) async fn print(text: &str) -> Result<(), Failure> {
    Output::stdout().write_all(text.as_bytes()).await.map_err(|error| Failure::output(&error))
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match &mut self.0 {
                Reading::Idle => {
                    self.0 = Reading::Busy(spawn_blocking(|| read(rustix::stdio::stdin())));
                }
                Reading::Busy(reading) => {
                    let read = ready!(Pin::new(reading).poll(cx));
                    self.0 = Reading::Idle;
                    let bytes = read.map_err(io::Error::other)??;
                    if bytes.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    self.0 = Reading::Have(bytes, 0);
                }
                Reading::Have(bytes, taken) => {
                    let count = (bytes.len() - *taken).min(into.remaining());
                    into.put_slice(&bytes[*taken..*taken + count]);
                    *taken += count;
                    if *taken == bytes.len() {
                        self.0 = Reading::Idle;
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl Output {
    pub(crate) fn stdout() -> Self {
        Self::new("stdout", rustix::stdio::stdout())
    }

    pub(crate) fn stderr() -> Self {
        Self::new("stderr", rustix::stdio::stderr())
    }

    fn new(name: &'static str, fd: BorrowedFd<'static>) -> Self {
        let watch = Watch { name, error: OnceLock::new(), broken: Notify::new() };
        Self { fd, writing: None, watch: Arc::new(watch) }
    }

    /// Tells what becomes of it, also after it is dropped.
    pub(crate) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let fd = self.fd;
        let writing = self.writing.get_or_insert_with(|| {
            let chunk: Arc<[u8]> = bytes[..bytes.len().min(CHUNK)].into();
            let taken = Arc::clone(&chunk);
            Writing { done: spawn_blocking(move || write(fd, &taken)), chunk }
        });
        let done = ready!(Pin::new(&mut writing.done).poll(cx));
        let written = done.map_err(io::Error::other).flatten();
        let same = written.as_ref().is_ok_and(|count| bytes.starts_with(&writing.chunk[..*count]));
        self.writing = None;
        match written {
            Ok(count) if same => Poll::Ready(Ok(count)),
            Ok(_) => Poll::Ready(Err(io::Error::other("a write was given up and another begun"))),
            Err(error) => {
                self.watch.failed(&error);
                Poll::Ready(Err(error))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Watch {
    /// Why writing failed, if it did.
    pub(crate) fn error(&self) -> Option<String> {
        self.error.get().map(|error| format!("{}: {error}", self.name))
    }

    /// Waits until nobody reads any more, if that ever comes.
    pub(crate) async fn broken(&self) {
        self.broken.notified().await;
    }

    fn failed(&self, error: &io::Error) {
        let kept = match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        };
        // Only the first counts: nothing is written after it.
        let _ = self.error.set(kept);
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.broken.notify_one();
        }
    }
}

fn read(fd: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; CHUNK];
    let count = retry(fd, PollFlags::IN, || rustix::io::read(fd, &mut bytes[..]))?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Writes so much as the system takes at once. It may wait for ever, for whoever reads.
pub(crate) fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    retry(fd, PollFlags::OUT, || rustix::io::write(fd, bytes))
}

/// Repeats what a signal cut short, and what whoever shares the descriptor made non-blocking.
fn retry(
    fd: BorrowedFd<'_>,
    ready: PollFlags,
    mut call: impl FnMut() -> Result<usize, Errno>,
) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => match poll(&mut [PollFd::from_borrowed_fd(fd, ready)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests;
