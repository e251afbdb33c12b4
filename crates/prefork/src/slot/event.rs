//! What goes into the machine and comes out of it.

/// A lease of a slot: this one and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    pub(crate) slot: usize,
    /// Grows with each lease of the slot.
    pub(crate) generation: u64,
}

/// The answer to one who wants a slot.
#[derive(Debug)]
pub(crate) enum Asked<H> {
    /// Here it is.
    Granted(Ticket, H),
    /// To be waited for, under this number.
    Queued(u64),
    /// None is free.
    Refused,
    /// There will be none any more.
    Closed,
}

/// What the shell has to do, after the machine was asked.
#[derive(Debug)]
pub(crate) enum Action<H> {
    /// Set a worker to this slot.
    Begin(usize),
    /// Tell the slot's worker that its order has changed.
    Nudge(usize),
    /// Give a lease to this waiter. One who is gone gives it back.
    Grant(u64, Ticket, H),
    /// Tell this waiter that there will be none.
    Refuse(u64),
}

/// What a worker does with the placeholder that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on watching it.
    Keep,
    /// Remove it and make another.
    Replace,
    /// Remove it and end.
    Retire,
}
