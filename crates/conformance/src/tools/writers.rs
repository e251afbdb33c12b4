//! Ends of output that are slow, that stop, or that fail.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Sleep, sleep};

/// Takes output as its manner is.
pub(crate) struct Writer {
    manner: Manner,
    taken: Arc<Mutex<Vec<u8>>>,
    resting: Option<Pin<Box<Sleep>>>,
}

enum Manner {
    /// At most `chunk` bytes, then a rest.
    Slow { chunk: usize, rest: Duration },
    /// So many bytes, then never any more.
    Stuck { room: usize },
    /// So many bytes, then an error.
    Failing { room: usize },
}

/// What a [`Writer`] took, seen from outside.
#[derive(Clone)]
pub(crate) struct Taken(Arc<Mutex<Vec<u8>>>);

impl Taken {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether the writer is gone.
    pub(crate) fn is_let_go(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Writer {
    /// Takes at most `chunk` bytes at once and rests after each.
    pub(crate) fn slow(chunk: usize, rest: Duration) -> (Self, Taken) {
        Self::new(Manner::Slow { chunk, rest })
    }

    /// Takes `room` bytes and then never any more.
    pub(crate) fn stuck(room: usize) -> (Self, Taken) {
        Self::new(Manner::Stuck { room })
    }

    /// Takes `room` bytes and then fails.
    pub(crate) fn failing(room: usize) -> (Self, Taken) {
        Self::new(Manner::Failing { room })
    }

    fn new(manner: Manner) -> (Self, Taken) {
        let taken = Arc::default();
        (Self { manner, taken: Arc::clone(&taken), resting: None }, Taken(taken))
    }

    fn take(&self, bytes: &[u8], most: usize) -> usize {
        let n = bytes.len().min(most);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.extend_from_slice(&bytes[..n]);
        n
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(rest) = &mut self.resting {
            std::task::ready!(rest.as_mut().poll(context));
            self.resting = None;
        }
        let had = self.taken.lock().unwrap_or_else(PoisonError::into_inner).len();
        let (most, refused) = match self.manner {
            Manner::Slow { chunk, .. } => (chunk, None),
            Manner::Stuck { room } => (room - had, Some(Poll::Pending)),
            Manner::Failing { room } => {
                (room - had, Some(Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))))
            }
        };
        if let Some(refused) = refused
            && most == 0
        {
            return refused;
        }
        let n = self.take(bytes, most);
        if let Manner::Slow { rest, .. } = self.manner {
            self.resting = Some(Box::pin(sleep(rest)));
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
