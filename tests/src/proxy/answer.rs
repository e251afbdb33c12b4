//! An engine's answer on its way to the client.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, Ready};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::sleep;

use super::Shared;
use super::fault::Place;
use super::reply::{Progress, Rest, chunk_size};
use super::request::position;

/// Bytes that fall within the first line of every head.
const IN_HEAD: u64 = 12;
/// The header of an attached stream's frame, whose last four bytes are the payload's length.
const HEADER: usize = 8;
/// Bytes that fall within such a header.
const IN_HEADER: usize = 5;

/// How often a silent client is looked at: no event tells that it has closed both directions.
const LOOK: Duration = Duration::from_millis(10);

/// An engine's answer on its way to the client.
pub(super) struct Answer<'a> {
    from: OwnedReadHalf,
    /// None once nobody is there to hear it.
    to: Option<OwnedWriteHalf>,
    shared: &'a Shared,
    /// The request's place in the log.
    number: usize,
    progress: Progress,
    /// What was read and not yet passed.
    read: Vec<u8>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        from: OwnedReadHalf,
        to: Option<OwnedWriteHalf>,
        shared: &'a Shared,
        number: usize,
    ) -> Self {
        Self { from, to, shared, number, progress: Progress::default(), read: Vec::new() }
    }

    /// Passes `count` bytes of it, or all that come.
    pub(super) async fn pass(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            if self.read.is_empty() && !self.more().await? {
                return Ok(());
            }
            let take = usize::try_from(count).map_or(self.read.len(), |n| n.min(self.read.len()));
            let bytes = self.take(take);
            self.progress.follow_head(&bytes);
            self.note();
            self.send(&bytes).await?;
            count -= bytes.len() as u64;
        }
        Ok(())
    }

    /// Passes what is before that place. `false`: it ended before, and has passed whole.
    pub(super) async fn pass_to(&mut self, place: Place) -> io::Result<bool> {
        if place == Place::Head {
            self.pass(IN_HEAD).await?;
            return Ok(true);
        }
        let mut head = self.head().await?;
        let rest = self.progress.rest();
        if rest == Rest::Nothing && place == Place::Within {
            head.pop();
        }
        self.send(&head).await?;
        let until = match (place, rest) {
            (_, Rest::Nothing) => return Ok(place == Place::Within),
            (Place::Frames(count), _) => return self.pass_frames(count).await,
            (Place::FrameHeader, _) => IN_HEADER,
            (Place::Within, Rest::Bytes(length)) => usize::try_from(length / 2).unwrap_or(1),
            (Place::Within, Rest::Chunks) => self.half_of_chunk().await?,
            (Place::Within, Rest::Stream) => self.half_of_frame().await?,
            (Place::Head | Place::HeadEnd, _) => return Ok(true),
        };
        // One more, which is missing then.
        if !self.has(until + 1).await? {
            self.pass(u64::MAX).await?;
            return Ok(false);
        }
        self.pass(until as u64).await?;
        Ok(true)
    }

    /// Passes so many frames, once a further one begins.
    async fn pass_frames(&mut self, count: u32) -> io::Result<bool> {
        for _ in 0..count {
            let frame = HEADER + self.payload().await?;
            self.pass(frame as u64).await?;
        }
        self.has(1).await
    }

    async fn half_of_chunk(&mut self) -> io::Result<usize> {
        let mut known = 0;
        loop {
            if let Some(end) = position(&self.read, b"\r\n") {
                let size = chunk_size(&self.read[..end + 2]).unwrap_or(0);
                return Ok(end + 2 + usize::try_from(size / 2).unwrap_or(0));
            }
            known += 1;
            if !self.has(known).await? {
                return Ok(known);
            }
        }
    }

    async fn half_of_frame(&mut self) -> io::Result<usize> {
        Ok(HEADER + self.payload().await? / 2)
    }

    /// How long the payload of the next frame is.
    async fn payload(&mut self) -> io::Result<usize> {
        self.has(HEADER).await?;
        let length = self.read.get(4..HEADER).and_then(|bytes| bytes.try_into().ok());
        Ok(length.map_or(0, |bytes| u32::from_be_bytes(bytes) as usize))
    }

    /// Whether so many bytes follow; they are not passed yet.
    async fn has(&mut self, count: usize) -> io::Result<bool> {
        while self.read.len() < count {
            if !self.more().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Passes the whole of it, and then the same again.
    pub(super) async fn pass_twice(&mut self) -> io::Result<()> {
        let mut whole = self.head().await?;
        self.send(&whole).await?;
        while !self.progress.is_done() {
            if self.read.is_empty() && !self.more().await? {
                break;
            }
            let count = self.progress.follow_all(&self.read);
            let bytes = self.take(count);
            self.send(&bytes).await?;
            whole.extend_from_slice(&bytes);
        }
        self.send(&whole).await?;
        self.shared.met(self.number);
        Ok(())
    }

    /// Lets the engine answer, and gives the client something else.
    pub(super) async fn instead(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.head().await?;
        self.send(bytes).await?;
        self.shared.met(self.number);
        self.end().await?;
        self.hold().await
    }

    /// Ends the direction to the client.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        match &mut self.to {
            Some(to) => to.shutdown().await,
            None => Ok(()),
        }
    }

    /// Lets the engine go on, without a byte for the client, until the client has left.
    pub(super) async fn hold(&mut self) -> io::Result<()> {
        let Some(to) = self.to.take() else { return Ok(()) };
        tokio::select! {
            left = closed(|| to.ready(Interest::WRITABLE)) => left,
            ended = self.drain_for_ever() => ended,
        }
    }

    /// Lets the engine answer to its end, though nobody hears it.
    pub(super) async fn drain(&mut self) -> io::Result<()> {
        while !self.progress.is_done() && self.more().await? {
            self.progress.follow_all(&self.read);
            self.read.clear();
            self.note();
        }
        Ok(())
    }

    async fn drain_for_ever(&mut self) -> io::Result<()> {
        loop {
            self.progress.follow_head(&self.read);
            self.read.clear();
            self.note();
            if !self.more().await? {
                // The engine has said all; the client is not told.
                return std::future::pending().await;
            }
        }
    }

    /// The head, read and not passed.
    async fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        while self.progress.status().is_none() {
            if self.read.is_empty() && !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = self.progress.follow_head(&self.read);
            head.extend(self.take(count));
        }
        self.note();
        Ok(head)
    }

    /// Reads more from the engine; `false` at its end.
    async fn more(&mut self) -> io::Result<bool> {
        self.read.reserve(16 * 1024);
        Ok(self.from.read_buf(&mut self.read).await? > 0)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.read.drain(..count).collect()
    }

    fn note(&self) {
        if let Some(status) = self.progress.status() {
            self.shared.answered(self.number, status);
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.to {
            Some(to) => to.write_all(bytes).await,
            None => Ok(()),
        }
    }
}

/// Waits until the other side of a connection has closed both directions: one that only ended its
/// own still listens.
pub(super) async fn closed<F>(ready: impl Fn() -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<Ready>>,
{
    while !ready().await?.is_write_closed() {
        sleep(LOOK).await;
    }
    Ok(())
}
