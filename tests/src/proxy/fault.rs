//! What the proxy does to a request and its answer.

use std::fmt;
use std::time::Duration;

/// What the proxy does to a request and its answer.
///
/// A number of bytes counts from the first of the answer, head included, unless it says otherwise.
/// An answer that is shorter passes whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The connection is closed before the request is read: the client sees a reset.
    Refuse,
    /// The connection ends after the request; the engine never gets it.
    CutBeforeRequest,
    /// The connection ends at once; the engine gets the request this much later.
    CutThenLate(Duration),
    /// The engine gets the request, and its whole answer is lost.
    CutAfterRequest,
    /// The engine gets the request, and no byte of its answer ever comes.
    Stall,
    /// The engine never gets the request, and no byte ever comes.
    StallBefore,
    /// So many bytes of the answer pass, and then none ever comes.
    StallAfter(u64),
    /// The answer comes later.
    Delay(Duration),
    /// The answer is status 500; the engine never gets the request.
    Status500,
    /// The engine carries the request out, and the answer is status 500.
    Status500After,
    /// The connection ends after so many bytes of the answer.
    TruncateReply(u64),
    /// The answer ends after so many bytes, and the other direction stays open.
    HalfClose(u64),
    /// The connection ends after so many bytes of what follows the answer's head: within a frame of
    /// an attached stream, or within a body.
    CutStream(u64),
    /// The engine carries the request out, and what comes is no HTTP.
    Garbage,
    /// The answer comes twice.
    DuplicateReply,
}

impl Fault {
    /// Whether the engine may have done what it was asked for although the client was told nothing,
    /// or something else.
    #[must_use]
    pub fn may_be_done(self) -> bool {
        !matches!(self, Self::Refuse | Self::CutBeforeRequest | Self::StallBefore | Self::Status500)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
