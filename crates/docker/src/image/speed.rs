//! How fast bytes come of late.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What counts as of late.
const WINDOW: Duration = Duration::from_secs(4);
/// Nothing is said of less than this.
const SHORTEST: Duration = Duration::from_millis(250);
/// The marks that are kept are at least so far apart.
const APART: Duration = Duration::from_millis(50);

/// Measures a rate over the last seconds.
#[derive(Debug, Default)]
pub(super) struct Speed {
    marks: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// So many bytes have come in all by `now`; bytes a second, once that can be said.
    pub(super) fn at(&mut self, now: Instant, bytes: u64) -> Option<u64> {
        // A layer that begins anew takes its bytes back.
        if self.marks.back().is_some_and(|(_, before)| *before > bytes) {
            self.marks.clear();
        }
        if self.marks.back().is_none_or(|(last, _)| now - *last >= APART) {
            self.marks.push_back((now, bytes));
        }
        // One mark from before the window is kept, to measure from.
        while self.marks.get(1).is_some_and(|(at, _)| now - *at >= WINDOW) {
            self.marks.pop_front();
        }
        let (since, before) = *self.marks.front()?;
        let time = now - since;
        if time < SHORTEST {
            return None;
        }
        let rate = u128::from(bytes - before) * 1000 / time.as_millis();
        Some(u64::try_from(rate).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates(steps: &[(u64, u64)]) -> Vec<Option<u64>> {
        let (mut speed, mut now) = (Speed::default(), Instant::now());
        let mut at = |&(pause, bytes): &(u64, u64)| {
            now += Duration::from_millis(pause);
            speed.at(now, bytes)
        };
        steps.iter().map(&mut at).collect()
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let steps = [(0, 0), (100, 50), (900, 1000), (3000, 1000), (3000, 1000), (1000, 9000)];
        let expected = [None, None, Some(1000), Some(250), Some(0), Some(2000)];
        assert_eq!(rates(&steps), expected);
    }

    #[test]
    fn bytes_that_are_taken_back_begin_anew() {
        assert_eq!(rates(&[(0, 0), (1000, 5000), (1000, 10), (1000, 110)])[2..], [None, Some(100)]);
    }

    proptest! {
        #[test]
        fn no_history_panics_or_grows(steps in proptest::collection::vec((0_u64..9000, any::<u64>()), 0..300)) {
            let (mut speed, mut now) = (Speed::default(), Instant::now());
            for (pause, bytes) in steps {
                now += Duration::from_millis(pause);
                speed.at(now, bytes);
                prop_assert!(speed.marks.len() <= 82);
            }
        }
    }
}
