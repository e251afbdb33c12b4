//! Plays a scene again and again, its threads in another order each time.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, Runner};

std::thread_local! {
    static TRIED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread plays a scene.
pub(crate) fn tried() -> bool {
    TRIED.get()
}

pub(super) fn choose() {
    // One that unwinds is at the end of its order: there is nothing more to choose.
    if tried() && !std::thread::panicking() {
        shuttle::thread::yield_now();
    }
}

struct Trying;

impl Drop for Trying {
    fn drop(&mut self) {
        TRIED.set(false);
    }
}

/// Plays a scene in every order in which at most `interrupted` times a thread that could go on has
/// to let another come first, each order to its end. Says how many there are.
///
/// An order in which nobody can go on is a failure; what failed is printed so that shuttle can play
/// it again.
pub(crate) fn every(interrupted: usize, scene: impl Fn() + Send + Sync + 'static) -> usize {
    let _trying = Trying;
    let mut config = Config::new();
    // A failure is put into words on the stack of its thread.
    config.stack_size = 256 * 1024;
    let played = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&played);
    Runner::new(Orders::new(interrupted), config).run(move || {
        TRIED.set(true);
        count.fetch_add(1, Ordering::SeqCst);
        scene();
    });
    played.load(Ordering::SeqCst)
}

/// Depth first through all choices, like shuttle's own, but with a bound on interruptions.
#[derive(Debug)]
struct Orders {
    bound: usize,
    interrupted: usize,
    /// At each choice of the present order, which was taken and of how many.
    taken: Vec<(usize, usize)>,
    at: usize,
    begun: bool,
}

impl Orders {
    fn new(bound: usize) -> Self {
        Self { bound, interrupted: 0, taken: Vec::new(), at: 0, begun: false }
    }
}

impl Scheduler for Orders {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.begun {
            // The last choice that leaves another one.
            while self.taken.pop_if(|(this, of)| *this + 1 == *of).is_some() {}
            self.taken.last_mut()?.0 += 1;
        }
        (self.begun, self.at, self.interrupted) = (true, 0, 0);
        Some(Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        _is_yielding: bool,
    ) -> Option<TaskId> {
        let goes_on = current.filter(|id| runnable.iter().any(|task| task.id() == *id));
        let others = runnable.iter().map(|task| task.id()).filter(|id| Some(*id) != goes_on);
        let mut choices: Vec<TaskId> = goes_on.into_iter().chain(others).collect();
        if goes_on.is_some() && self.interrupted == self.bound {
            choices.truncate(1);
        }
        if self.at == self.taken.len() {
            self.taken.push((0, choices.len()));
        }
        let (this, of) = self.taken[self.at];
        assert_eq!(of, choices.len(), "the scene is another one in the same order");
        self.at += 1;
        if goes_on.is_some_and(|id| id != choices[this]) {
            self.interrupted += 1;
        }
        Some(choices[this])
    }

    fn next_u64(&mut self) -> u64 {
        panic!("a scene draws nothing at random")
    }
}

#[test]
fn two_threads_of_two_steps_come_in_six_orders_and_in_fewer_if_bounded() {
    let steps = || {
        // What each does between its choices is a step.
        let other = shuttle::thread::spawn(choose);
        choose();
        other.join().unwrap();
    };
    let all = every(usize::MAX, steps);
    let bounded: Vec<usize> = (0..=all).map(|bound| every(bound, steps)).collect();
    assert_eq!(bounded[0], 1);
    assert!(bounded.is_sorted() && bounded[1] < all && bounded[all] == all, "{bounded:?} of {all}");
}
