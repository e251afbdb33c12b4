//! Loading images from an archive: the only request with a large body.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use super::call::accept;
use super::error::{ClientError, Result};
use super::lines::JsonLines;
use super::pull::read_steps;
use super::transport::Transport;

/// Bytes that are read at a time.
const PIECE: usize = 256 * 1024;
/// How the engine names what it has loaded.
const LOADED: [&str; 2] = ["Loaded image: ", "Loaded image ID: "];

/// An archive of images to be sent.
pub(crate) struct Archive {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Known beforehand: a file that is cut short meanwhile is an error, and no shorter archive.
    length: u64,
}

impl Archive {
    /// One that is in a file.
    pub(crate) async fn file(file: File) -> io::Result<Self> {
        let length = file.metadata().await?.len();
        Ok(Self { reader: Box::new(file), length })
    }

    /// One that is in memory.
    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self { length: bytes.len() as u64, reader: Box::new(io::Cursor::new(bytes)) }
    }
}

/// Sends an archive and gives the names, or else the ids, of the images that were in it.
pub(crate) async fn load(
    transport: &Transport,
    archive: Archive,
    idle: Duration,
) -> Result<Vec<String>> {
    let Archive { reader, length } = archive;
    let failed = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&failed);
    let body = ReaderStream::with_capacity(reader, PIECE).map(move |piece: io::Result<Bytes>| {
        piece.map(Frame::data).map_err(|error| {
            let text = error.to_string();
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            text
        })
    });
    let request = Request::post("/images/load?quiet=1")
        .header(CONTENT_TYPE, "application/x-tar")
        .header(CONTENT_LENGTH, length)
        .body(StreamBody::new(body))
        .map_err(|error| ClientError::Protocol(format!("request to /images/load: {error}")))?;
    let sent = async { accept(transport.send(request).await?).await }.await;
    // Hyper tells of it as of a lost connection.
    if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(ClientError::Archive(error));
    }
    let mut names = Vec::new();
    read_steps(JsonLines::new(sent?.into_body(), idle), |step| {
        let text = step.stream.unwrap_or_default();
        let name = LOADED.iter().find_map(|words| text.trim().strip_prefix(words));
        names.extend(name.map(str::to_owned));
    })
    .await?;
    Ok(names)
}
