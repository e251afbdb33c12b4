//! The orders in which the desk's users can come: small scenes, each played in all of them, or in
//! all with so many interruptions.
//!
//! The desk and what a worker does between its placeholders are what is tested; a placeholder is
//! there at once, and a channel of tokio's is taken to do in one step what it promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use longshore_driver_api::{NamespaceLease as _, Namespaces};
use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};

use super::{Answer, CLOSED, Desk, Place};
use crate::lease::{Held, Lease};
use crate::slot::{Order, Rules, Ticket};
use crate::sync::{orders, turn};
use crate::worker::{End, retired, watch};

/// What can be played in seconds: the more is done in a scene, the fewer interruptions.
const ALL: usize = usize::MAX;
const MANY: usize = 4;
const SOME: usize = 3;
const FEW: usize = 2;

/// More placeholders than any scene makes.
const MOST: usize = 8;

/// A desk, and who has which placeholder.
struct Scene {
    desk: Arc<Desk>,
    taken: [AtomicBool; MOST],
    made: AtomicUsize,
}

impl Scene {
    /// `size` slots, of which there may come to be `max`.
    fn new(size: usize, max: usize, use_once: bool) -> Arc<Self> {
        let (desk, _) = Desk::new(Rules { min: size, max, use_once });
        Arc::new(Self { desk, taken: Default::default(), made: AtomicUsize::new(0) })
    }

    /// Slots all of which are free.
    fn filled(size: usize) -> Arc<Self> {
        let scene = Self::new(size, size, false);
        for slot in 0..size {
            scene.desk.ready(slot, scene.make());
        }
        scene
    }

    /// A placeholder that is named by its number.
    fn make(&self) -> Arc<Held> {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        Arc::new(Held::new(Namespaces::network("test", number.to_string())))
    }

    /// Has a lease for a while; says whose placeholder it was.
    fn have(&self, lease: Lease) -> usize {
        let holder: usize = lease.namespaces().holder.parse().unwrap();
        assert!(!self.taken[holder].swap(true, Ordering::SeqCst), "{holder} is lent twice");
        turn();
        self.taken[holder].store(false, Ordering::SeqCst);
        drop(lease);
        holder
    }

    fn ask(&self, changes: bool) -> Answer {
        self.desk.ask(changes, true).unwrap()
    }

    fn lease(&self) -> Lease {
        let Answer::Lease(lease) = self.ask(false) else { panic!("none is free") };
        lease
    }

    fn place(&self) -> Place {
        let Answer::Wait(place) = self.ask(false) else { panic!("one is free") };
        place
    }

    /// Gets one, however long it takes, and has it for a while.
    fn borrow(&self, changes: bool) -> usize {
        match self.ask(changes) {
            Answer::Lease(lease) => self.have(lease),
            Answer::Wait(mut place) => self.have(block_on(place.handed()).unwrap()),
            Answer::Empty => panic!("nobody asked for that"),
        }
    }

    /// A worker whose placeholders are there at once and never die.
    fn work(&self, slot: usize) {
        block_on(async {
            loop {
                tokio::select! {
                    biased;
                    () = retired(&self.desk, slot) => break,
                    () = async { turn() } => {}
                }
                self.desk.ready(slot, self.make());
                let end = watch(&self.desk, slot, std::future::pending()).await;
                if matches!(end, End::Ordered(Order::Retire)) {
                    break;
                }
            }
        });
        self.desk.gone(slot);
    }

    /// Each slot that is begun gets a worker, which is found here.
    fn workers(self: &Arc<Self>) -> Arc<parking_lot::Mutex<Vec<JoinHandle<()>>>> {
        let workers = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let (weak, set) = (Arc::downgrade(self), Arc::clone(&workers));
        self.desk.begin_by(move |slot| {
            let scene = weak.upgrade().unwrap();
            let worker = go(&scene, move |scene| scene.work(slot));
            set.lock().push(worker);
        });
        workers
    }

    /// Everything has come back, and nobody waits.
    fn is_at_rest(&self, free: usize) {
        let (census, ..) = self.desk.look();
        assert_eq!((census.free, census.in_use, census.waiting), (free, 0, 0), "{census:?}");
    }
}

fn go<T: Send + 'static>(
    scene: &Arc<Scene>,
    act: impl FnOnce(&Scene) -> T + Send + 'static,
) -> JoinHandle<T> {
    let scene = Arc::clone(scene);
    thread::spawn(move || act(&scene))
}

/// Plays it in the orders with at most so many interruptions. That there are hundreds of them shows
/// that something was tried.
fn in_every_order(interrupted: usize, scene: impl Fn() + Send + Sync + 'static) {
    let begun = std::time::Instant::now();
    let orders = orders::every(interrupted, scene);
    println!("{orders} orders in {:?}", begun.elapsed());
    assert!(orders >= 200, "only {orders} orders");
}

#[test]
fn three_who_want_the_only_slot_have_it_one_after_the_other() {
    in_every_order(MANY, || {
        let scene = Scene::filled(1);
        let others =
            [go(&scene, |scene| scene.borrow(false)), go(&scene, |scene| scene.borrow(false))];
        scene.borrow(false);
        for other in others {
            other.join().unwrap();
        }
        scene.is_at_rest(1);
    });
}

#[test]
fn one_who_goes_away_while_a_lease_is_on_its_way_to_him_loses_none() {
    in_every_order(ALL, || {
        let scene = Scene::filled(1);
        let (lease, first) = (scene.lease(), scene.place());
        let next = go(&scene, |scene| scene.borrow(false));
        let goes = thread::spawn(move || drop(first));
        drop(lease);
        goes.join().unwrap();
        next.join().unwrap();
        scene.is_at_rest(1);
    });
}

#[test]
fn one_who_stops_waiting_gets_a_lease_or_leaves_it_to_the_next() {
    in_every_order(MANY, || {
        let scene = Scene::filled(1);
        let (lease, first) = (scene.lease(), scene.place());
        let next = go(&scene, |scene| scene.borrow(false));
        let stops = go(&scene, |scene| {
            if let Some(lease) = first.give_up() {
                scene.have(lease);
            }
        });
        drop(lease);
        stops.join().unwrap();
        next.join().unwrap();
        scene.is_at_rest(1);
    });
}

#[test]
fn a_lease_that_comes_back_late_and_again_after_the_death_frees_nobody_elses() {
    in_every_order(SOME, || {
        let scene = Scene::filled(1);
        let lease = scene.lease();
        let ticket = Ticket { slot: 0, generation: lease.generation() };
        let worker = go(&scene, |scene| {
            scene.desk.died(0, "killed".to_owned(), false);
            scene.desk.ready(0, scene.make());
        });
        let other = go(&scene, |scene| scene.borrow(false));
        scene.have(lease);
        scene.desk.put_back(ticket);
        scene.borrow(false);
        worker.join().unwrap();
        other.join().unwrap();
        scene.is_at_rest(1);
    });
}

#[test]
fn what_is_used_once_is_replaced_and_everybody_has_one_of_his_own() {
    in_every_order(SOME, || {
        let scene = Scene::new(1, 1, true);
        let worker = go(&scene, |scene| scene.work(0));
        let other = go(&scene, |scene| scene.borrow(false));
        let mine = scene.borrow(false);
        assert_ne!(mine, other.join().unwrap(), "lent again");
        scene.desk.close(CLOSED);
        worker.join().unwrap();
        scene.is_at_rest(0);
    });
}

#[test]
fn demand_adds_a_slot_for_whoever_waits_and_none_is_lost() {
    in_every_order(SOME, || {
        let scene = Scene::new(0, 1, false);
        let workers = scene.workers();
        let other = go(&scene, |scene| scene.borrow(false));
        scene.borrow(false);
        other.join().unwrap();
        scene.is_at_rest(1);
        scene.desk.close(CLOSED);
        let workers = std::mem::take(&mut *workers.lock());
        assert_eq!(workers.len(), 1);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        scene.is_at_rest(0);
    });
}

#[test]
fn one_who_comes_while_the_only_slot_is_taken_away_has_it_anew() {
    in_every_order(SOME, || {
        let scene = Scene::new(0, 1, false);
        let workers = scene.workers();
        scene.borrow(false);
        scene.desk.tick();
        let idle = go(&scene, |scene| scene.desk.tick());
        scene.borrow(false);
        idle.join().unwrap();
        scene.is_at_rest(1);
        scene.desk.close(CLOSED);
        let workers = std::mem::take(&mut *workers.lock());
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        scene.is_at_rest(0);
    });
}

#[test]
fn a_close_wakes_everybody_who_waits() {
    in_every_order(FEW, || {
        let scene = Scene::filled(1);
        let (lease, first, second) = (scene.lease(), scene.place(), scene.place());
        let waits = [first, second].map(|mut place| {
            go(&scene, move |scene| {
                // Either it came before the close or it never comes.
                if let Ok(lease) = block_on(place.handed()) {
                    scene.have(lease);
                }
            })
        });
        let closes = go(&scene, |scene| scene.desk.close(CLOSED));
        drop(lease);
        waits.into_iter().for_each(|wait| wait.join().unwrap());
        closes.join().unwrap();
        scene.is_at_rest(0);
        assert!(scene.desk.ask(false, true).is_err());
    });
}

#[test]
fn a_close_is_done_when_the_last_worker_is_whoever_that_is() {
    in_every_order(MANY, || {
        let scene = Scene::new(2, 2, false);
        let workers = [0, 1].map(|slot| {
            go(&scene, move |scene| {
                block_on(retired(&scene.desk, slot));
                scene.desk.gone(slot);
            })
        });
        scene.desk.close(CLOSED);
        block_on(scene.desk.done());
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}
