//! Carries bytes between a task and its caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_driver_api::{StreamEnd, StreamReport};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::pipe::{Reader, Writer};

const BUFFER: usize = 16 << 10;

pub(crate) type Source = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type Sink = Box<dyn AsyncWrite + Send + Unpin>;

/// How far the delivery of an attached stream is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Where in the stream its delivery began.
    begin: u64,
    delivered: AtomicU64,
    discarded: AtomicU64,
    end: Mutex<Option<StreamEnd>>,
}

impl Progress {
    /// A delivery that begins at this position of the stream.
    pub(crate) fn from(begin: u64) -> Self {
        Self { begin, ..Self::default() }
    }

    /// Up to where the stream was delivered.
    pub(crate) fn position(&self) -> u64 {
        self.begin + self.delivered.load(Ordering::Relaxed)
    }

    /// What became of the stream, `unfinished` being what ended its delivery if it is not through.
    pub(crate) fn report(&self, unfinished: StreamEnd) -> StreamReport {
        let end = self.end.lock().unwrap_or(unfinished);
        let delivered = self.delivered.load(Ordering::Relaxed);
        StreamReport::new(end, delivered, self.discarded.load(Ordering::Relaxed))
    }
}

/// Carries one output stream to the caller, to its end.
pub(crate) struct Delivery {
    pub(crate) from: Reader,
    pub(crate) to: Sink,
    pub(crate) limit: Option<u64>,
    /// How a stream ends that was carried to its end.
    pub(crate) whole: StreamEnd,
    pub(crate) progress: Arc<Progress>,
}

impl Delivery {
    /// `beyond` is called once, when the stream goes beyond its limit.
    pub(crate) async fn run(mut self, beyond: impl Fn() + Send) {
        let mut buffer = vec![0; BUFFER];
        let mut failed = false;
        let mut told = false;
        let mut room = self.limit.unwrap_or(u64::MAX);
        // A pipe in memory does not fail; its end is the stream's.
        while let Ok(read @ 1..) = self.from.read(&mut buffer).await {
            let kept = usize::try_from(room).map_or(read, |room| room.min(read));
            let mut lost = read - kept;
            room -= kept as u64;
            if lost > 0 && !told {
                told = true;
                beyond();
            }
            if failed {
                lost += kept;
            } else {
                let taken = self.write(&buffer[..kept]).await;
                failed = taken < kept;
                lost += kept - taken;
            }
            self.progress.discarded.fetch_add(lost as u64, Ordering::Relaxed);
            // Whoever writes a line and waits for an answer expects it to arrive.
            if !failed && self.from.is_empty() {
                failed = self.to.flush().await.is_err();
            }
        }
        if !failed {
            failed = self.to.flush().await.is_err();
        }
        if !failed {
            // Every byte was taken, so that what is said here makes no difference.
            let _ = self.to.shutdown().await;
        }
        let end = if failed { StreamEnd::WriterFailed } else { self.whole };
        *self.progress.end.lock() = Some(end);
    }

    /// Says how much the writer took; less than all means that it failed.
    async fn write(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.to.write(&bytes[taken..]).await {
                Ok(n @ 1..) => {
                    taken += n;
                    self.progress.delivered.fetch_add(n as u64, Ordering::Relaxed);
                }
                Ok(0) | Err(_) => break,
            }
        }
        taken
    }
}

/// Carries the caller's input to the task, until its end or until nobody reads it. Input that
/// cannot be read any further ends there.
pub(crate) async fn feed(mut from: Source, mut to: Writer) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
