//! Many threads at one desk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use longshore_driver_api::{NamespaceLease as _, Namespaces};

use super::{Answer, Desk, Place};
use crate::lease::{Held, Lease};
use crate::slot::Rules;

const SLOTS: usize = 3;

/// A desk whose slots are all free, each holder named by its slot.
fn open() -> Arc<Desk> {
    let (desk, begun) = Desk::new(Rules { min: SLOTS, max: SLOTS, use_once: false });
    for slot in begun {
        desk.ready(slot, Arc::new(Held::new(Namespaces::network("test", slot.to_string()))));
    }
    desk
}

/// Marks a holder as taken for as long as the lease lives, and fails if it was.
fn use_it(lease: Lease, taken: &[AtomicBool]) {
    let holder: usize = lease.namespaces().holder.parse().unwrap();
    assert!(!taken[holder].swap(true, Ordering::SeqCst), "{holder} is lent twice");
    thread::yield_now();
    taken[holder].store(false, Ordering::SeqCst);
    drop(lease);
}

fn block_on(mut place: Place) -> Option<Lease> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(place.handed()).ok()
}

#[test]
fn sixteen_threads_never_have_one_slot_at_once_and_lose_none() {
    let desk = open();
    let taken: Vec<AtomicBool> = (0..SLOTS).map(|_| AtomicBool::new(false)).collect();
    let served = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..16_u64 {
            let (desk, taken, served) = (&desk, &taken, &served);
            scope.spawn(move || {
                for round in 0..400_u64 {
                    match desk.ask(false, (thread + round) % 3 != 0).unwrap() {
                        Answer::Lease(lease) => use_it(lease, taken),
                        // One in four gives up, perhaps while a lease is on its way.
                        Answer::Wait(place) if round % 4 == 0 => {
                            if let Some(lease) = place.give_up() {
                                use_it(lease, taken);
                            }
                        }
                        // One in four goes without looking.
                        Answer::Wait(place) if round % 4 == 1 => drop(place),
                        Answer::Wait(place) => use_it(block_on(place).unwrap(), taken),
                        Answer::Empty => continue,
                    }
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let (census, counters, _) = desk.look();
    assert_eq!((census.free, census.waiting), (SLOTS, 0), "{census:?}");
    assert_eq!(counters.hits + counters.misses, 16 * 400);
    assert!(served.into_inner() > 0);
}

#[test]
fn a_close_in_the_midst_of_it_refuses_everybody_and_strands_nobody() {
    for _ in 0..20 {
        let desk = open();
        thread::scope(|scope| {
            for _ in 0..8 {
                let desk = &desk;
                scope.spawn(move || {
                    loop {
                        match desk.ask(false, true) {
                            Ok(Answer::Lease(lease)) => drop(lease),
                            Ok(Answer::Wait(place)) => drop(block_on(place)),
                            Ok(Answer::Empty) => panic!("nobody asked for that"),
                            Err(_) => return,
                        }
                    }
                });
            }
            scope.spawn(|| {
                thread::yield_now();
                desk.close("the test is over");
            });
        });
        let (census, ..) = desk.look();
        assert_eq!((census.free, census.in_use, census.waiting), (0, 0, 0));
        for slot in 0..SLOTS {
            desk.gone(slot);
        }
        assert!(desk.state.lock().table.is_done());
    }
}
