//! What this command itself says on stderr: failures, notes and the log.
//!
//! A thread of its own writes it, and nobody waits for that thread for long: a reader that has
//! stopped must keep no timeout from passing and no signal from being heard.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::stdio;

/// How long a reader is waited for. One that was waited for in vain is waited for again only once it
/// has read everything.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many bytes are kept for a reader that has stopped.
const MOST: usize = 1 << 20;

static STDERR: LazyLock<Lines> = LazyLock::new(|| Lines::new(rustix::stdio::stderr(), PATIENCE));

/// Writes a text, and waits until the system has taken it, but not for long. A stderr that is closed
/// or broken is no reason to fail: nobody is there to be told.
pub(crate) fn say(text: &[u8]) {
    STDERR.say(text);
}

/// Takes what the log writes.
#[derive(Debug)]
pub(crate) struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        say(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Texts on their way to a stream, in their order.
#[derive(Debug)]
struct Lines {
    stream: BorrowedFd<'static>,
    patience: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What nobody has begun to write.
    waiting: Vec<u8>,
    /// How many bytes were to be written, and how many of them are through or have failed.
    said: u64,
    done: u64,
    /// How many texts there was no room for.
    lost: u64,
    /// Whether the reader was waited for in vain.
    stopped: bool,
    has_thread: bool,
}

impl Lines {
    fn new(stream: BorrowedFd<'static>, patience: Duration) -> Self {
        Self { stream, patience, state: Mutex::default(), changed: Condvar::new() }
    }

    fn say(&'static self, text: &[u8]) {
        let mut state = self.lock();
        if !state.has_thread {
            let thread = std::thread::Builder::new().name("longshore-stderr".to_owned());
            if thread.spawn(|| self.write()).is_err() {
                // A process that can have no thread has no runtime either, which could wait for it.
                drop(state);
                write_all(self.stream, text);
                return;
            }
            state.has_thread = true;
        }
        if !state.waiting.is_empty() && state.waiting.len() + text.len() > MOST {
            state.lost += 1;
            return;
        }
        state.add(text);
        let end = state.said;
        self.changed.notify_all();
        if state.stopped {
            return;
        }
        let waited = self.changed.wait_timeout_while(state, self.patience, |it| it.done < end);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        state.stopped |= waited.timed_out();
    }

    /// Writes for as long as the process lives.
    fn write(&self) {
        let mut state = self.lock();
        loop {
            if state.waiting.is_empty() {
                let waited = self.changed.wait_while(state, |state| state.waiting.is_empty());
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
            let text = std::mem::take(&mut state.waiting);
            drop(state);
            write_all(self.stream, &text);
            state = self.lock();
            state.done += text.len() as u64;
            if state.waiting.is_empty() {
                state.stopped = false;
                let lost = std::mem::take(&mut state.lost);
                if lost > 0 {
                    state.add(
                        format!("longshore: nobody read, and {lost} lines are lost\n").as_bytes(),
                    );
                }
            }
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, text: &[u8]) {
        self.waiting.extend_from_slice(text);
        self.said += text.len() as u64;
    }
}

fn write_all(stream: BorrowedFd<'_>, mut text: &[u8]) {
    while !text.is_empty() {
        match stdio::write(stream, text) {
            Ok(count) if count > 0 => text = &text[count..],
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::{AsFd as _, OwnedFd};

    use super::*;

    fn lines(patience: Duration) -> (File, &'static Lines) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let writer: &'static OwnedFd = Box::leak(Box::new(writer));
        (File::from(reader), Box::leak(Box::new(Lines::new(writer.as_fd(), patience))))
    }

    fn read(reader: &mut File, count: usize) -> String {
        let mut bytes = vec![0; count];
        reader.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_was_said_is_there_once_it_returns() {
        let (mut reader, lines) = lines(Duration::from_secs(60));
        for text in ["a\n", "b\n"] {
            lines.say(text.as_bytes());
            let state = lines.lock();
            assert_eq!(state.done, state.said);
        }
        assert_eq!(read(&mut reader, 4), "a\nb\n");
    }

    #[test]
    fn a_reader_that_has_stopped_is_waited_for_once_and_told_what_it_lost() {
        let (mut reader, lines) = lines(Duration::from_millis(20));
        // More than a pipe holds: it is being written until somebody reads.
        let first = "x".repeat(1 << 20);
        lines.say(first.as_bytes());
        assert!(lines.lock().stopped);
        while !lines.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        let second = "y".repeat(MOST);
        lines.say(second.as_bytes());
        lines.say(b"no room");
        lines.say(b"none either");
        assert_eq!(lines.lock().lost, 2);
        assert_eq!(read(&mut reader, first.len()), first);
        assert_eq!(read(&mut reader, second.len()), second);
        let said = "longshore: nobody read, and 2 lines are lost\n";
        assert_eq!(read(&mut reader, said.len()), said);
        assert!(!lines.lock().stopped, "it reads again");
    }
}
