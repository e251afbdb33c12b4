//! Trying again what failed for the moment.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use longshore_driver_api::{Error, ErrorKind, Result};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

/// How often, and after what pauses, an operation is tried again.
///
/// Only errors that say so ([`Error::is_retryable`]) are. The pause before the n-th new attempt is
/// a random part, evenly between nothing and all, of `first_pause` × 2ⁿ⁻¹, or of `longest_pause`
/// where that is less: many who failed together do not come back together. Where the other side
/// says how long it wants to be left alone ([`Error::asks_to_wait`]), the pause is at least that; if
/// that is longer than the policy's [`patience`](Self::patience), there is no new attempt.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    attempts: u32,
    first_pause: Duration,
    longest_pause: Duration,
    patience: Duration,
    total: Option<Duration>,
    seed: Option<u64>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
            patience: Duration::from_secs(60),
            total: None,
            seed: None,
        }
    }
}

impl RetryPolicy {
    /// Five attempts, pauses of at most 200 ms, 400 ms, 800 ms and 1.6 s, and no bound for all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One attempt.
    #[must_use]
    pub fn never() -> Self {
        Self::new().attempts(1)
    }

    /// At most so many attempts, the first one included. Zero counts as one.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The longest that the first pause can be.
    #[must_use]
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }

    /// The longest that any pause can be.
    #[must_use]
    pub fn longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause;
        self
    }

    /// The longest that the other side can ask to be left alone before a new attempt; a minute at
    /// first.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A bound for all attempts and pauses together.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }

    /// Makes the pauses the same each time, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Does `attempt` until it succeeds, fails for good, or the policy allows no more.
    ///
    /// `op` and `what` name the operation and its object in errors and logs. Dropping the future
    /// drops the attempt under way and starts no other.
    ///
    /// # Errors
    ///
    /// The last attempt's error. An attempt that is under way when the total bound passes is
    /// dropped: the error is `Deadline` then, with the last attempt's error as its cause. A pause
    /// that would end beyond the bound is not begun.
    pub async fn run<T, F, A>(&self, op: &'static str, what: &str, attempt: F) -> Result<T>
    where
        F: FnMut() -> A,
        A: Future<Output = Result<T>>,
    {
        let end = self.total.and_then(|total| Instant::now().checked_add(total));
        let mut last = None;
        let work = attempt
            .retry(self.pauses())
            .when(Error::is_retryable)
            .adjust(|error, pause| {
                let pause = pause?.max(error.asks_to_wait().unwrap_or_default());
                let is_patient = error.asks_to_wait().is_none_or(|asked| asked <= self.patience);
                // A pause that no clock reaches the end of is beyond every bound.
                let over = Instant::now().checked_add(pause);
                let in_time = end.is_none_or(|end| over.is_some_and(|over| over < end));
                (is_patient && in_time).then_some(pause)
            })
            .notify(|error, pause| {
                tracing::info!(op, what, %error, ?pause, "failed and is tried again");
                last = Some(error.duplicate());
            });
        let done = match end {
            None => return work.await,
            Some(end) => tokio::time::timeout_at(end, work).await,
        };
        done.unwrap_or_else(|_| {
            let bound = self.total.unwrap_or_default();
            let error = Error::new(ErrorKind::Deadline, op)
                .message(format!("{what}: not done within {bound:?}, with all its attempts"));
            Err(match last {
                Some(last) => error.because(last),
                None => error,
            })
        })
    }

    fn pauses(&self) -> impl Iterator<Item = Duration> + Send + Sync + Unpin + use<> {
        let seed = self.seed.unwrap_or_else(rand::random);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let again = usize::try_from(self.attempts - 1).unwrap_or(usize::MAX);
        ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.first_pause.min(self.longest_pause))
            .with_max_delay(self.longest_pause)
            .with_max_times(again)
            .build()
            .map(move |most| most.mul_f64(random.random::<f64>()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::error::Error as _;

    use proptest::prelude::*;
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn busy() -> Error {
        Error::new(ErrorKind::RegistryBusy, "pull").message("busybox")
    }

    /// Fails `failures` times with `kind`, then gives the number of attempts.
    async fn run(policy: &RetryPolicy, failures: u32, kind: ErrorKind) -> (Result<u32>, u32) {
        let attempts = Cell::new(0);
        let result = policy
            .run("pull", "busybox", || async {
                attempts.set(attempts.get() + 1);
                if attempts.get() > failures {
                    Ok(attempts.get())
                } else {
                    Err(Error::new(kind, "pull"))
                }
            })
            .await;
        (result, attempts.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_fault_is_tried_again() {
        let (result, _) = run(&RetryPolicy::new(), 3, ErrorKind::RegistryBusy).await;
        assert_eq!(result.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_fault_is_not() {
        let start = Instant::now();
        let (result, attempts) = run(&RetryPolicy::new(), 1, ErrorKind::RegistryUnauthorized).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::RegistryUnauthorized);
        assert_eq!((attempts, start.elapsed()), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded_and_the_last_error_is_told() {
        for (policy, expected) in [
            (RetryPolicy::new().attempts(3), 3),
            (RetryPolicy::never(), 1),
            (RetryPolicy::new().attempts(0), 1),
        ] {
            let (result, attempts) = run(&policy, 99, ErrorKind::RegistryBusy).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::RegistryBusy);
            assert_eq!(attempts, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn success_at_once_takes_no_time() {
        let start = Instant::now();
        assert_eq!(run(&RetryPolicy::new(), 0, ErrorKind::Busy).await.0.unwrap(), 1);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_bound_cuts_an_attempt_and_tells_what_went_before() {
        let policy = RetryPolicy::new().total(3 * SECOND).first_pause(Duration::from_millis(1));
        let start = Instant::now();
        let attempts = Cell::new(0);
        let error = policy
            .run("pull", "busybox", || async {
                attempts.set(attempts.get() + 1);
                if attempts.get() == 1 {
                    return Err(busy());
                }
                sleep(9 * SECOND).await;
                Ok(())
            })
            .await
            .unwrap_err();
        assert_eq!((attempts.get(), start.elapsed()), (2, 3 * SECOND));
        assert_eq!(error.kind(), ErrorKind::Deadline);
        assert!(error.to_string().starts_with("pull: busybox: not done within 3s"), "{error}");
        assert_eq!(error.source().unwrap().to_string(), "pull: busybox");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_total_bound_is_not_begun() {
        let policy = RetryPolicy::new()
            .attempts(99)
            .first_pause(3600 * SECOND)
            .longest_pause(3600 * SECOND)
            .total(SECOND)
            .seed(1);
        let start = Instant::now();
        let (result, attempts) = run(&policy, 99, ErrorKind::RegistryBusy).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::RegistryBusy);
        assert_eq!((attempts, start.elapsed()), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_to_be_left_alone_is_left_alone_unless_it_is_for_too_long() {
        let asked = |seconds: u32| async move {
            let start = Instant::now();
            let attempts = Cell::new(0_u32);
            let policy = RetryPolicy::new().attempts(3).patience(20 * SECOND);
            let result: Result<()> = policy
                .run("pull", "busybox", || async {
                    attempts.set(attempts.get() + 1);
                    Err(busy().retry_after(seconds * SECOND))
                })
                .await;
            assert_eq!(result.unwrap_err().asks_to_wait(), Some(seconds * SECOND));
            (attempts.get(), start.elapsed())
        };
        assert_eq!(asked(20).await, (3, 40 * SECOND));
        assert_eq!(asked(21).await, (1, Duration::ZERO));
        // A pause of the policy's own that is longer counts.
        let (attempts, time) = asked(0).await;
        assert!(attempts == 3 && time > Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_to_be_left_alone_for_ever_is() {
        for patience in [20 * SECOND, Duration::MAX] {
            let policy = RetryPolicy::new().patience(patience).total(3600 * SECOND);
            let attempts = Cell::new(0_u32);
            let result: Result<()> = policy
                .run("pull", "busybox", || async {
                    attempts.set(attempts.get() + 1);
                    Err(busy().retry_after(Duration::MAX))
                })
                .await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::RegistryBusy);
            assert_eq!(attempts.get(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_bound_at_all_is_no_fault() {
        let policy = RetryPolicy::new().total(Duration::MAX);
        assert_eq!(run(&policy, 1, ErrorKind::Busy).await.0.unwrap(), 2);
    }

    #[test]
    fn a_seed_makes_pauses_repeat_and_none_makes_them_differ() {
        let pauses = |policy: &RetryPolicy| policy.pauses().collect::<Vec<_>>();
        let seeded = RetryPolicy::new().attempts(9).seed(7);
        assert_eq!(pauses(&seeded), pauses(&seeded));
        let unseeded = RetryPolicy::new().attempts(9);
        assert_ne!(pauses(&unseeded), pauses(&unseeded));
    }

    #[test]
    fn pauses_fill_the_whole_range() {
        let policy = RetryPolicy::new().attempts(2).first_pause(SECOND);
        let pauses: Vec<Duration> =
            (0..1000).filter_map(|seed| policy.clone().seed(seed).pauses().next()).collect();
        assert_eq!(pauses.len(), 1000);
        for tenth in 0..10 {
            let range = SECOND * tenth / 10..SECOND * (tenth + 1) / 10;
            let count = pauses.iter().filter(|pause| range.contains(pause)).count();
            assert!((50..200).contains(&count), "{count} of 1000 pauses in {range:?}");
        }
    }

    proptest! {
        #[test]
        fn every_pause_is_within_its_bound(
            first in 0_u64..100_000, longest in 0_u64..100_000, attempts in 1_u32..40, seed: u64,
        ) {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
            let policy = RetryPolicy::new()
                .attempts(attempts).first_pause(first).longest_pause(longest).seed(seed);
            let pauses: Vec<Duration> = policy.pauses().collect();
            prop_assert_eq!(pauses.len(), attempts as usize - 1);
            for (n, pause) in (0_u32..).zip(pauses) {
                let most = first.saturating_mul(1_u32.checked_shl(n).unwrap_or(u32::MAX));
                // The library computes with single precision.
                prop_assert!(pause <= most.min(longest).mul_f64(1.0001), "{:?} of {:?}", pause, most);
            }
        }
    }
}
