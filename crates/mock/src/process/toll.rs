//! The time that moving bytes takes.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::time::{Duration, Sleep, sleep};

/// What is moved in one [`TIME`]: about what a pipe of Linux moves.
const BYTES: usize = 1 << 20;
const TIME: Duration = Duration::from_millis(1);

/// Bytes that a stream has moved and not paid for. Paused time goes on only while everybody waits,
/// so that a program which writes for ever would stop it for ever if writing took none.
#[derive(Debug, Default)]
pub(super) struct Toll(AtomicUsize);

impl Toll {
    pub(super) fn owe(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Lets the time pass that is owed. `paying` is the caller's own: several may move bytes
    /// through one stream.
    pub(super) fn poll_paid(
        &self,
        paying: &mut Option<Pin<Box<Sleep>>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if paying.is_none() && self.0.load(Ordering::Relaxed) >= BYTES {
            self.0.store(0, Ordering::Relaxed);
            *paying = Some(Box::pin(sleep(TIME)));
        }
        if let Some(sleep) = paying {
            ready!(sleep.as_mut().poll(cx));
            *paying = None;
        }
        Poll::Ready(())
    }
}
