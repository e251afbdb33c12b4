//! A whole answer as JSON. What nobody wants of it is passed over as it comes, and never held: the
//! labels of a container are its image's affair, and can have any length.

use std::io::{self, Read};

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::error::{ClientError, Result};

/// What is held as a whole. A longer answer is read piece by piece, by a thread of its own.
const AT_ONCE: usize = 4 * 1024 * 1024;
/// The longest answer that is read at all: the call's bound is the other limit.
const LONGEST: usize = 1024 * 1024 * 1024;
/// Pieces on their way to that thread.
const AHEAD: usize = 4;

/// Reads the answer to `what`.
pub(super) async fn json<T>(what: &str, mut body: Incoming) -> Result<T>
where
    T: DeserializeOwned + Send + 'static,
{
    let wrong = |error| ClientError::Protocol(format!("the answer to {what}: {error}"));
    let mut begin = BytesMut::new();
    while begin.len() <= AT_ONCE {
        let Some(frame) = body.frame().await else {
            return serde_json::from_slice(&begin).map_err(wrong);
        };
        if let Ok(data) = frame?.into_data() {
            begin.extend_from_slice(&data);
        }
    }
    let mut length = begin.len();
    let (give, more) = mpsc::channel(AHEAD);
    let pieces = Pieces { current: begin.freeze(), more };
    let parsed = tokio::task::spawn_blocking(move || serde_json::from_reader(pieces));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len();
        if length > LONGEST {
            return Err(ClientError::Protocol(format!("the answer to {what}: more than 1 GiB")));
        }
        // Whoever cannot read it does not wait for the rest.
        if give.send(data).await.is_err() {
            break;
        }
    }
    drop(give);
    match parsed.await {
        Ok(parsed) => parsed.map_err(wrong),
        Err(error) => Err(ClientError::Protocol(format!("the answer to {what}: {error}"))),
    }
}

/// The pieces of an answer as they come.
struct Pieces {
    current: Bytes,
    more: mpsc::Receiver<Bytes>,
}

impl Read for Pieces {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            let Some(next) = self.more.blocking_recv() else { return Ok(0) };
            self.current = next;
        }
        let length = to.len().min(self.current.len());
        self.current.copy_to_slice(&mut to[..length]);
        Ok(length)
    }
}
