//! The pool's state as a pure machine: an event in, actions out, no I/O and no clock.

mod event;
mod phase;

#[cfg(test)]
mod model;

pub(crate) use event::{Action, Asked, Order, Ticket};
pub(crate) use phase::SlotState;

use std::collections::VecDeque;

use phase::{Phase, Slot, Trouble};

/// How many slots there are, and what becomes of a placeholder after a lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Slots that there always are.
    pub(crate) min: usize,
    /// Slots that there are at most.
    pub(crate) max: usize,
    /// No placeholder is ever lent twice.
    pub(crate) use_once: bool,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Requests that found one free.
    pub(crate) hits: u64,
    /// Requests that found none.
    pub(crate) misses: u64,
    /// Placeholders that were made.
    pub(crate) made: u64,
    /// Attempts to make one that failed.
    pub(crate) failures: u64,
    /// Placeholders that died.
    pub(crate) died: u64,
    /// Placeholders that were replaced after a lease.
    pub(crate) recycled: u64,
    /// Slots that were added, and taken away, by demand.
    pub(crate) grown: u64,
    pub(crate) shrunk: u64,
}

/// How many slots are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) free: usize,
    pub(crate) in_use: usize,
    pub(crate) starting: usize,
    pub(crate) failed: usize,
    /// Being taken away. They do not count as slots any more.
    pub(crate) retiring: usize,
    pub(crate) waiting: usize,
}

/// The slots, those who wait for one, and how it came to this. `H` is what a slot holds.
#[derive(Debug)]
pub(crate) struct Table<H> {
    rules: Rules,
    slots: Vec<Slot<H>>,
    /// Free slots; the one that was used last is lent first.
    free: Vec<usize>,
    waiting: VecDeque<Waiting>,
    next_waiter: u64,
    /// The fewest free slots since the last tick.
    low_water: usize,
    closed: bool,
    pub(crate) counters: Counters,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    id: u64,
    changes: bool,
}

impl<H: Clone> Table<H> {
    /// `rules.min` slots, each to be started by a worker.
    pub(crate) fn new(rules: Rules) -> (Self, Vec<Action<H>>) {
        let rules = Rules { max: rules.max.max(rules.min), ..rules };
        let mut table = Self {
            rules,
            slots: (0..rules.max).map(|_| Slot::new()).collect(),
            free: Vec::with_capacity(rules.max),
            waiting: VecDeque::new(),
            next_waiter: 0,
            low_water: 0,
            closed: false,
            counters: Counters::default(),
        };
        let begun = (0..rules.min).map(|slot| table.begin(slot)).collect();
        (table, begun)
    }

    fn begin(&mut self, slot: usize) -> Action<H> {
        // What its last placeholder died of is of no interest any more.
        self.slots[slot].error = None;
        self.slots[slot].phase = Phase::Starting;
        Action::Begin(slot)
    }

    /// Somebody wants one, and would wait for it or not.
    pub(crate) fn ask(&mut self, changes: bool, waits: bool) -> (Asked<H>, Option<Action<H>>) {
        if let Some(slot) = self.free.pop() {
            self.low_water = self.low_water.min(self.free.len());
            self.counters.hits += 1;
            return match self.lend(slot, changes) {
                Some((ticket, held)) => (Asked::Granted(ticket, held), None),
                // What is on the free list holds something: nothing else was ever put there.
                None => (Asked::Refused, None),
            };
        }
        if self.closed {
            return (Asked::Closed, None);
        }
        self.counters.misses += 1;
        let grown = self.grow(self.waiting.len() + 1);
        if !waits {
            return (Asked::Refused, grown);
        }
        self.next_waiter += 1;
        let id = self.next_waiter;
        self.waiting.push_back(Waiting { id, changes });
        (Asked::Queued(id), grown)
    }

    /// One more slot, if those that are being made are not enough for so many who want one. Whoever
    /// finds none because all others are being taken away has one when the first of them is gone.
    fn grow(&mut self, wanted: usize) -> Option<Action<H>> {
        if self.census().starting >= wanted {
            return None;
        }
        // None is empty where there are as many as there may be.
        let slot = self.slots.iter().position(|slot| matches!(slot.phase, Phase::Empty))?;
        self.counters.grown += 1;
        Some(self.begin(slot))
    }

    fn lend(&mut self, number: usize, changes: bool) -> Option<(Ticket, H)> {
        let slot = &mut self.slots[number];
        let Phase::Free(held) = &slot.phase else { return None };
        let held = held.clone();
        slot.generation += 1;
        // Kept by the slot as well: what is in use can be looked at.
        let recycle = changes || self.rules.use_once;
        slot.phase = Phase::InUse { held: held.clone(), recycle };
        Some((Ticket { slot: number, generation: slot.generation }, held))
    }

    /// Makes a slot free, or lends it to the one who waits longest.
    fn offer(&mut self, number: usize, held: H) -> Option<Action<H>> {
        self.slots[number].phase = Phase::Free(held);
        if let Some(waiting) = self.waiting.pop_front() {
            let (ticket, held) = self.lend(number, waiting.changes)?;
            return Some(Action::Grant(waiting.id, ticket, held));
        }
        self.free.push(number);
        None
    }

    /// A lease ends. One that is not the slot's present lease has no effect.
    pub(crate) fn put_back(&mut self, ticket: Ticket) -> Option<Action<H>> {
        let slot = &mut self.slots[ticket.slot];
        if slot.generation != ticket.generation {
            return None;
        }
        let Phase::InUse { held, recycle } = &slot.phase else { return None };
        if *recycle {
            self.counters.recycled += 1;
            slot.phase = Phase::Starting;
            return Some(Action::Nudge(ticket.slot));
        }
        let held = held.clone();
        self.offer(ticket.slot, held)
    }

    /// A waiter gives up.
    pub(crate) fn leave(&mut self, id: u64) {
        self.waiting.retain(|waiting| waiting.id != id);
    }

    /// What a slot's worker is to do with the placeholder that it holds.
    pub(crate) fn order(&self, slot: usize) -> Order {
        match self.slots[slot].phase {
            Phase::Free(_) | Phase::InUse { .. } => Order::Keep,
            Phase::Starting | Phase::Failed => Order::Replace,
            Phase::Retiring | Phase::Empty => Order::Retire,
        }
    }

    /// A slot's placeholder is ready. Ignored if the slot is being taken away.
    pub(crate) fn ready(&mut self, slot: usize, held: H) -> Option<Action<H>> {
        self.counters.made += 1;
        if !matches!(self.slots[slot].phase, Phase::Starting) {
            return None;
        }
        self.slots[slot].made += 1;
        self.slots[slot].error = None;
        self.offer(slot, held)
    }

    /// A slot's placeholder could not be made.
    pub(crate) fn failed(&mut self, slot: usize, error: String) {
        self.counters.failures += 1;
        let trouble = self.trouble(error);
        let slot = &mut self.slots[slot];
        slot.error = Some(trouble);
        if matches!(slot.phase, Phase::Starting) {
            slot.phase = Phase::Failed;
        }
    }

    fn trouble(&self, text: String) -> Trouble {
        Trouble { number: self.counters.failures + self.counters.died, text }
    }

    /// A failed slot is tried again.
    pub(crate) fn retry(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        if matches!(slot.phase, Phase::Failed) {
            slot.phase = Phase::Starting;
        }
    }

    /// A slot's placeholder died, free or in use. `soon`: so soon that making another at once
    /// would be of no use.
    pub(crate) fn died(&mut self, number: usize, why: String, soon: bool) {
        self.counters.died += 1;
        let trouble = self.trouble(why);
        let slot = &mut self.slots[number];
        slot.error = Some(trouble);
        if matches!(slot.phase, Phase::Retiring | Phase::Empty) {
            return;
        }
        let was_free = matches!(slot.phase, Phase::Free(_));
        slot.phase = if soon { Phase::Failed } else { Phase::Starting };
        if was_free {
            self.free.retain(|free| *free != number);
            self.low_water = self.low_water.min(self.free.len());
        }
    }

    /// A slot that was being taken away is gone. It is begun anew for one who came meanwhile.
    pub(crate) fn gone(&mut self, number: usize) -> Option<Action<H>> {
        self.free.retain(|free| *free != number);
        self.slots[number].phase = Phase::Empty;
        if self.closed { None } else { self.grow(self.waiting.len()) }
    }

    /// A period has passed: what was free all the time is more than is needed.
    pub(crate) fn tick(&mut self) -> Vec<Action<H>> {
        let census = self.census();
        let size = census.free + census.in_use + census.starting + census.failed;
        let spare = self.low_water.min(size.saturating_sub(self.rules.min)).min(self.free.len());
        // The first on the list are those that were not used for longest.
        let retired: Vec<usize> = self.free.drain(..spare).collect();
        self.low_water = self.free.len();
        self.counters.shrunk += retired.len() as u64;
        retired.into_iter().map(|slot| self.retire(slot)).collect()
    }

    fn retire(&mut self, slot: usize) -> Action<H> {
        self.slots[slot].phase = Phase::Retiring;
        Action::Nudge(slot)
    }

    /// Takes all slots away and refuses those who wait. It is idempotent.
    pub(crate) fn close(&mut self) -> Vec<Action<H>> {
        self.closed = true;
        self.free.clear();
        let mut actions: Vec<_> =
            self.waiting.drain(..).map(|waiting| Action::Refuse(waiting.id)).collect();
        for slot in 0..self.slots.len() {
            if !matches!(self.slots[slot].phase, Phase::Empty | Phase::Retiring) {
                actions.push(self.retire(slot));
            }
        }
        actions
    }

    /// Whether it is closed and every slot is gone.
    pub(crate) fn is_done(&self) -> bool {
        self.closed && self.slots.iter().all(|slot| matches!(slot.phase, Phase::Empty))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn census(&self) -> Census {
        let mut census = Census { waiting: self.waiting.len(), ..Census::default() };
        for slot in &self.slots {
            match slot.phase {
                Phase::Free(_) => census.free += 1,
                Phase::InUse { .. } => census.in_use += 1,
                Phase::Starting => census.starting += 1,
                Phase::Failed => census.failed += 1,
                Phase::Retiring => census.retiring += 1,
                Phase::Empty => {}
            }
        }
        census
    }

    /// The slots that there are, with what is known of each.
    pub(crate) fn slots(&self) -> Vec<SlotState<H>> {
        let there = |(number, slot): (usize, &Slot<H>)| slot.state(number);
        self.slots.iter().enumerate().filter_map(there).collect()
    }
}
