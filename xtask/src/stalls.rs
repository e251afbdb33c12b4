//! Whether the machine stood still while something ran on it.
//!
//! The tests bound what a driver does by seconds. On a machine whose disk or processors stand still
//! for that long, a failure says nothing about the driver.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// As long as a test's driver waits for an answer of an engine.
const LONG: Duration = Duration::from_secs(2);
/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks at the machine until it is dropped.
pub(crate) struct Stalls(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    longest: Option<(&'static str, Duration)>,
    /// What is going on, and since when.
    now: Option<(&'static str, Instant)>,
    over: bool,
}

impl Stalls {
    /// Begins to look. What is written to find out how the disk fares goes into `folder`.
    pub(crate) fn watch(folder: &Path) -> Stalls {
        let file = folder.join(format!("disk-{}", std::process::id()));
        Stalls::watch_by(move || sync(&file))
    }

    /// The same with another disk.
    fn watch_by(mut disk: impl FnMut() -> io::Result<()> + Send + 'static) -> Stalls {
        let state = Arc::new(Mutex::new(State::default()));
        let seen = Arc::clone(&state);
        thread::spawn(move || {
            loop {
                let slept = State::time(&seen, "nothing ran", || thread::sleep(PAUSE));
                // What cannot be written to is found by others.
                let synced = State::time(&seen, "the disk did not write", || disk().is_ok());
                if slept.is_none() || synced.is_none() {
                    return;
                }
            }
        });
        Stalls(state)
    }

    /// The longest stall so far, in words, if it was long enough to fail a test.
    pub(crate) fn longest(&self) -> Option<String> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = state.now.map(|(what, since)| (what, since.elapsed()));
        let longest = [state.longest, now].into_iter().flatten().max_by_key(|(_, time)| *time);
        let (what, time) = longest.filter(|(_, time)| *time >= LONG)?;
        Some(format!("{what} for {:.1} s", time.as_secs_f64()))
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    }
}

impl State {
    /// Does something and notes how long it took; `None` once nobody wants to know any more.
    fn time<T>(state: &Mutex<State>, what: &'static str, act: impl FnOnce() -> T) -> Option<T> {
        let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        lock().now = Some((what, begun));
        let done = act();
        let took = begun.elapsed();
        let mut state = lock();
        state.now = None;
        if state.longest.is_none_or(|(_, longest)| took > longest) {
            state.longest = Some((what, took));
        }
        (!state.over).then_some(done)
    }
}

/// Writes a few bytes down to the disk itself.
fn sync(path: &PathBuf) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(b"the disk answers")?;
    file.sync_all()?;
    std::fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_disk_that_writes_is_no_stall_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        sync(&folder.path().join("disk")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(Stalls::watch(folder.path()).longest(), None);
    }

    #[test]
    fn a_stall_is_told_while_it_lasts_and_afterwards() {
        let state = Mutex::new(State::default());
        let stalls = |state: State| Stalls(Arc::new(Mutex::new(state))).longest();
        let then = Instant::now().checked_sub(Duration::from_secs(7)).unwrap();
        let lasting = State { now: Some(("the disk did not write", then)), ..State::default() };
        assert!(stalls(lasting).unwrap().starts_with("the disk did not write for 7."));
        let over = State { longest: Some(("nothing ran", LONG)), ..State::default() };
        assert_eq!(stalls(over).unwrap(), "nothing ran for 2.0 s");
        State::time(&state, "nothing ran", || ());
        assert_eq!(stalls(state.into_inner().unwrap()), None);
    }

    #[test]
    fn the_watch_ends_with_its_holder() {
        let (looked, looks) = mpsc::channel();
        let stalls = Stalls::watch_by(move || looked.send(()).map_err(io::Error::other));
        looks.recv().unwrap();
        drop(stalls);
        // The sender is gone with the thread.
        while looks.recv().is_ok() {}
    }
}
