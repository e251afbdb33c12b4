//! What makes programs stand still, and a clock that stands still with them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// A gate that futures pass while it is open.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<GateState>);

#[derive(Debug, Default)]
struct GateState {
    shut: bool,
    wakers: Vec<Waker>,
}

impl Gate {
    pub(crate) fn shut(&self) {
        self.0.lock().shut = true;
    }

    pub(crate) fn open(&self) {
        let wakers = {
            let mut state = self.0.lock();
            state.shut = false;
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.0.lock().shut
    }

    fn passes(&self, cx: &Context<'_>) -> bool {
        let mut state = self.0.lock();
        if state.shut && !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.wakers.push(cx.waker().clone());
        }
        !state.shut
    }
}

/// A future that is polled only while two gates are open: its container's and its own.
pub(crate) struct Gated<F> {
    pub(crate) freezer: Arc<Freezer>,
    pub(crate) own: Arc<Gate>,
    pub(crate) future: Pin<Box<F>>,
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if !self.freezer.gate.passes(cx) || !self.own.passes(cx) {
            return Poll::Pending;
        }
        self.future.as_mut().poll(cx)
    }
}

/// Freezes the processes of one container, and counts the time in which they are not frozen.
#[derive(Debug)]
pub(crate) struct Freezer {
    gate: Gate,
    clock: watch::Sender<ClockState>,
}

#[derive(Debug, Clone, Copy)]
struct ClockState {
    /// Unfrozen time before `since`.
    before: Duration,
    /// Since when it runs; absent while frozen, and before the start.
    since: Option<Instant>,
}

impl ClockState {
    fn elapsed(self) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Freezer {
    pub(crate) fn new() -> Self {
        let stopped = ClockState { before: Duration::ZERO, since: None };
        Self { gate: Gate::default(), clock: watch::Sender::new(stopped) }
    }

    /// Starts the clock.
    pub(crate) fn start(&self) {
        self.clock.send_modify(|clock| clock.since = Some(Instant::now()));
    }

    pub(crate) fn freeze(&self) {
        self.gate.shut();
        self.clock.send_modify(|clock| {
            *clock = ClockState { before: clock.elapsed(), since: None };
        });
    }

    pub(crate) fn unfreeze(&self) {
        self.clock.send_modify(|clock| {
            clock.since = clock.since.or_else(|| Some(Instant::now()));
        });
        self.gate.open();
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.gate.is_shut()
    }

    /// How long the processes have not been frozen.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.borrow().elapsed()
    }

    /// Waits until the clock shows `time`, however long it stands still in between.
    pub(crate) async fn reaches(&self, time: Duration) {
        let mut clock = self.clock.subscribe();
        loop {
            let now = *clock.borrow_and_update();
            let left = time.saturating_sub(now.elapsed());
            if left.is_zero() {
                return;
            }
            // The sender lives as long as `self`, so only a change ends this wait.
            if now.since.is_none() {
                let _ = clock.changed().await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                _ = clock.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_stands_still_while_frozen() {
        let freezer = Freezer::new();
        let start = Instant::now();
        freezer.start();
        let thaw = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            freezer.freeze();
            tokio::time::sleep(Duration::from_secs(60)).await;
            freezer.unfreeze();
        };
        tokio::join!(freezer.reaches(Duration::from_secs(3)), thaw);
        assert_eq!(start.elapsed(), Duration::from_secs(63));
        assert_eq!(freezer.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_future_is_not_polled_and_goes_on_when_unfrozen() {
        let freezer = Arc::new(Freezer::new());
        freezer.start();
        let polls = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&polls);
        let future = Box::pin(async move {
            loop {
                *counted.lock() += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let gated = Gated { freezer: Arc::clone(&freezer), own: Arc::default(), future };
        let task = tokio::spawn(gated);
        tokio::time::sleep(Duration::from_millis(2500)).await;
        freezer.freeze();
        let before: i32 = *polls.lock();
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(*polls.lock(), before);
        freezer.unfreeze();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(*polls.lock(), before + 1);
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_longest_wait_never_ends_by_itself() {
        let freezer = Freezer::new();
        freezer.start();
        let wait = freezer.reaches(Duration::MAX);
        assert!(tokio::time::timeout(Duration::from_secs(1 << 30), wait).await.is_err());
    }
}
