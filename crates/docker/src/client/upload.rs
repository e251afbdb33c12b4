//! Archives on their way to the engine and from it, as streams that nobody holds as a whole.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::{BodyStream, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use longshore_driver_api::TarStream;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::{ReaderStream, StreamReader};

use super::error::Silent;

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// An archive that is being sent.
pub(crate) struct Upload {
    archive: TarStream,
    state: Arc<Mutex<State>>,
}

/// How far the sending of an archive is.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// How often the archive was asked for more.
    asked: u64,
    /// The archive has been asked and has not answered: the engine is not to blame.
    waiting: bool,
    /// The archive could not be read, for this reason.
    failed: Option<String>,
}

impl Upload {
    /// An archive to be sent, and what becomes of it.
    pub(crate) fn new(archive: TarStream) -> (Self, Arc<Mutex<State>>) {
        let state = Arc::<Mutex<State>>::default();
        (Self { archive, state: Arc::clone(&state) }, state)
    }

    /// Ends when the engine has taken nothing, nor answered, for that long.
    pub(super) fn stalled(&self, bound: Duration) -> impl Future<Output = ()> + Send + use<> {
        let state = Arc::clone(&self.state);
        async move {
            let mut before = None;
            loop {
                {
                    let state = state.lock();
                    if !state.waiting && before == Some(state.asked) {
                        return;
                    }
                    before = Some(state.asked);
                }
                tokio::time::sleep(bound).await;
            }
        }
    }

    /// The archive as a request's body.
    pub(super) fn into_body(self) -> impl Body<Data = Bytes, Error = io::Error> + Send + 'static {
        StreamBody::new(ReaderStream::with_capacity(self, PIECE).map_ok(Frame::data))
    }
}

impl State {
    /// Why the archive could not be read, if that is why the call failed.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }
}

impl AsyncRead for Upload {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.archive).poll_read(context, buffer);
        let mut state = self.state.lock();
        state.asked += 1;
        state.waiting = polled.is_pending();
        if let Poll::Ready(Err(error)) = &polled {
            state.failed = Some(error.to_string());
        }
        drop(state);
        polled
    }
}

/// The body of an answer as an archive. Reading it fails if the body is cut, or if the engine is
/// silent for longer than `idle` while somebody reads.
pub(super) fn download(body: Incoming, idle: Duration) -> TarStream {
    let pieces = stream::unfold(BodyStream::new(body), move |mut body| async move {
        let next = tokio::time::timeout(idle, body.next()).await;
        let piece = match next {
            Ok(None) => return None,
            Ok(Some(Ok(frame))) => Ok(frame.into_data().unwrap_or_default()),
            Ok(Some(Err(error))) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, Silent(idle))),
        };
        Some((piece, body))
    });
    // An empty piece would be taken for the end.
    let pieces = pieces.try_filter(|piece| std::future::ready(!piece.is_empty()));
    Box::new(StreamReader::new(Box::pin(pieces)))
}
