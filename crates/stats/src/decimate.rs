//! Fewer points for a whole series at once.

use crate::Sample;
use crate::mean::push_mean;
use crate::window::Windows;

/// At most `max` points that stand for `samples`: each the exact mean of the samples of one window
/// of time.
///
/// - No more samples than `max`: they are returned unchanged. `max` 0: nothing.
/// - Windows: `(last - first) / max` whole nanoseconds wide from the first sample on, upper bound
///   included. An empty window gives no point, so that gaps shorten the list; the last point that
///   `max` allows takes all samples that are left. Fewer than `max` nanoseconds from first to last:
///   a point for each moment.
/// - A point's timestamp is the mean of its samples' timestamps. Each of its metrics is the mean
///   over those samples that have it. Both are exact, rounded to the nearest nanosecond or unit,
///   halves to the even neighbour.
/// - Samples out of order (and more than `max`) are taken in the order of their time. The points
///   are in that order.
///
/// These are the windows of Fn's `Decimate`; it cut decimals off and took an absent metric for
/// zero.
///
/// ```
/// use longshore_stats::{Metric, Metrics, Sample, Timestamp, decimate};
///
/// let samples: Vec<_> = (0..480)
///     .map(|second| Timestamp::from_unix_nanos(second * 1_000_000_000))
///     .map(|moment| Sample::new(moment, Metrics::new().with(Metric::Pids, 4)))
///     .collect();
/// let points = decimate(240, &samples);
/// assert_eq!(points.len(), 240);
/// assert_eq!(points[0].timestamp.to_string(), "1970-01-01T00:00:00.500Z");
/// assert_eq!(points[0].metrics.get(Metric::Pids), Some(4));
/// ```
#[must_use]
pub fn decimate(max: usize, samples: &[Sample]) -> Vec<Sample> {
    if samples.len() <= max {
        return samples.to_vec();
    }
    if max == 0 {
        return Vec::new();
    }
    points(max, samples).unwrap_or_else(|| {
        let mut sorted = samples.to_vec();
        sorted.sort_by_key(|sample| sample.timestamp);
        points(max, &sorted).expect("sorted samples are in order")
    })
}

/// `None` where `samples` are out of order. They are not empty, and `max` is not zero.
fn points(max: usize, samples: &[Sample]) -> Option<Vec<Sample>> {
    let (first, last) = (moment(samples.first()?), moment(samples.last()?));
    if last < first {
        return None;
    }
    let mut windows = Windows::new(max, first, last);
    let mut points = Vec::with_capacity(max.min(samples.len()));
    let mut rest = samples;
    while let Some(first) = rest.first() {
        let upper = windows.next_upper(moment(first));
        let taken = push_mean(&mut points, rest, upper)?;
        rest = &rest[taken..];
    }
    Some(points)
}

fn moment(sample: &Sample) -> i128 {
    sample.timestamp.unix_nanos()
}
