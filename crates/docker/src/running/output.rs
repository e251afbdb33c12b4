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

/// How long the connection may be silent once the task has ended. The engine closes it at the
/// task's end; some leave it open.
const SILENT: Duration = Duration::from_secs(3);

/// What the pump is told while it works.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    /// The task has ended: what is still to come comes at once.
    pub(super) exited: CancellationToken,
    /// Nobody waits for the rest any more.
    pub(super) abandon: CancellationToken,
    /// Told by the pump: a stream went beyond its limit.
    pub(super) over_limit: CancellationToken,
}

/// The output of a task.
#[derive(Debug)]
pub(super) struct Output {
    /// Standard output, or the terminal.
    pub(super) stdout: Sink,
    /// Standard error.
    pub(super) stderr: Sink,
}

/// How reading from the wire ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadEnd {
    /// Between two frames.
    Closed,
    /// Inside a frame, or by an error of the connection.
    Cut,
    /// It was given up.
    Abandoned,
}

impl Output {
    /// Moves bytes until the wire ends and everything is with the caller, or until that is given
    /// up. Returns what became of the streams and how reading ended.
    pub(super) async fn pump<R: AsyncRead + Unpin>(
        mut self,
        wire: R,
        tty: bool,
        signals: Signals,
    ) -> (OutputReport, ReadEnd) {
        let mut wire = Demux::new(wire, tty);
        let mut end = None;
        while end.is_none() || !self.stdout.is_empty() || !self.stderr.is_empty() {
            let reading = end.is_none() && self.stdout.has_room() && self.stderr.has_room();
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
                // Starts anew with each piece: it is the silence that counts.
                () = silence(&signals.exited), if reading && drained => {
                    end = Some(ReadEnd::Closed);
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

async fn silence(exited: &CancellationToken) {
    exited.cancelled().await;
    tokio::time::sleep(SILENT).await;
}

fn log_broken(error: &ClientError) {
    tracing::debug!(%error, "the output of a task broke off");
}

#[cfg(test)]
mod tests;
