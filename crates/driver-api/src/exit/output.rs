//! What became of a task's output.

use serde::Serialize;

/// How the delivery of a stream ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamEnd {
    /// The caller did not want the stream; nothing is known of it.
    #[default]
    NotAttached,
    /// The engine marked the end, or proves it: every byte that the task wrote was read.
    Complete,
    /// The stream ended with the container, and the engine gives no mark that proves it whole.
    Unverified,
    /// The connection ended while the task could still write.
    Cut,
    /// The driver gave up before the end: the task was cancelled, timed out or closed while the
    /// reader did not read, or something outlived the task with the stream still open.
    Abandoned,
    /// The caller's writer failed; what came after was read, counted and thrown away.
    WriterFailed,
}

/// What became of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct StreamReport {
    /// How it ended.
    pub end: StreamEnd,
    /// Bytes that the caller's writer took.
    pub delivered: u64,
    /// Bytes that were read and thrown away: beyond the limit, or after the writer failed.
    pub discarded: u64,
}

impl StreamReport {
    /// A stream that ended so, with these bytes.
    #[must_use]
    pub const fn new(end: StreamEnd, delivered: u64, discarded: u64) -> Self {
        Self { end, delivered, discarded }
    }

    /// Whether bytes that the task wrote may be missing, other than those beyond the limit.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        matches!(self.end, StreamEnd::Cut | StreamEnd::Abandoned | StreamEnd::WriterFailed)
    }
}

/// What became of a task's output streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct OutputReport {
    /// Its stdout, or all of its output if it has a terminal.
    pub stdout: StreamReport,
    /// Its stderr.
    pub stderr: StreamReport,
}

impl OutputReport {
    /// What became of both.
    #[must_use]
    pub const fn new(stdout: StreamReport, stderr: StreamReport) -> Self {
        Self { stdout, stderr }
    }

    /// Whether bytes that the task wrote may be missing, other than those beyond the limit.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.stdout.is_incomplete() || self.stderr.is_incomplete()
    }
}
