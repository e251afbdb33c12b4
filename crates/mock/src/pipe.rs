//! A bounded pipe between a program and its driver.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;

/// What a pipe holds: as much as one of Linux does.
pub(crate) const CAPACITY: usize = 64 << 10;

/// What becomes of bytes that are written when nobody reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// They are thrown away, as an engine does with output that nobody is attached to.
    Discard,
    /// Writing fails, as it does on stdin of a program that has ended.
    Fail,
}

/// One of the ends that are written to. The stream ends when the last one is dropped.
#[derive(Debug)]
pub(crate) struct Writer(Arc<Mutex<State>>);

/// One of the ends that are read from.
#[derive(Debug)]
pub(crate) struct Reader(Arc<Mutex<State>>);

/// A look at a pipe that is none of its ends.
#[derive(Debug, Clone)]
pub(crate) struct Tap(Arc<Mutex<State>>);

/// Waking may run code of others, so no lock is held then.
fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

#[derive(Debug)]
struct State {
    bytes: VecDeque<u8>,
    writers: usize,
    readers: usize,
    unread: Unread,
    wakers: Vec<Waker>,
    /// How many bytes were written, read or not.
    written: u64,
    /// All of them, where they are kept.
    kept: Option<Vec<u8>>,
}

pub(crate) fn pipe(unread: Unread) -> (Writer, Reader) {
    let state = State {
        bytes: VecDeque::new(),
        writers: 1,
        readers: 1,
        unread,
        wakers: Vec::new(),
        written: 0,
        kept: None,
    };
    let state = Arc::new(Mutex::new(state));
    (Writer(Arc::clone(&state)), Reader(state))
}

impl State {
    fn wait(&mut self, cx: &Context<'_>) {
        if !self.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.wakers.push(cx.waker().clone());
        }
    }

    /// Those who wait: readers of an empty pipe, or writers to a full one.
    fn take_wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers)
    }

    fn note(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
    }
}

impl Reader {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().bytes.is_empty()
    }
}

impl Writer {
    pub(crate) fn tap(&self) -> Tap {
        Tap(Arc::clone(&self.0))
    }
}

impl Tap {
    /// Keeps every byte that is written from now on.
    pub(crate) fn keep(&self) {
        self.0.lock().kept.get_or_insert_default();
    }

    /// A new reader, in place of one that has gone. It begins at this position of all that was
    /// written if that was kept, and else with what is written next; so many bytes are missing then.
    pub(crate) fn reader(&self, position: u64) -> (Reader, u64) {
        let mut state = self.0.lock();
        state.readers += 1;
        let behind = state.written.saturating_sub(position);
        let missing = match &state.kept {
            Some(kept) => {
                let from = usize::try_from(position).unwrap_or(usize::MAX).min(kept.len());
                state.bytes = kept[from..].iter().copied().collect();
                0
            }
            None => behind.saturating_sub(state.bytes.len() as u64),
        };
        drop(state);
        (Reader(Arc::clone(&self.0)), missing)
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A program that writes for ever must let others run.
        let coop = ready!(coop::poll_proceed(cx));
        let mut state = self.0.lock();
        let taken = if state.readers == 0 {
            match state.unread {
                Unread::Discard => {
                    state.note(bytes);
                    bytes.len()
                }
                Unread::Fail => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        } else {
            // What was kept and is to be read again may be more.
            let room = CAPACITY.saturating_sub(state.bytes.len());
            if room == 0 && !bytes.is_empty() {
                state.wait(cx);
                return Poll::Pending;
            }
            let taken = room.min(bytes.len());
            state.bytes.extend(&bytes[..taken]);
            state.note(&bytes[..taken]);
            let waiting = state.take_wakers();
            drop(state);
            wake(waiting);
            taken
        };
        coop.made_progress();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let coop = ready!(coop::poll_proceed(cx));
        let mut state = self.0.lock();
        if state.bytes.is_empty() && state.writers > 0 {
            state.wait(cx);
            return Poll::Pending;
        }
        let (front, _) = state.bytes.as_slices();
        let taken = front.len().min(buffer.remaining());
        buffer.put_slice(&front[..taken]);
        state.bytes.drain(..taken);
        let waiting = state.take_wakers();
        drop(state);
        wake(waiting);
        coop.made_progress();
        Poll::Ready(Ok(()))
    }
}

impl Clone for Writer {
    fn clone(&self) -> Self {
        self.0.lock().writers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.writers -= 1;
        let waiting = state.take_wakers();
        drop(state);
        wake(waiting);
    }
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        self.0.lock().readers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.readers -= 1;
        if state.readers == 0 {
            state.bytes = VecDeque::new();
        }
        let waiting = state.take_wakers();
        drop(state);
        wake(waiting);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::{Duration, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_pipe_makes_the_writer_wait_until_somebody_reads() {
        let (mut writer, mut reader) = pipe(Unread::Fail);
        writer.write_all(&[1; CAPACITY]).await.unwrap();
        let blocked = timeout(Duration::from_secs(1), writer.write_all(&[2])).await;
        assert!(blocked.is_err());
        let mut some = [0; 10];
        reader.read_exact(&mut some).await.unwrap();
        writer.write_all(&[2]).await.unwrap();
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_last_writer_and_not_before() {
        let (writer, mut reader) = pipe(Unread::Fail);
        let mut other = writer.clone();
        drop(writer);
        other.write_all(b"late").await.unwrap();
        drop(other);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"late");
    }

    #[tokio::test]
    async fn a_later_reader_gets_what_was_kept_or_is_told_how_much_is_missing() {
        let kept = pipe(Unread::Discard);
        kept.0.tap().keep();
        for (keeps, (mut writer, reader)) in [(true, kept), (false, pipe(Unread::Discard))] {
            writer.write_all(b"one").await.unwrap();
            drop(reader);
            writer.write_all(b"two").await.unwrap();
            let (mut reader, missing) = writer.tap().reader(2);
            writer.write_all(b"three").await.unwrap();
            drop(writer);
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            let expected: (&[u8], u64) = if keeps { (b"etwothree", 0) } else { (b"three", 4) };
            assert_eq!((&all[..], missing), expected);
        }
    }

    #[tokio::test]
    async fn writing_without_a_reader_fails_or_vanishes_as_said() {
        let (mut writer, reader) = pipe(Unread::Fail);
        drop(reader);
        let failed = writer.write_all(b"x").await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
        let (mut writer, reader) = pipe(Unread::Discard);
        drop(reader);
        writer.write_all(&[0; 3 * CAPACITY]).await.unwrap();
    }
}
