//! Single flight, as a specification.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind};
use longshore_images::{Flight, FlightError, ProgressSender, Waiter};
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep};

type Pull = Flight<&'static str, u32, usize>;

const SECOND: Duration = Duration::from_secs(1);
const ASKERS: usize = 400;

/// Work that takes a while and counts how often it was begun, done and dropped.
#[derive(Clone, Default)]
struct Work(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    done: AtomicUsize,
    dropped: AtomicUsize,
}

struct Dropped(Work);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Work {
    /// Joins with work of `seconds`, whose result is its own number.
    fn join(
        &self,
        flight: &Pull,
        key: &'static str,
        deadline: Option<Duration>,
        seconds: u32,
    ) -> Waiter<&'static str, u32, usize> {
        let work = self.clone();
        flight.join(key, deadline, move |progress: ProgressSender<u32>| async move {
            let guard = Dropped(work);
            let counts = &guard.0.0;
            let number = counts.begun.fetch_add(1, Ordering::SeqCst) + 1;
            for second in 1..=seconds {
                sleep(SECOND).await;
                progress.send(second);
            }
            counts.done.fetch_add(1, Ordering::SeqCst);
            Ok(number)
        })
    }

    /// How often it was begun, done and dropped.
    fn counts(&self) -> [usize; 3] {
        [&self.0.begun, &self.0.done, &self.0.dropped].map(|count| count.load(Ordering::SeqCst))
    }
}

/// Lets everything that is ready run, without any time passing.
async fn settle() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_at_the_same_time_share_one_work() {
    let (flight, work) = (Pull::new(), Work::default());
    let one = work.join(&flight, "a", None, 3);
    sleep(SECOND).await;
    let two = work.join(&flight, "a", None, 3);
    let start = Instant::now();
    let (one, two) = tokio::join!(one.wait(), two.wait());
    assert_eq!((one.unwrap(), two.unwrap()), (1, 1));
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(work.counts(), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn different_keys_do_not_wait_for_each_other() {
    let (flight, work) = (Pull::new(), Work::default());
    let slow = work.join(&flight, "slow", None, 9);
    let start = Instant::now();
    work.join(&flight, "fast", None, 1).wait().await.unwrap();
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(flight.under_way(), 1);
    drop(slow);
    assert_eq!(flight.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_the_end_starts_anew() {
    let (flight, work) = (Pull::new(), Work::default());
    let one = work.join(&flight, "a", None, 1).wait().await.unwrap();
    assert_eq!(flight.under_way(), 0);
    let two = work.join(&flight, "a", None, 1).wait().await.unwrap();
    assert_eq!((one, two), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_work_goes_on_when_its_first_asker_leaves() {
    let (flight, work) = (Pull::new(), Work::default());
    let first = work.join(&flight, "a", None, 2);
    let second = work.join(&flight, "a", None, 2);
    sleep(SECOND).await;
    drop(first);
    assert_eq!(second.wait().await.unwrap(), 1);
    assert_eq!(work.counts(), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_work_is_dropped_when_the_last_waiter_leaves_and_not_before() {
    let (flight, work) = (Pull::new(), Work::default());
    let one = work.join(&flight, "a", None, 9);
    let two = work.join(&flight, "a", None, 9);
    sleep(SECOND).await;
    drop(one);
    settle().await;
    assert_eq!(work.counts(), [1, 0, 0]);
    drop(two);
    settle().await;
    assert_eq!(work.counts(), [1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_of_wait_leaves() {
    let (flight, work) = (Pull::new(), Work::default());
    let waiter = work.join(&flight, "a", None, 9);
    let left = tokio::time::timeout(SECOND, waiter.wait()).await;
    assert!(left.is_err());
    settle().await;
    assert_eq!(work.counts(), [1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_the_last_has_left_starts_anew() {
    let (flight, work) = (Pull::new(), Work::default());
    drop(work.join(&flight, "a", None, 9));
    // The former work has not even been dropped yet.
    let anew = work.join(&flight, "a", None, 1);
    let number = anew.wait().await.unwrap();
    let [begun, done, dropped] = work.counts();
    assert_eq!((number, done), (begun, 1));
    assert_eq!(dropped, begun);
}

#[tokio::test(start_paused = true)]
async fn each_waiter_has_its_own_deadline() {
    let (flight, work) = (Pull::new(), Work::default());
    let start = Instant::now();
    let patient = work.join(&flight, "a", None, 5);
    let hasty = work.join(&flight, "a", Some(2 * SECOND), 5);
    let late = work.join(&flight, "a", Some(5 * SECOND), 5);
    let error = hasty.wait().await.unwrap_err();
    assert!(matches!(error, FlightError::Deadline(after) if after == 2 * SECOND));
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(patient.wait().await.unwrap(), 1);
    assert_eq!(late.wait().await.unwrap(), 1, "a result at the deadline counts");
    assert_eq!(work.counts(), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_first_askers_deadline_fails_nobody_else() {
    let (flight, work) = (Pull::new(), Work::default());
    let first = work.join(&flight, "a", Some(SECOND), 3);
    let second = work.join(&flight, "a", Some(9 * SECOND), 3);
    let (first, second) = tokio::join!(first.wait(), second.wait());
    assert!(matches!(first, Err(FlightError::Deadline(_))));
    assert_eq!(second.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_counts_from_the_asking() {
    let (flight, work) = (Pull::new(), Work::default());
    let waiter = work.join(&flight, "a", Some(2 * SECOND), 9);
    sleep(3 * SECOND).await;
    let start = Instant::now();
    assert!(matches!(waiter.wait().await, Err(FlightError::Deadline(_))));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_last_deadline_drops_the_work() {
    let (flight, work) = (Pull::new(), Work::default());
    let one = work.join(&flight, "a", Some(SECOND), 9);
    let two = work.join(&flight, "a", Some(2 * SECOND), 9);
    let _ = tokio::join!(one.wait(), two.wait());
    settle().await;
    assert_eq!(work.counts(), [1, 0, 1]);
    assert_eq!(flight.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beyond_all_time_is_none() {
    let (flight, work) = (Pull::new(), Work::default());
    assert_eq!(work.join(&flight, "a", Some(Duration::MAX), 3).wait().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_waiter_sees_the_progress() {
    let (flight, work) = (Pull::new(), Work::default());
    let one = work.join(&flight, "a", None, 4);
    assert_eq!(one.progress().latest(), None);
    let (mut first, mut copy) = (one.progress(), one.progress());
    assert_eq!(first.next().await, Some(1));
    assert_eq!(first.next().await, Some(2));
    let two = work.join(&flight, "a", None, 4);
    assert_eq!(two.progress().latest(), Some(2), "a late waiter sees where the work is");
    let mut second = two.progress();
    assert_eq!(second.next().await, Some(2));
    assert_eq!(copy.next().await, Some(2), "what was missed is skipped");
    let (one, two) = tokio::join!(one.wait(), two.wait());
    assert_eq!((one.unwrap(), two.unwrap()), (1, 1));
    assert_eq!(first.next().await, Some(4), "the last progress is not lost at the end");
    assert_eq!(first.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_every_waiter_and_is_not_kept() {
    let flight = Pull::new();
    let fail = |_: ProgressSender<u32>| async {
        sleep(SECOND).await;
        let cause = std::io::Error::other("no route");
        Err(Error::new(ErrorKind::RegistryFailed, "pull").message("ghcr.io/a").because(cause))
    };
    let (one, two) = (flight.join("a", None, fail), flight.join("a", None, fail));
    let (one, two) = tokio::join!(one.wait(), two.wait());
    for error in [one.unwrap_err(), two.unwrap_err()] {
        let error = error.into_error("pull", "ghcr.io/a");
        assert_eq!(error.kind(), ErrorKind::RegistryFailed);
        assert_eq!(error.to_string(), "pull: ghcr.io/a");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no route");
    }
    let work = Work::default();
    assert_eq!(work.join(&flight, "a", None, 1).wait().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_reaches_every_waiter_as_an_error() {
    let flight = Pull::new();
    let panics = |_: ProgressSender<u32>| async {
        sleep(SECOND).await;
        panic!("on purpose, for a test")
    };
    let (one, two) = (flight.join("a", None, panics), flight.join("a", None, panics));
    let (one, two) = tokio::join!(one.wait(), two.wait());
    assert!(matches!(one, Err(FlightError::Panicked)));
    let error = two.unwrap_err().into_error("pull", "busybox");
    assert_eq!(error.kind(), ErrorKind::Engine);
    assert!(error.to_string().starts_with("pull: busybox: it panicked"), "{error}");
    assert_eq!(flight.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_waiters_own_deadline_is_told_from_the_works() {
    let flight = Pull::new();
    let times_out = |_: ProgressSender<u32>| async {
        Err(Error::new(ErrorKind::Deadline, "pull").message("the registry was silent"))
    };
    let error = flight.join("a", Some(SECOND), times_out).wait().await.unwrap_err();
    assert!(matches!(&error, FlightError::Failed(it) if it.kind() == ErrorKind::Deadline));
    let work = Work::default();
    let error = work.join(&flight, "a", Some(SECOND), 9).wait().await.unwrap_err();
    let error = error.into_error("pull", "busybox");
    assert_eq!(error.to_string(), "pull: busybox: not done within 1s");
    assert!(error.is_retryable());
}

#[test]
fn the_end_of_the_runtime_that_works_is_an_error_for_waiters_elsewhere() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (flight, work) = (Pull::new(), Work::default());
    let waiter = first.block_on(async { work.join(&flight, "a", None, 9) });
    let other = second.block_on(async { work.join(&flight, "a", None, 9) });
    drop(first);
    let error = second.block_on(other.wait()).unwrap_err();
    assert!(matches!(error, FlightError::Abandoned));
    assert!(error.into_error("pull", "a").is_retryable());
    drop(waiter);
    let again = second.block_on(async { work.join(&flight, "a", None, 0).wait().await });
    assert!(again.is_ok());
}

#[test]
fn work_on_a_runtime_of_its_own_goes_on_whatever_becomes_of_the_first_askers() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second, own) = (runtime(), runtime(), runtime());
    let (handle, (stop, stopped)) = (own.handle().clone(), tokio::sync::oneshot::channel::<()>());
    let thread = std::thread::spawn(move || own.block_on(stopped));
    let flight = Pull::new();
    let join = || {
        let (one, two) = tokio::sync::oneshot::channel::<usize>();
        let work = |_: ProgressSender<u32>| async { Ok(two.await.unwrap()) };
        (flight.join_on(&handle, "a", None, work), one)
    };
    let (waiter, go_on) = first.block_on(async { join() });
    let (other, _) = second.block_on(async { join() });
    drop(waiter);
    drop(first);
    go_on.send(7).unwrap();
    let done = second.block_on(async { tokio::time::timeout(10 * SECOND, other.wait()).await });
    assert_eq!(done.expect("it goes on").unwrap(), 7);
    drop(stop);
    let _ = thread.join().unwrap();
}

#[test]
fn on_a_runtime_that_has_been_shut_down_the_work_is_abandoned_at_once() {
    let (done, outcome) = std::sync::mpsc::channel();
    // A thread of its own: if it hangs, the test still ends.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let flight = Pull::new();
        let waiter = {
            let _inside = handle.enter();
            flight.join("a", None, |_| async { Ok(1) })
        };
        let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
        done.send((other.block_on(waiter.wait()), flight.under_way())).unwrap();
    });
    let (outcome, left) = outcome.recv_timeout(10 * SECOND).expect("joining does not hang");
    assert!(matches!(outcome, Err(FlightError::Abandoned)), "{outcome:?}");
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_nobody_is_lost_and_nothing_is_left() {
    let (flight, begun) = (Flight::<usize, (), usize>::new(), Arc::new(AtomicUsize::new(0)));
    let start = Arc::new(Barrier::new(ASKERS));
    let askers: Vec<_> = (0..ASKERS)
        .map(|asker| {
            let (flight, begun, start) = (flight.clone(), Arc::clone(&begun), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                let waiter = flight.join(asker % 4, None, move |_| async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok(asker % 4)
                });
                match asker % 3 {
                    0 => drop(waiter),
                    _ => assert_eq!(waiter.wait().await.unwrap(), asker % 4),
                }
            })
        })
        .collect();
    for asker in askers {
        tokio::time::timeout(60 * SECOND, asker).await.unwrap().unwrap();
    }
    assert_eq!(flight.under_way(), 0);
    assert!(begun.load(Ordering::SeqCst) > 0);
}
