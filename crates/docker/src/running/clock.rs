//! A task's timeout, which stands still while the task is frozen.

use std::time::Duration;

use tokio::time::Instant;

/// A timeout that can be held.
#[derive(Debug)]
pub(super) struct Clock {
    /// What is left of the time, as of `since` if it runs.
    left: Option<Duration>,
    /// Since when it runs; none while it is held.
    since: Option<Instant>,
}

impl Clock {
    /// A clock that runs from now on; without a timeout it never ends.
    pub(super) fn start(timeout: Option<Duration>) -> Self {
        Self { left: timeout, since: Some(Instant::now()) }
    }

    /// Holds the clock, or lets it go on.
    pub(super) fn hold(&mut self, held: bool) {
        match (held, self.since) {
            (true, Some(since)) => {
                self.left = self.left.map(|left| left.saturating_sub(since.elapsed()));
                self.since = None;
            }
            (false, None) => self.since = Some(Instant::now()),
            _ => {}
        }
    }

    /// When the time is over, if it runs and ends at all.
    pub(super) fn end(&self) -> Option<Instant> {
        self.since?.checked_add(self.left?)
    }
}

/// Waits until `end`; for ever if there is none.
pub(super) async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_stands_still_while_it_is_held() {
        let begun = Instant::now();
        let mut clock = Clock::start(Some(Duration::from_secs(10)));
        tokio::time::sleep(Duration::from_secs(4)).await;
        clock.hold(true);
        clock.hold(true);
        assert_eq!(clock.end(), None);
        tokio::time::sleep(Duration::from_secs(100)).await;
        clock.hold(false);
        clock.hold(false);
        until(clock.end()).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(110));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_timeout_or_with_one_beyond_all_time_it_never_ends() {
        assert_eq!(Clock::start(None).end(), None);
        assert_eq!(Clock::start(Some(Duration::MAX)).end(), None);
    }
}
