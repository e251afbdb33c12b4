//! Streams, hooks and statistics with a defect.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use longshore_driver_api::{
    Credential, ImageRef, PullProgress, Result, Sample, StatsSink, TaskHooks, TaskIo,
};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::Defect;

/// What of a stream gets through where it is cut.
const CUT: usize = 1000;

/// Breaks the streams of a task as the defect is.
pub(crate) fn broken_io(defect: Defect, io: &mut TaskIo) {
    match defect {
        Defect::CutsInput => {
            if let Some(stdin) = io.stdin.take() {
                io.stdin = Some(Box::new(stdin.take(CUT as u64)));
            }
        }
        Defect::CutsOutput => {
            if let Some(inner) = io.stdout.take() {
                io.stdout = Some(Box::new(Cut { inner, left: CUT }));
            }
        }
        Defect::LosesWhatIsLeftAtTheEnd => {
            if let Some(stdout) = io.stdout.take() {
                io.stdout = Some(Box::new(Detached::new(stdout)));
            }
        }
        Defect::SwapsStreams => std::mem::swap(&mut io.stdout, &mut io.stderr),
        Defect::SamplesAfterTheEnd => {
            if let Some(inner) = io.stats.take() {
                io.stats = Some(Box::new(Late { inner: Some(inner), last: None }));
            }
        }
        _ => {}
    }
}

/// Lets the first bytes through and swallows the rest.
struct Cut {
    inner: Box<dyn AsyncWrite + Send + Unpin>,
    left: usize,
}

impl AsyncWrite for Cut {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.left == 0 {
            return Poll::Ready(Ok(bytes.len()));
        }
        let most = bytes.len().min(self.left);
        let written =
            std::task::ready!(Pin::new(&mut self.inner).poll_write(context, &bytes[..most]))?;
        self.left -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Takes everything at once; a task of nobody's writes it when the reader comes to it.
struct Detached(mpsc::UnboundedSender<Vec<u8>>);

impl Detached {
    fn new(mut inner: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<u8>>();
        tokio::spawn(async move {
            while let Some(bytes) = receiver.recv().await {
                if inner.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        Self(sender)
    }
}

impl AsyncWrite for Detached {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = self.0.send(bytes.to_vec());
        Poll::Ready(sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Tells the last sample once more when the task is over.
struct Late {
    inner: Option<Box<dyn StatsSink>>,
    last: Option<Sample>,
}

impl StatsSink for Late {
    fn sample(&mut self, sample: Sample) {
        self.last = Some(sample.clone());
        if let Some(inner) = &mut self.inner {
            inner.sample(sample);
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if let (Some(mut inner), Some(last)) = (self.inner.take(), self.last.take()) {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                inner.sample(last);
            });
        }
    }
}

/// Tells twice that the container is closed.
#[derive(Debug)]
pub(crate) struct TwiceClosed(pub(crate) Arc<dyn TaskHooks>);

#[async_trait]
impl TaskHooks for TwiceClosed {
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>> {
        self.0.credential(image).await
    }

    fn pull_progress(&self, progress: &PullProgress) {
        self.0.pull_progress(progress);
    }

    fn closed(&self) {
        self.0.closed();
        self.0.closed();
    }
}
