//! A token bucket: so many at once, then so many a second. Arithmetic only; who waits sleeps.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket, kept as the time at which it would be full again.
///
/// Tokens are given out in advance: whoever takes one is told when it is his.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// From one token to the next.
    interval: Duration,
    burst: u32,
    full_at: Option<Instant>,
}

impl Bucket {
    /// A full bucket. No rate means no limit.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let interval =
            if per_second == 0 { Duration::ZERO } else { Duration::from_secs(1) / per_second };
        Self { interval, burst: burst.max(1), full_at: None }
    }

    /// Takes a token, and says from when on it is there.
    pub(crate) fn take(&mut self, now: Instant) -> Instant {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + self.interval;
        self.full_at = Some(full_at);
        let credit = self.interval * self.burst;
        full_at.checked_sub(credit).map_or(now, |from| from.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_then_the_rate_holds() {
        let mut bucket = Bucket::new(10, 20);
        let begun = Instant::now();
        for token in 0..120_u32 {
            let from = bucket.take(Instant::now());
            tokio::time::sleep_until(from).await;
            let expected = Duration::from_millis(100) * token.saturating_sub(19);
            assert_eq!(begun.elapsed(), expected, "token {token}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_fills_again_up_to_the_burst_and_no_further() {
        let mut bucket = Bucket::new(10, 2);
        for _ in 0..2 {
            bucket.take(Instant::now());
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        let now = Instant::now();
        let froms = [bucket.take(now), bucket.take(now), bucket.take(now)];
        assert_eq!(froms, [now, now, now + Duration::from_millis(100)]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_there_is_no_limit() {
        let mut bucket = Bucket::new(0, 1);
        let now = Instant::now();
        assert!((0..1000).all(|_| bucket.take(now) == now));
    }
}
