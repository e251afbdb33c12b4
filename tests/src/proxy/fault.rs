//! What the proxy does to a request and its answer.

use std::fmt;
use std::time::Duration;

/// Where in an answer a fault falls. It goes by the answer that comes, so that something of each is
/// missing behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Within its first line.
    Head,
    /// Between its head and what follows it.
    HeadEnd,
    /// Within what follows its head: half of the body, of its first chunk, or of the payload of an
    /// attached stream's first frame. Where nothing follows, before the last byte of the head.
    Within,
    /// Within the header of the first frame of an attached stream.
    FrameHeader,
    /// Between two frames of an attached stream: so many pass, and there is a further one.
    Frames(u32),
}

/// What the proxy does to a request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The connection is closed before the request is read: the client sees a reset.
    Refuse,
    /// The connection ends after the request; the engine never gets it.
    CutBeforeRequest,
    /// The connection ends at once; the engine gets the request this much later.
    CutThenLate(Duration),
    /// The connection ends at once; the engine gets the request when the proxy is told to release it.
    CutUntilReleased,
    /// The engine gets the request, and its whole answer is lost.
    CutAfterRequest,
    /// The engine gets the request, and no byte of its answer ever comes.
    Stall,
    /// The engine never gets the request, and no byte ever comes.
    StallBefore,
    /// The answer comes up to there, and then no byte ever comes.
    StallAt(Place),
    /// The answer comes later.
    Delay(Duration),
    /// The answer is status 500; the engine never gets the request.
    Status500,
    /// The engine carries the request out, and the answer is status 500.
    Status500After,
    /// The connection ends there.
    Truncate(Place),
    /// The answer ends there, and the other direction stays open.
    HalfClose(Place),
    /// The engine carries the request out, and what comes is no HTTP.
    Garbage,
    /// The answer comes twice.
    DuplicateReply,
}

impl Fault {
    /// Whether it falls between two frames of an attached stream.
    #[must_use]
    pub fn is_between_frames(self) -> bool {
        let (Self::StallAt(place) | Self::Truncate(place) | Self::HalfClose(place)) = self else {
            return false;
        };
        matches!(place, Place::Frames(_))
    }

    /// Whether it does something to every request, whatever the answer.
    pub(super) fn is_sure(self) -> bool {
        !matches!(
            self,
            Self::StallAt(_)
                | Self::Status500After
                | Self::Truncate(_)
                | Self::HalfClose(_)
                | Self::Garbage
                | Self::DuplicateReply
        )
    }

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
