//! Takes an attach stream of the engine apart into standard output and standard error.
//!
//! Without a terminal the engine sends frames: a header of eight bytes (the stream's number, three
//! zeros, the length as a big-endian number) and the payload. With a terminal it sends bare bytes.
//! Which of the two it is, is known from the task and never guessed from the bytes. A payload is
//! handed on as it arrives and is never held as a whole: it may be 4 GiB long.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::{ClientError, Result};
use super::piece::piece;

/// The memory that one attach stream takes in this process once it has much to say.
pub(crate) const BUFFER: usize = 64 * 1024;
/// How much is read at once until then, and held only until it is handed on: a thousand tasks that
/// say little should not cost 64 MiB.
const PIECE: usize = 2 * 1024;

/// The length of a frame's header.
const HEADER: usize = 8;

/// Which of the task's streams bytes belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Reads an attach stream piece by piece.
#[derive(Debug)]
pub(crate) struct Demux<R> {
    reader: R,
    framed: bool,
    buffer: Box<[u8]>,
    /// What of the buffer is read and not handed on yet.
    start: usize,
    end: usize,
    /// The last read filled the buffer: there is more than it holds.
    filled: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// In a header, of which so many bytes are there.
    Header { bytes: [u8; HEADER], have: usize },
    /// In a payload, of which so many bytes are missing.
    Payload { channel: Channel, left: usize },
}

const NO_HEADER: State = State::Header { bytes: [0; HEADER], have: 0 };

impl<R: AsyncRead + Unpin> Demux<R> {
    /// Reads frames, or with a terminal bare bytes.
    pub(crate) fn new(reader: R, tty: bool) -> Self {
        Self {
            reader,
            framed: !tty,
            buffer: Box::default(),
            start: 0,
            end: 0,
            filled: false,
            state: NO_HEADER,
        }
    }

    /// The next piece of a payload, never empty; `None` at the end of the stream between two frames.
    ///
    /// Dropping the future loses nothing: what was read stays for the next call. Fails with
    /// `Disconnected` when the stream ends inside a frame, with `Deadline` when it is one with a bound
    /// for its silence, and with `Protocol` when a header is none.
    pub(crate) async fn next(&mut self) -> Result<Option<(Channel, &[u8])>> {
        loop {
            if self.start == self.end {
                match self.read().await {
                    Ok(0) => return self.end_of_stream(),
                    Ok(read) => self.end = read,
                    Err(error) => return Err(ClientError::of_stream(&error)),
                }
            }
            if !self.framed {
                let from = std::mem::replace(&mut self.start, self.end);
                return Ok(Some((Channel::Stdout, &self.buffer[from..self.end])));
            }
            match &mut self.state {
                State::Header { bytes, have } => {
                    let take = (HEADER - *have).min(self.end - self.start);
                    bytes[*have..*have + take]
                        .copy_from_slice(&self.buffer[self.start..self.start + take]);
                    *have += take;
                    self.start += take;
                    if *have == HEADER {
                        self.state = payload_of(*bytes)?;
                    }
                }
                State::Payload { left: 0, .. } => self.state = NO_HEADER,
                State::Payload { channel, left } => {
                    let take = (*left).min(self.end - self.start);
                    let (channel, from) = (*channel, self.start);
                    *left -= take;
                    self.start += take;
                    return Ok(Some((channel, &self.buffer[from..from + take])));
                }
            }
        }
    }

    /// Reads into the buffer, which is empty, and says how much.
    async fn read(&mut self) -> io::Result<usize> {
        (self.start, self.end) = (0, 0);
        if self.filled && self.buffer.len() < BUFFER {
            self.buffer = vec![0; BUFFER].into_boxed_slice();
        }
        if self.buffer.len() == BUFFER {
            return self.reader.read(&mut self.buffer).await;
        }
        self.buffer = Box::default();
        self.buffer = piece::<PIECE>(&mut self.reader).await?;
        self.filled = self.buffer.len() == PIECE;
        Ok(self.buffer.len())
    }

    /// Whether everything that was begun has been read to its end.
    pub(crate) fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header { have: 0, .. } | State::Payload { left: 0, .. })
    }

    fn end_of_stream(&self) -> Result<Option<(Channel, &[u8])>> {
        match &self.state {
            _ if self.is_between_frames() => Ok(None),
            State::Header { have, .. } => Err(ClientError::Disconnected(format!(
                "the output stopped after {have} of a frame header's {HEADER} bytes"
            ))),
            State::Payload { left, .. } => Err(ClientError::Disconnected(format!(
                "the output stopped {left} bytes before the end of a frame"
            ))),
        }
    }
}

fn payload_of(header: [u8; HEADER]) -> Result<State> {
    let [number, a, b, c, length @ ..] = header;
    let channel = match number {
        1 => Channel::Stdout,
        2 => Channel::Stderr,
        _ => return Err(not_a_header(header)),
    };
    if [a, b, c] != [0; 3] {
        return Err(not_a_header(header));
    }
    let left = usize::try_from(u32::from_be_bytes(length)).map_err(|_| not_a_header(header))?;
    Ok(State::Payload { channel, left })
}

fn not_a_header(header: [u8; HEADER]) -> ClientError {
    ClientError::Protocol(format!("{header:02x?} is no header of an output frame"))
}

#[cfg(test)]
mod tests;
