//! The signals that ask this process to end.

use std::io;

use longshore::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::engine;
use crate::failure::Failure;

/// The signals that ask this process to end: Ctrl-C, `SIGTERM`, `SIGHUP` and `SIGQUIT`.
///
/// From its making on, none of them ends the process by itself.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Catches them. `SIGHUP` stays ignored where it is, since nohup(1) asks for just that.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let catch = || -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                quit: signal(SignalKind::quit())?,
                hangup: if ignores_hangup(&status) {
                    None
                } else {
                    Some(signal(SignalKind::hangup())?)
                },
            })
        };
        catch().map_err(|error| Failure::io("catch signals", &error))
    }

    /// The next one. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> Signal {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let number = tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.quit.recv() => 3,
            _ = hangup => 1,
        };
        Signal::from_number(number).expect("1 to 64 are signals")
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
