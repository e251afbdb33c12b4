//! One slot.

use crate::SlotPhase;

/// Where a slot is.
#[derive(Debug)]
pub(super) enum Phase<H> {
    /// There is no such slot.
    Empty,
    /// Its placeholder is being made, or replaced.
    Starting,
    /// To be lent.
    Free(H),
    /// Lent.
    InUse {
        held: H,
        /// Nobody may have it after this lease.
        recycle: bool,
    },
    /// Its placeholder could not be made; it is tried again later.
    Failed,
    /// It is being taken away.
    Retiring,
}

/// What went wrong with a slot. The last of all slots is the greatest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trouble {
    /// Counts all that went wrong, whichever slot it was.
    pub(crate) number: u64,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(super) struct Slot<H> {
    pub(super) phase: Phase<H>,
    /// The number of the last lease.
    pub(super) generation: u64,
    /// How many placeholders it has had.
    pub(super) made: u64,
    /// What went wrong last, if it has not gone well since.
    pub(super) error: Option<Trouble>,
}

/// What is known of a slot.
#[derive(Debug)]
pub(crate) struct SlotState<H> {
    pub(crate) number: usize,
    pub(crate) phase: SlotPhase,
    pub(crate) held: Option<H>,
    pub(crate) generation: u64,
    pub(crate) made: u64,
    pub(crate) error: Option<Trouble>,
}

impl<H: Clone> Slot<H> {
    pub(super) fn new() -> Self {
        Self { phase: Phase::Empty, generation: 0, made: 0, error: None }
    }

    pub(super) fn state(&self, number: usize) -> Option<SlotState<H>> {
        let (phase, held) = match &self.phase {
            Phase::Empty => return None,
            Phase::Starting => (SlotPhase::Starting, None),
            Phase::Free(held) => (SlotPhase::Free, Some(held.clone())),
            Phase::InUse { held, .. } => (SlotPhase::InUse, Some(held.clone())),
            Phase::Failed => (SlotPhase::Failed, None),
            Phase::Retiring => (SlotPhase::Retiring, None),
        };
        let (generation, made) = (self.generation, self.made);
        Some(SlotState { number, phase, held, generation, made, error: self.error.clone() })
    }
}
