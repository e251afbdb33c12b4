//! Until when what a dead owner left may be taken up again.

use longshore_driver_api::LABEL_RECOVERABLE_UNTIL;
use longshore_stats::Timestamp;

use crate::client::reply::Listed;

/// Until when a thing may be taken up again.
#[derive(Debug, PartialEq)]
pub(super) enum Until {
    Time(Timestamp),
    /// It cannot be read, which protects: nothing is proven then.
    Unknown,
}

impl Until {
    /// Whether that is over.
    pub(super) fn has_passed(&self, now: Option<Timestamp>) -> bool {
        matches!((self, now), (Self::Time(until), Some(now)) if *until <= now)
    }
}

/// Until when a thing may be taken up again, if it may.
pub(super) fn until(thing: &Listed) -> Option<Until> {
    let text = thing.label(LABEL_RECOVERABLE_UNTIL)?;
    Some(text.parse().map_or(Until::Unknown, Until::Time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_that_has_passed_gives_a_container_free() {
        let with = |until: Option<&str>| {
            let label = until.map(|until| (LABEL_RECOVERABLE_UNTIL.to_owned(), until.to_owned()));
            Listed { labels: label.into_iter().collect(), ..Listed::default() }
        };
        let now = "2026-01-01T00:00:00Z".parse().ok();
        let has_passed = |text| until(&with(Some(text))).is_some_and(|until| until.has_passed(now));
        assert_eq!(until(&with(None)), None);
        assert_eq!(until(&with(Some(""))), None);
        assert!(has_passed("2025-12-31T23:59:59Z"));
        assert!(!has_passed("2026-01-01T00:00:01Z"));
        assert!(!has_passed("soon"));
        // Without the engine's time nothing has.
        assert!(until(&with(Some("2001-01-01T00:00:00Z"))).is_some_and(|it| !it.has_passed(None)));
    }
}
