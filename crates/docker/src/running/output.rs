//! The task's output, from the wire to the caller's writers.
//!
//! Both streams come over one connection. Each has a buffer of its own, so that a writer that is
//! slow for a while does not hold the other stream up; one that stays behind holds both, and then
//! the task.

use std::time::Duration;

use longshore_driver_api::{OutputReport, StreamEnd};
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

use super::sink::Sink;
use crate::client::demux::{Channel, Demux};
use crate::client::error::ClientError;

/// How long the connection may be silent once the task has ended: the engine closes it at the
/// task's end. Whether more would have come of one that stays open is not known.
pub(super) const SILENT: Duration = Duration::from_secs(3);

/// How long output that is there already may take to reach the caller's writers once nobody waits
/// for it any more.
pub(crate) const LAST_CALL: Duration = Duration::from_millis(250);

/// What the pump is told while it works.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    /// The task was asked to end. The engine does not tell its end before everything is read that
    /// it holds of the output: so much is read ahead of a writer that stays behind.
    pub(crate) asked: CancellationToken,
    /// The task was killed: a writer that does not take anything is given up.
    pub(crate) hurry: CancellationToken,
    /// The task has ended: what is still to come comes at once.
    pub(crate) exited: CancellationToken,
    /// Nobody waits for the rest any more.
    pub(crate) abandon: CancellationToken,
    /// Told by the pump: a stream went beyond its limit.
    pub(crate) over_limit: CancellationToken,
}

/// The output of a task.
#[derive(Debug)]
pub(crate) struct Output {
    /// Standard output, or the terminal.
    pub(crate) stdout: Sink,
    /// Standard error.
    pub(crate) stderr: Sink,
    /// It comes by way of a relay, which has bounds of its own and ends by itself.
    pub(crate) relayed: bool,
}

/// How reading from the wire ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// Between two frames.
    Closed,
    /// Inside a frame, or by an error of the connection.
    Cut,
    /// It was given up: nobody waited for more, or it was silent for long after the task's end.
    Abandoned,
}

impl Output {
    /// Moves bytes until the wire ends and everything is with the caller, or until that is given
    /// up. Returns what became of the streams and how reading ended.
    pub(crate) async fn pump<R: AsyncRead + Unpin>(
        mut self,
        wire: R,
        tty: bool,
        signals: Signals,
    ) -> (OutputReport, ReadEnd) {
        let mut wire = Demux::new(wire, tty);
        let mut end = None;
        while end.is_none() || !self.stdout.is_empty() || !self.stderr.is_empty() {
            let ahead = signals.asked.is_cancelled() || signals.hurry.is_cancelled();
            let room = self.stdout.has_room(ahead) && self.stderr.has_room(ahead);
            let reading = end.is_none() && room;
            let drained = self.stdout.is_empty() && self.stderr.is_empty();
            tokio::select! {
                biased;
                () = signals.abandon.cancelled() => {
                    end = Some(ReadEnd::Abandoned);
                    break;
                }
                () = self.stdout.step(), if !self.stdout.is_empty() => {}
                () = self.stderr.step(), if !self.stderr.is_empty() => {}
                piece = wire.next(), if reading => match piece {
                    Ok(Some((Channel::Stdout, bytes))) => {
                        if self.stdout.put(bytes) {
                            signals.over_limit.cancel();
                        }
                    }
                    Ok(Some((Channel::Stderr, bytes))) => {
                        if self.stderr.put(bytes) {
                            signals.over_limit.cancel();
                        }
                    }
                    Ok(None) => end = Some(ReadEnd::Closed),
                    Err(error) => {
                        log_broken(&error);
                        end = Some(ReadEnd::Cut);
                    }
                },
                () = signals.asked.cancelled(), if !ahead => {}
                () = stalled(&signals.hurry), if !drained => {
                    self.stdout.give_up();
                    self.stderr.give_up();
                }
                // Starts anew with each piece: it is the silence that counts.
                () = silence(&signals.exited), if reading && drained && !self.relayed => {
                    let between = wire.is_between_frames();
                    end = Some(if between { ReadEnd::Abandoned } else { ReadEnd::Cut });
                }
            }
        }
        let read = end.unwrap_or(ReadEnd::Closed);
        let stream = match read {
            ReadEnd::Closed => StreamEnd::Unverified,
            ReadEnd::Cut => StreamEnd::Cut,
            ReadEnd::Abandoned => StreamEnd::Abandoned,
        };
        (OutputReport::new(self.stdout.report(stream), self.stderr.report(stream)), read)
    }
}

/// Starts anew with each step: it is the standstill that counts.
async fn stalled(hurry: &CancellationToken) {
    hurry.cancelled().await;
    tokio::time::sleep(LAST_CALL).await;
}

async fn silence(exited: &CancellationToken) {
    exited.cancelled().await;
    tokio::time::sleep(SILENT).await;
}

fn log_broken(error: &ClientError) {
    tracing::debug!(%error, "the output of a task broke off");
}

#[cfg(test)]
mod tests;
