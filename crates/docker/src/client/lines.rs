//! A stream of JSON values from the engine, one a line.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::deadline::within;
use super::error::{ClientError, Result};

/// The longest line that is believed.
const LONGEST: usize = 4 * 1024 * 1024;

/// Reads JSON values, one a line, each within a bound.
#[derive(Debug)]
pub(crate) struct JsonLines {
    body: Incoming,
    buffer: BytesMut,
    idle: Duration,
    /// The rest of a line that is too long is passed over.
    passes_over: bool,
}

/// One line.
#[derive(Debug)]
pub(crate) enum Line<T> {
    /// A value.
    Value(T),
    /// One that is too long to be believed, and was passed over.
    TooLong,
}

impl JsonLines {
    /// The lines of `body`, with at most `idle` from one byte to the next.
    pub(crate) fn new(body: Incoming, idle: Duration) -> Self {
        Self { body, buffer: BytesMut::new(), idle, passes_over: false }
    }

    /// The next value; `None` at the end. A last line without its line break counts.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        match self.next_line().await? {
            Some(Line::Value(value)) => Ok(Some(value)),
            Some(Line::TooLong) => Err(ClientError::Protocol("a line of more than 4 MiB".into())),
            None => Ok(None),
        }
    }

    /// The same, where a line that is too long is no reason to give the rest up.
    pub(crate) async fn next_line<T: DeserializeOwned>(&mut self) -> Result<Option<Line<T>>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end);
                self.buffer.advance(1);
                let is_rest = std::mem::take(&mut self.passes_over);
                if !is_rest && !line.trim_ascii().is_empty() {
                    return decode(&line).map(Line::Value).map(Some);
                }
                continue;
            }
            if self.passes_over {
                self.buffer.clear();
            } else if self.buffer.len() > LONGEST {
                self.buffer.clear();
                self.passes_over = true;
                return Ok(Some(Line::TooLong));
            }
            let frame = within(self.idle, async { Ok(self.body.frame().await) }).await?;
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(error.into()),
                None if self.buffer.trim_ascii().is_empty() => return Ok(None),
                None => {
                    let line = self.buffer.split();
                    return decode(&line).map(Line::Value).map(Some);
                }
            }
        }
    }
}

fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T> {
    serde_json::from_slice(line)
        .map_err(|error| ClientError::Protocol(format!("a line of a stream: {error}")))
}
