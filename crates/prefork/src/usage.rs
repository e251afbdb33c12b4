//! What can be seen of a pool.

use serde::Serialize;

/// Where a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SlotPhase {
    /// Its placeholder is being made, or replaced.
    Starting,
    /// To be lent.
    Free,
    /// Lent.
    InUse,
    /// Its placeholder could not be made. It is tried again, less and less often.
    Failed,
    /// It is being taken away.
    Retiring,
}

impl SlotPhase {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Free => "free",
            Self::InUse => "in use",
            Self::Failed => "failed",
            Self::Retiring => "retiring",
        }
    }
}

/// How a pool is at one moment, and what happened in it so far.
///
/// `free + in_use + starting + failed` is its size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Slots to be lent.
    pub free: usize,
    /// Slots that are lent.
    pub in_use: usize,
    /// Slots whose placeholder is being made or replaced.
    pub starting: usize,
    /// Slots whose placeholder could not be made.
    pub failed: usize,
    /// Slots that are being taken away; they count no more.
    pub retiring: usize,
    /// Requests that wait for a slot.
    pub waiting: usize,
    /// Requests that found a free slot.
    pub hits: u64,
    /// Requests that found none.
    pub misses: u64,
    /// Placeholders that were made.
    pub made: u64,
    /// Attempts to make a placeholder that failed.
    pub failures: u64,
    /// Placeholders that died by themselves.
    pub died: u64,
    /// Placeholders that were replaced after their lease.
    pub recycled: u64,
    /// Slots that were added by demand.
    pub grown: u64,
    /// Slots that were taken away for want of demand.
    pub shrunk: u64,
    /// What went wrong last, of all slots for which it has not gone well since.
    pub last_error: Option<String>,
}

impl Usage {
    /// How many slots there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.free + self.in_use + self.starting + self.failed
    }

    /// The part of the requests that found a free slot, from 0 to 1. `None` before the first.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        // Exact up to 2^53 requests.
        (all > 0).then(|| self.hits as f64 / all as f64)
    }
}

/// How a slot is at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SlotView {
    /// Its number.
    pub number: usize,
    /// Where it is.
    pub phase: SlotPhase,
    /// The network that its placeholder is on.
    pub network: String,
    /// Its placeholder, in the backend's words.
    pub holder: Option<String>,
    /// How often it was lent.
    pub generation: u64,
    /// How many placeholders it has had.
    pub made: u64,
    /// What went wrong last, if it has not gone well since.
    pub error: Option<String>,
}
