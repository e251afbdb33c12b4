//! Random histories of the machine against what must always hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Action, Asked, Order, Rules, Table, Ticket};

/// A placeholder: a number that no other has.
type Holder = u64;

#[derive(Debug, Clone)]
enum Step {
    Ask {
        changes: bool,
        waits: bool,
    },
    PutBack(prop::sample::Index),
    PutBackAgain(prop::sample::Index),
    Leave(prop::sample::Index),
    Work {
        slot: prop::sample::Index,
        goes_well: bool,
        soon: bool,
    },
    Tick,
    /// All goes well for two periods: what is not needed begins to be taken away.
    Idle,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        8 => (any::<bool>(), any::<bool>()).prop_map(|(changes, waits)| Step::Ask { changes, waits }),
        8 => index().prop_map(Step::PutBack),
        2 => index().prop_map(Step::PutBackAgain),
        2 => index().prop_map(Step::Leave),
        16 => (index(), prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(slot, goes_well, soon)| Step::Work { slot, goes_well, soon }),
        4 => Just(Step::Tick),
        4 => Just(Step::Idle),
    ]
}

/// Most histories are of an open pool; some are closed on the way.
fn history() -> impl Strategy<Value = Vec<Step>> {
    (
        prop::collection::vec(step(), 0..200),
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
    )
        .prop_map(|(mut steps, closes)| {
            if let Some(at) = closes {
                steps.insert(at.index(steps.len() + 1), Step::Close);
            }
            steps
        })
}

/// A slot's worker, as the real one behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Worker {
    None,
    Making,
    Holding(Holder),
    BackingOff,
}

struct World {
    table: Table<Holder>,
    rules: Rules,
    workers: Vec<Worker>,
    leases: Vec<(Ticket, Holder)>,
    ended: Vec<Ticket>,
    waiting: BTreeSet<u64>,
    generations: BTreeMap<usize, u64>,
    /// Placeholders that nobody may be given any more.
    spent: BTreeSet<Holder>,
    next: Holder,
}

impl World {
    fn new(rules: Rules) -> Self {
        let (table, begun) = Table::new(rules);
        let mut world = Self {
            table,
            rules,
            workers: vec![Worker::None; rules.max],
            leases: Vec::new(),
            ended: Vec::new(),
            waiting: BTreeSet::new(),
            generations: BTreeMap::new(),
            spent: BTreeSet::new(),
            next: 0,
        };
        for action in begun {
            world.carry_out(&action, &BTreeSet::new());
        }
        world
    }

    fn carry_out(&mut self, action: &Action<Holder>, changing: &BTreeSet<u64>) {
        match *action {
            Action::Begin(slot) => {
                assert_eq!(self.workers[slot], Worker::None, "two workers for one slot");
                self.workers[slot] = Worker::Making;
            }
            Action::Nudge(_) => {}
            Action::Grant(id, ticket, holder) => {
                assert!(self.waiting.remove(&id), "granted to one who does not wait");
                self.granted(ticket, holder, changing.contains(&id));
            }
            Action::Refuse(id) => assert!(self.waiting.remove(&id)),
        }
    }

    fn granted(&mut self, ticket: Ticket, holder: Holder, changes: bool) {
        assert!(!self.spent.contains(&holder), "lent what nobody may have any more");
        assert!(self.leases.iter().all(|(_, other)| *other != holder), "lent twice at once");
        assert_eq!(self.workers[ticket.slot], Worker::Holding(holder), "lent what is not there");
        let last = self.generations.insert(ticket.slot, ticket.generation).unwrap_or(0);
        assert!(ticket.generation > last, "a generation did not grow");
        if changes || self.rules.use_once {
            self.spent.insert(holder);
        }
        self.leases.push((ticket, holder));
    }

    fn step(&mut self, step: &Step, changing: &mut BTreeSet<u64>) {
        let actions = match step {
            Step::Ask { changes, waits } => {
                let (asked, action) = self.table.ask(*changes, *waits);
                match asked {
                    Asked::Granted(ticket, holder) => self.granted(ticket, holder, *changes),
                    Asked::Queued(id) => {
                        assert!(*waits && self.waiting.insert(id));
                        if *changes {
                            changing.insert(id);
                        }
                    }
                    Asked::Refused => assert!(!*waits),
                    Asked::Closed => assert!(self.table.is_closed()),
                }
                action.into_iter().collect()
            }
            Step::PutBack(which) if !self.leases.is_empty() => {
                let (ticket, _) = self.leases.swap_remove(which.index(self.leases.len()));
                self.ended.push(ticket);
                self.table.put_back(ticket).into_iter().collect()
            }
            Step::PutBackAgain(which) if !self.ended.is_empty() => {
                let before = self.table.census();
                let again = self.table.put_back(*which.get(&self.ended));
                assert!(again.is_none(), "a lease was given back twice");
                assert_eq!(self.table.census(), before);
                Vec::new()
            }
            Step::Leave(which) if !self.waiting.is_empty() => {
                let id = *self.waiting.iter().nth(which.index(self.waiting.len())).unwrap();
                self.waiting.remove(&id);
                self.table.leave(id);
                Vec::new()
            }
            Step::Work { slot, goes_well, soon } => {
                let slot = slot.index(self.workers.len());
                self.work(slot, *goes_well, *soon)
            }
            Step::Tick => self.table.tick(),
            Step::Idle => {
                self.settle(changing);
                let mut retired = self.table.tick();
                retired.extend(self.table.tick());
                retired
            }
            Step::Close => self.table.close(),
            _ => Vec::new(),
        };
        for action in actions {
            self.carry_out(&action, changing);
        }
        self.check();
    }

    /// One step of a worker.
    fn work(&mut self, slot: usize, goes_well: bool, soon: bool) -> Vec<Action<Holder>> {
        let worker = self.workers[slot];
        if worker == Worker::None {
            return Vec::new();
        }
        let retires = self.table.order(slot) == Order::Retire;
        let (next, action) = match worker {
            Worker::Making | Worker::BackingOff if retires => return self.gone(slot),
            Worker::Making if goes_well => {
                self.next += 1;
                self.workers[slot] = Worker::Holding(self.next);
                (Worker::Holding(self.next), self.table.ready(slot, self.next))
            }
            Worker::Making => {
                self.table.failed(slot, "no image".to_owned());
                (Worker::BackingOff, None)
            }
            Worker::BackingOff => {
                self.table.retry(slot);
                (Worker::Making, None)
            }
            Worker::Holding(holder) => match self.table.order(slot) {
                Order::Keep if goes_well => (worker, None),
                Order::Keep => {
                    self.spent.insert(holder);
                    self.table.died(slot, "killed".to_owned(), soon);
                    (if soon { Worker::BackingOff } else { Worker::Making }, None)
                }
                Order::Replace => {
                    self.spent.insert(holder);
                    (Worker::Making, None)
                }
                Order::Retire => {
                    self.spent.insert(holder);
                    return self.gone(slot);
                }
            },
            Worker::None => unreachable!(),
        };
        self.workers[slot] = next;
        action.into_iter().collect()
    }

    fn gone(&mut self, slot: usize) -> Vec<Action<Holder>> {
        self.workers[slot] = Worker::None;
        self.table.gone(slot).into_iter().collect()
    }

    fn check(&self) {
        let census = self.table.census();
        let size = census.free + census.in_use + census.starting + census.failed;
        assert!(size <= self.rules.max);
        assert_eq!(size + census.retiring, self.table.slots().len());
        assert_eq!(census.waiting, self.waiting.len());
        assert!(census.free == 0 || census.waiting == 0, "one waits though one is free");
        let there = self.workers.iter().filter(|worker| **worker != Worker::None).count();
        assert_eq!(size + census.retiring, there, "a slot without a worker, or the reverse");
        if self.table.is_closed() {
            assert_eq!((size, census.waiting), (0, 0));
        } else {
            assert!(size >= self.rules.min, "below the least size");
        }
    }

    /// Lets everything go well until nothing changes any more: nobody waits then, and no slot is
    /// lost.
    fn settle(&mut self, changing: &mut BTreeSet<u64>) {
        for _ in 0..4 * (self.rules.max + self.waiting.len() + 1) {
            while let Some((ticket, _)) = self.leases.pop() {
                if let Some(action) = self.table.put_back(ticket) {
                    self.carry_out(&action, changing);
                }
            }
            for slot in 0..self.workers.len() {
                for action in self.work(slot, true, false) {
                    self.carry_out(&action, changing);
                }
            }
            self.check();
        }
        let census = self.table.census();
        if self.table.is_closed() {
            assert!(self.table.is_done());
        } else {
            assert_eq!(census.free, self.table.slots().len(), "a slot was lost: {census:?}");
            assert_eq!(census.waiting, 0, "{census:?}");
        }
    }
}

/// Many have a single slot, which comes and goes with demand: nothing else serves who asks meanwhile.
fn rules() -> impl Strategy<Value = Rules> {
    let sizes = prop_oneof![
        1 => Just((0, 1)),
        4 => (0_usize..4, 0_usize..5).prop_map(|(min, more)| (min, (min + more).max(1))),
    ];
    (sizes, any::<bool>()).prop_map(|((min, max), use_once)| Rules { min, max, use_once })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_lends_twice_loses_a_slot_or_strands_a_waiter(rules in rules(), steps in history()) {
        let mut world = World::new(rules);
        let mut changing = BTreeSet::new();
        for step in &steps {
            world.step(step, &mut changing);
        }
        world.settle(&mut changing);
    }
}

/// A table of `size` slots, all free.
fn ready(size: usize, use_once: bool) -> World {
    let mut world = World::new(Rules { min: size, max: size, use_once });
    world.settle(&mut BTreeSet::new());
    world
}

fn take(world: &mut World, changes: bool) -> (Ticket, Holder) {
    match world.table.ask(changes, false).0 {
        Asked::Granted(ticket, holder) => (ticket, holder),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_late_release_after_the_placeholders_death_frees_nobody_elses() {
    let mut world = ready(1, false);
    let (first, _) = take(&mut world, false);
    world.table.died(0, "killed".to_owned(), false);
    assert!(world.table.ready(0, 100).is_none());
    let (_, holder) = take(&mut world, false);
    assert_eq!(holder, 100);
    assert!(world.table.put_back(first).is_none());
    assert_eq!(world.table.census().in_use, 1);
    assert!(matches!(world.table.ask(false, false).0, Asked::Refused));
}

#[test]
fn a_placeholder_that_dies_while_free_is_not_lent() {
    let mut world = ready(2, false);
    world.table.died(1, "killed".to_owned(), false);
    assert_eq!(take(&mut world, false).0.slot, 0);
    assert!(matches!(world.table.ask(false, false).0, Asked::Refused));
}

#[test]
fn what_could_be_changed_is_recycled_and_the_rest_is_reused() {
    let mut world = ready(1, false);
    let (ticket, first) = take(&mut world, false);
    world.table.put_back(ticket);
    let (ticket, second) = take(&mut world, true);
    assert_eq!(first, second);
    assert!(matches!(world.table.put_back(ticket), Some(Action::Nudge(0))));
    assert_eq!((world.table.order(0), world.table.counters.recycled), (Order::Replace, 1));
}

#[test]
fn what_was_free_all_the_time_is_taken_away_down_to_the_least_size() {
    let mut world = World::new(Rules { min: 1, max: 4, use_once: false });
    for _ in 0..4 {
        world.step(&Step::Ask { changes: false, waits: true }, &mut BTreeSet::new());
    }
    world.settle(&mut BTreeSet::new());
    assert_eq!(world.table.census().free, 4);
    assert_eq!(world.table.tick().len(), 0);
    let (ticket, _) = take(&mut world, false);
    world.table.put_back(ticket);
    assert_eq!(world.table.tick().len(), 3);
    assert_eq!(world.table.tick().len(), 0);
    assert_eq!((world.table.census().free, world.table.counters.shrunk), (1, 3));
}

#[test]
fn those_who_wait_are_served_in_the_order_in_which_they_came() {
    let mut world = ready(1, false);
    let (ticket, _) = take(&mut world, false);
    let Asked::Queued(first) = world.table.ask(false, true).0 else { panic!() };
    let Asked::Queued(second) = world.table.ask(false, true).0 else { panic!() };
    let Some(Action::Grant(id, ticket, _)) = world.table.put_back(ticket) else { panic!() };
    assert_eq!(id, first);
    world.table.leave(second);
    assert!(world.table.put_back(ticket).is_none());
    assert_eq!(world.table.census().free, 1);
}

#[test]
fn a_slot_that_is_begun_anew_knows_nothing_of_its_last_placeholders_death() {
    let mut world = World::new(Rules { min: 0, max: 1, use_once: false });
    world.step(&Step::Ask { changes: false, waits: true }, &mut BTreeSet::new());
    world.settle(&mut BTreeSet::new());
    assert_eq!((world.table.tick().len(), world.table.tick().len()), (0, 1));
    world.table.died(0, "killed".to_owned(), false);
    world.table.gone(0);
    assert!(matches!(world.table.ask(false, true).1, Some(Action::Begin(0))));
    assert!(world.table.slots()[0].error.is_none());
}
