//! A wait for a container's end that the engine has registered.
//!
//! It is spoken without hyper: a connection of hyper's holds 16 KiB of buffers for as long as it
//! lasts, and a wait lasts for as long as its container, of which there may be thousands.

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::call::message_of;
use super::connect::Io;
use super::error::{ClientError, Result};
use super::piece::piece;
use super::reply::WaitResult;

/// A wait's answer is a few hundred bytes.
const LIMIT: usize = 64 * 1024;
/// So much is read at once.
const PIECE: usize = 512;

/// A registered wait: the head of the engine's answer is there, its body comes with the end.
pub(crate) struct PendingWait {
    io: Box<dyn Io>,
    length: Length,
    /// What came of the body with the head.
    body: Vec<u8>,
}

impl std::fmt::Debug for PendingWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingWait").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The connection to whoever has answered a wait. It could be asked for more.
pub(crate) struct Answered(Box<dyn Io>);

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answered")
    }
}

impl Answered {
    /// Whether the other side holds it still: so the process lives that has answered. Where it does
    /// not, that may have other reasons.
    pub(crate) async fn is_held(&mut self) -> bool {
        tokio::select! {
            biased;
            // There is nothing more to be said.
            _ = self.0.read_u8() => false,
            () = std::future::ready(()) => true,
        }
    }
}

/// How the end of the body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Chunked,
    Bytes(usize),
    /// It ends with the connection.
    Unknown,
}

impl PendingWait {
    /// Sends the request, whose whole head is `request`, and reads the head of its answer.
    pub(crate) async fn register(mut io: Box<dyn Io>, request: &str) -> Result<Self> {
        io.write_all(request.as_bytes()).await.map_err(|error| broken(&error))?;
        io.flush().await.map_err(|error| broken(&error))?;
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if !read(&mut io, &mut bytes).await? {
                return Err(ClientError::Disconnected(
                    "the engine closed it without an answer".into(),
                ));
            }
        };
        let body = bytes.split_off(end + 4);
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = status_of(&head)?;
        let mut wait = Self { io, length: length_of(&head), body };
        if status.is_success() {
            wait.body.shrink_to_fit();
            return Ok(wait);
        }
        let body = wait.whole().await?;
        Err(ClientError::Status { status: status.as_u16(), message: message_of(status, &body) })
    }

    /// Waits for the end. Without a bound: a task may run for as long as it likes.
    /// With the result comes the connection to whoever has answered.
    pub(crate) async fn result(mut self) -> Result<(WaitResult, Answered)> {
        let body = self.whole().await?;
        // An engine that stops ends the body without a word.
        if body.trim_ascii().is_empty() {
            return Err(ClientError::Disconnected("the wait ended without an answer".into()));
        }
        let answer = serde_json::from_slice(&body)
            .map_err(|error| ClientError::Protocol(format!("the answer to a wait: {error}")))?;
        Ok((answer, Answered(self.io)))
    }

    async fn whole(&mut self) -> Result<Vec<u8>> {
        loop {
            let (body, is_whole) = decode(self.length, &self.body)?;
            if is_whole {
                return Ok(body);
            }
            if !read(&mut self.io, &mut self.body).await? {
                return match self.length {
                    Length::Unknown => Ok(body),
                    _ => Err(ClientError::Disconnected("the wait's answer broke off".into())),
                };
            }
        }
    }
}

/// Reads a piece; false at the end of the connection.
async fn read(io: &mut Box<dyn Io>, into: &mut Vec<u8>) -> Result<bool> {
    if into.len() > LIMIT {
        return Err(ClientError::Protocol("the answer to a wait is too long".into()));
    }
    let piece = piece::<PIECE>(io).await.map_err(|error| broken(&error))?;
    into.extend_from_slice(&piece);
    Ok(!piece.is_empty())
}

fn broken(error: &std::io::Error) -> ClientError {
    ClientError::Disconnected(error.to_string())
}

fn status_of(head: &str) -> Result<StatusCode> {
    let line = head.lines().next().unwrap_or_default();
    let known = line.starts_with("HTTP/1.").then(|| line.split(' ').nth(1)).flatten();
    known
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| ClientError::Protocol("the answer to a wait is no HTTP".into()))
}

fn length_of(head: &str) -> Length {
    let header = |wanted: &str| {
        head.lines().skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    if header("transfer-encoding").is_some_and(|how| how.to_lowercase().contains("chunked")) {
        return Length::Chunked;
    }
    match header("content-length").and_then(|length| length.parse().ok()) {
        Some(length) => Length::Bytes(length),
        None => Length::Unknown,
    }
}

/// What of a body is there, and whether that is all.
fn decode(length: Length, bytes: &[u8]) -> Result<(Vec<u8>, bool)> {
    match length {
        Length::Unknown => Ok((bytes.to_vec(), false)),
        Length::Bytes(length) => {
            Ok((bytes[..bytes.len().min(length)].to_vec(), bytes.len() >= length))
        }
        Length::Chunked => chunks(bytes),
    }
}

fn chunks(mut bytes: &[u8]) -> Result<(Vec<u8>, bool)> {
    let wrong = || ClientError::Protocol("the chunks of the answer to a wait are none".into());
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let line = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong())?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| wrong())?;
        if size > LIMIT {
            return Err(wrong());
        }
        if size == 0 {
            return Ok((body, true));
        }
        let Some(chunk) = bytes.get(end + 2..end + 2 + size) else { break };
        body.extend_from_slice(chunk);
        // The line break after a chunk may be still to come.
        let Some(rest) = bytes.get(end + 4 + size..) else { break };
        bytes = rest;
    }
    Ok((body, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &[u8]) -> Result<WaitResult> {
        let (ours, mut theirs) = tokio::io::duplex(7);
        let answer = answer.to_vec();
        let engine = tokio::spawn(async move {
            let mut request = [0; 5];
            theirs.read_exact(&mut request).await.unwrap();
            // A client that has what it wants does not read on.
            let _ = theirs.write_all(&answer).await;
        });
        let waited = match PendingWait::register(Box::new(ours), "POST\n").await {
            Ok(wait) => wait.result().await.map(|(result, _)| result),
            Err(error) => Err(error),
        };
        engine.await.unwrap();
        waited
    }

    #[tokio::test]
    async fn an_answer_is_read_however_its_length_is_told() {
        let heads = [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"StatusCode\":37\r\n1\r\n}\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"StatusCode\":37}",
            "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n{\"StatusCode\":37}",
        ];
        for head in heads {
            assert_eq!(answered(head.as_bytes()).await.unwrap().status_code, 37, "{head}");
        }
    }

    #[tokio::test]
    async fn what_breaks_off_or_is_refused_is_told_apart() {
        let begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for answer in ["", "HTTP/1.1 200", begun, &format!("{begun}5\r\n{{\"S")] {
            let error = answered(answer.as_bytes()).await.unwrap_err();
            assert!(matches!(error, ClientError::Disconnected(_)), "{answer:?}: {error:?}");
        }
        for answer in
            ["SSH-2.0\r\n\r\n", &format!("{begun}zz\r\n"), &format!("{begun}1\r\n{{\r\n0\r\n\r\n")]
        {
            let error = answered(answer.as_bytes()).await.unwrap_err();
            assert!(matches!(error, ClientError::Protocol(_)), "{answer:?}: {error:?}");
        }
        let refused =
            "HTTP/1.1 404 Not Found\r\nContent-Length: 26\r\n\r\n{\"message\":\"No such thing\"}";
        let error = answered(refused.as_bytes()).await.unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
    }
}
