//! Where leases are handed out and come back: the machine behind a lock, and those who wait.

#[cfg(test)]
mod orders;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use longshore_driver_api::{Error, ErrorKind};
use tokio::sync::{Notify, oneshot, watch};

use crate::lease::{Held, Lease};
use crate::slot::{Action, Asked, Census, Counters, Order, Rules, SlotState, Table, Ticket};
use crate::sync::{Mutex, turn};

/// Sets a worker to a slot.
type Begin = Box<dyn Fn(usize) + Send + Sync>;

/// The machine behind a lock. What it asks for is done after the lock is given up.
pub(crate) struct Desk {
    state: Mutex<State>,
    nudges: Vec<Notify>,
    done: watch::Sender<bool>,
    begin: std::sync::OnceLock<Begin>,
}

struct State {
    table: Table<Arc<Held>>,
    waiting: HashMap<u64, oneshot::Sender<Lease>>,
    why_closed: &'static str,
}

/// What one who asks gets.
pub(crate) enum Answer {
    Lease(Lease),
    Wait(Place),
    Empty,
}

/// A place among those who wait. Dropping it leaves the queue; what was handed out meanwhile comes
/// back by itself.
pub(crate) struct Place {
    desk: Arc<Desk>,
    id: u64,
    handed: oneshot::Receiver<Lease>,
}

/// What is done once the lock is given up.
enum Effect {
    Begin(usize),
    Nudge(usize),
    Hand(oneshot::Sender<Lease>, Lease),
    Refuse(oneshot::Sender<Lease>),
}

impl Desk {
    /// A desk for as many slots as `rules` say, and those to begin with.
    pub(crate) fn new(rules: Rules) -> (Arc<Self>, Vec<usize>) {
        let (table, begun) = Table::new(rules);
        let slots = rules.max.max(rules.min);
        let desk = Self {
            state: Mutex::new(State { table, waiting: HashMap::new(), why_closed: CLOSED }),
            nudges: (0..slots).map(|_| Notify::new()).collect(),
            done: watch::Sender::new(false),
            begin: std::sync::OnceLock::new(),
        };
        let begun = begun.into_iter().filter_map(|action| match action {
            Action::Begin(slot) => Some(slot),
            _ => None,
        });
        let begun = begun.collect();
        (Arc::new(desk), begun)
    }

    /// Says how a slot gets a worker. Once, before anybody asks.
    pub(crate) fn begin_by(&self, begin: impl Fn(usize) + Send + Sync + 'static) {
        let _ = self.begin.set(Box::new(begin));
    }

    /// One lease, or a place in the queue, or neither.
    pub(crate) fn ask(self: &Arc<Self>, changes: bool, waits: bool) -> Result<Answer, Error> {
        let mut state = self.state.lock();
        let (asked, action) = state.table.ask(changes, waits);
        let answer = match asked {
            Asked::Granted(ticket, held) => {
                drop(state);
                return Ok(Answer::Lease(Lease::new(Arc::clone(self), ticket, held)));
            }
            Asked::Queued(id) => {
                let (hand, handed) = oneshot::channel();
                state.waiting.insert(id, hand);
                Ok(Answer::Wait(Place { desk: Arc::clone(self), id, handed }))
            }
            Asked::Refused => Ok(Answer::Empty),
            Asked::Closed => Err(closed(state.why_closed)),
        };
        let effect = action.and_then(|action| self.effect(&mut state, action));
        drop(state);
        self.carry_out(effect);
        answer
    }

    /// A lease ends.
    pub(crate) fn put_back(self: &Arc<Self>, ticket: Ticket) {
        self.change(|table| table.put_back(ticket));
    }

    fn leave(&self, id: u64) {
        let mut state = self.state.lock();
        state.table.leave(id);
        let gone = state.waiting.remove(&id);
        drop(state);
        drop(gone);
    }

    pub(crate) fn ready(self: &Arc<Self>, slot: usize, held: Arc<Held>) {
        self.change(|table| table.ready(slot, held));
    }

    pub(crate) fn failed(&self, slot: usize, error: String) {
        self.state.lock().table.failed(slot, error);
    }

    pub(crate) fn retry(&self, slot: usize) {
        self.state.lock().table.retry(slot);
    }

    pub(crate) fn died(&self, slot: usize, why: String, soon: bool) {
        self.state.lock().table.died(slot, why, soon);
    }

    /// A slot's worker has ended, and its placeholder is gone or out of its hands.
    pub(crate) fn gone(self: &Arc<Self>, slot: usize) {
        let done = self.change_all(|state| {
            let begun = state.table.gone(slot);
            (begun, state.table.is_done())
        });
        self.say_done(done);
    }

    pub(crate) fn tick(self: &Arc<Self>) {
        self.change(Table::tick);
    }

    /// Takes all slots away and refuses those who wait, for this reason.
    pub(crate) fn close(self: &Arc<Self>, why: &'static str) {
        let done = self.change_all(|state| {
            if !state.table.is_closed() {
                state.why_closed = why;
            }
            let actions = state.table.close();
            (actions, state.table.is_done())
        });
        self.say_done(done);
    }

    /// Once it is done it stays so: whoever saw it earlier and comes here later says nothing.
    fn say_done(&self, done: bool) {
        turn();
        if done {
            self.done.send_replace(true);
        }
    }

    /// Waits until it is closed and every slot is gone.
    pub(crate) async fn done(&self) {
        turn();
        // The sender is in `self`.
        let _ = self.done.subscribe().wait_for(|done| *done).await;
    }

    pub(crate) fn order(&self, slot: usize) -> Order {
        self.state.lock().table.order(slot)
    }

    /// Waits until a slot's order may have changed.
    pub(crate) async fn nudged(&self, slot: usize) {
        turn();
        self.nudges[slot].notified().await;
    }

    pub(crate) fn look(&self) -> (Census, Counters, Vec<SlotState<Arc<Held>>>) {
        let state = self.state.lock();
        (state.table.census(), state.table.counters, state.table.slots())
    }

    fn change<A: IntoIterator<Item = Action<Arc<Held>>>>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Table<Arc<Held>>) -> A,
    ) {
        self.change_all(|state| (change(&mut state.table), ()));
    }

    fn change_all<A: IntoIterator<Item = Action<Arc<Held>>>, T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut State) -> (A, T),
    ) -> T {
        let mut state = self.state.lock();
        let (actions, value) = change(&mut state);
        // Allocates only if there is something to do.
        let effects: Vec<Effect> =
            actions.into_iter().filter_map(|action| self.effect(&mut state, action)).collect();
        drop(state);
        self.carry_out(effects);
        value
    }

    /// What an action means, for one who is in the queue as long as the lock is held.
    fn effect(self: &Arc<Self>, state: &mut State, action: Action<Arc<Held>>) -> Option<Effect> {
        Some(match action {
            Action::Begin(slot) => Effect::Begin(slot),
            Action::Nudge(slot) => Effect::Nudge(slot),
            Action::Grant(id, ticket, held) => {
                let hand = state.waiting.remove(&id)?;
                Effect::Hand(hand, Lease::new(Arc::clone(self), ticket, held))
            }
            Action::Refuse(id) => Effect::Refuse(state.waiting.remove(&id)?),
        })
    }

    fn carry_out(&self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            turn();
            match effect {
                Effect::Begin(slot) => {
                    if let Some(begin) = self.begin.get() {
                        begin(slot);
                    }
                }
                Effect::Nudge(slot) => self.nudges[slot].notify_one(),
                // One who is gone drops it, which gives it to the next.
                Effect::Hand(hand, lease) => drop(hand.send(lease)),
                Effect::Refuse(hand) => drop(hand),
            }
        }
    }

    fn closed_error(&self) -> Error {
        closed(self.state.lock().why_closed)
    }
}

pub(crate) const CLOSED: &str = "the pool is closed";

fn closed(why: &str) -> Error {
    Error::new(ErrorKind::Closed, "lease").message(why)
}

impl Place {
    /// Waits for a lease. Dropping the future leaves the queue.
    pub(crate) async fn handed(&mut self) -> Result<Lease, Error> {
        turn();
        match (&mut self.handed).await {
            Ok(lease) => Ok(lease),
            Err(_) => Err(self.desk.closed_error()),
        }
    }

    /// Leaves the queue; a lease that was handed out in the last moment is still good.
    pub(crate) fn give_up(mut self) -> Option<Lease> {
        self.desk.leave(self.id);
        turn();
        self.handed.try_recv().ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.desk.leave(self.id);
        // What was handed out is dropped with the field.
        turn();
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("census", &self.look().0).finish_non_exhaustive()
    }
}
