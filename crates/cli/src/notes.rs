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

/// Keeps back what is said from now on, for a picture on the terminal that has to make room first.
///
/// What is kept back when this is dropped is said then.
pub(crate) fn hold() -> Held {
    STDERR.hold()
}

/// What keeps texts back.
#[derive(Debug)]
pub(crate) struct Held(&'static Lines);

impl Held {
    /// Whether there is something to be said.
    pub(crate) fn has_some(&self) -> bool {
        self.0.lock().held.as_ref().is_some_and(|held| !held.is_empty())
    }

    /// Says it, and keeps back what comes after.
    pub(crate) fn say(&self) {
        let text = self.0.lock().held.as_mut().map(std::mem::take);
        self.0.pass_on(&text.unwrap_or_default());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let text = self.0.lock().held.take();
        self.0.pass_on(&text.unwrap_or_default());
    }
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
    /// What is kept back, while that is so.
    held: Option<Vec<u8>>,
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

    fn hold(&'static self) -> Held {
        self.lock().held.get_or_insert_default();
        Held(self)
    }

    fn say(&'static self, text: &[u8]) {
        let mut state = self.lock();
        if let Some(held) = &mut state.held {
            if held.len() + text.len() <= MOST {
                held.extend_from_slice(text);
            } else {
                state.lost += 1;
            }
            return;
        }
        drop(state);
        self.pass_on(text);
    }

    fn pass_on(&'static self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
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
    fn what_is_kept_back_comes_when_it_is_let_go_in_its_order() {
        let (mut reader, lines) = lines(Duration::from_secs(60));
        let held = lines.hold();
        assert!(!held.has_some());
        lines.say(b"a\n");
        assert!(held.has_some() && lines.lock().said == 0);
        held.say();
        assert_eq!((read(&mut reader, 2).as_str(), held.has_some()), ("a\n", false));
        lines.say(b"b\n");
        lines.say(&vec![b'x'; MOST]);
        drop(held);
        lines.say(b"c\n");
        let lost = "longshore: nobody read, and 1 lines are lost\n";
        assert_eq!(read(&mut reader, 4 + lost.len()), format!("b\n{lost}c\n"));
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
