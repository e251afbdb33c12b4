//! The signals that ask this process to end.

use std::io;

use longshore::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::engine;
use crate::failure::Failure;

/// So many leave no doubt that whoever sends them does not want to wait for anything.
const ENOUGH: u32 = 3;

/// The signals that ask this process to end: Ctrl-C, `SIGTERM`, `SIGHUP` and `SIGQUIT`.
#[derive(Debug)]
pub(crate) struct Signals {
    receiver: mpsc::UnboundedReceiver<Signal>,
    heard: u32,
}

impl Signals {
    /// Catches them: from here on none of them ends the process by itself. `SIGHUP` stays ignored
    /// where it is, since nohup(1) asks for just that. `SIGINT` and `SIGQUIT` are caught where a shell
    /// ignores them for its background jobs, too: whoever sends them there means this process.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
        if !ignores_hangup(&status) {
            kinds.push(SignalKind::hangup());
        }
        for kind in kinds {
            forward(kind, sender.clone()).map_err(|error| Failure::io("catch signals", &error))?;
        }
        Ok(Self { receiver, heard: 0 })
    }

    /// The signals that a test sends.
    #[cfg(test)]
    pub(crate) fn from_test() -> (mpsc::UnboundedSender<Signal>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self { receiver, heard: 0 })
    }

    /// The next one. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> Signal {
        match self.receiver.recv().await {
            Some(signal) => {
                self.heard = self.heard.saturating_add(1);
                signal
            }
            None => std::future::pending().await,
        }
    }

    /// Whether there were so many that nothing is to be waited for any more, not even a removal.
    pub(crate) fn are_enough(&self) -> bool {
        self.heard >= ENOUGH
    }

    /// Does a piece of work unless one of them comes first; the work is then dropped.
    pub(crate) async fn unless<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            done = work => done,
            signal = self.next() => Err(engine::cancelled(signal)),
        }
    }
}

fn forward(kind: SignalKind, to: mpsc::UnboundedSender<Signal>) -> io::Result<()> {
    let mut caught = signal(kind)?;
    let number = u8::try_from(kind.as_raw_value()).ok().and_then(Signal::from_number);
    let number = number.expect("the kernel's signals are 1 to 64");
    tokio::spawn(async move { while caught.recv().await.is_some() && to.send(number).is_ok() {} });
    Ok(())
}

/// Whether a process ignores `SIGHUP`, by its `/proc/PID/status`.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_seen() {
        assert!(ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }
}
