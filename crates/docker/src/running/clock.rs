//! How long a task has run: its timeout stands still while it is frozen.

use std::time::Duration;

use tokio::time::Instant;

/// A task's time.
#[derive(Debug)]
pub(crate) struct Clock {
    timeout: Option<Duration>,
    /// How long it has run, frozen time left out, until `since` or for good.
    ran: Duration,
    /// Since when it runs; none while it is held.
    since: Option<Instant>,
    /// All the time from its start until this was made.
    before: Duration,
    made: Instant,
}

impl Clock {
    /// A clock that runs from now on; without a timeout it never ends.
    pub(crate) fn start(timeout: Option<Duration>) -> Self {
        Self::resume(timeout, Duration::ZERO, Duration::ZERO)
    }

    /// One that goes on: the task has run for so long, and was frozen for the rest of `all` the time
    /// since its start.
    pub(crate) fn resume(timeout: Option<Duration>, ran: Duration, all: Duration) -> Self {
        let now = Instant::now();
        Self { timeout, ran, since: Some(now), before: all, made: now }
    }

    /// Holds the clock, or lets it go on.
    pub(crate) fn hold(&mut self, held: bool) {
        match (held, self.since) {
            (true, Some(_)) => {
                self.ran = self.ran();
                self.since = None;
            }
            (false, None) => self.since = Some(Instant::now()),
            _ => {}
        }
    }

    /// Whether it is held.
    pub(crate) fn is_held(&self) -> bool {
        self.since.is_none()
    }

    /// How long the task has run.
    pub(crate) fn ran(&self) -> Duration {
        self.ran.saturating_add(self.since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// All the time since its start, frozen or not.
    pub(crate) fn all(&self) -> Duration {
        self.before.saturating_add(self.made.elapsed())
    }

    /// When the time is over, if it runs and ends at all.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.since?.checked_add(self.timeout?.saturating_sub(self.ran))
    }
}

/// Waits until `end`; for ever if there is none.
pub(crate) async fn until(end: Option<Instant>) {
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
        assert_eq!((clock.ran(), clock.all()), (Duration::from_secs(4), Duration::from_secs(104)));
        clock.hold(false);
        clock.hold(false);
        until(clock.end()).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(110));
        assert_eq!(clock.ran(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_goes_on_where_another_was() {
        let clock = Clock::resume(
            Some(Duration::from_secs(10)),
            Duration::from_secs(7),
            Duration::from_secs(9),
        );
        let begun = Instant::now();
        until(clock.end()).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
        assert_eq!(clock.all(), Duration::from_secs(12));
        // One whose time is over ends at once.
        let over = Clock::resume(Some(Duration::from_secs(1)), Duration::MAX, Duration::MAX);
        assert!(over.end().is_some_and(|end| end <= Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_timeout_or_with_one_beyond_all_time_it_never_ends() {
        assert_eq!(Clock::start(None).end(), None);
        assert_eq!(Clock::start(Some(Duration::MAX)).end(), None);
    }
}
