//! Finds out which samples each point stands for: every sample gets a metric of its own.

use longshore_stats::{Metric, Metrics, Sample, Timestamp};

/// A sample for each moment (Unix nanoseconds), with a metric named after its place in the list.
pub(crate) fn tagged(moments: &[i64]) -> Vec<Sample> {
    moments
        .iter()
        .enumerate()
        .map(|(at, &nanos)| {
            let metrics = Metrics::new()
                .with(Metric::NetRx, nanos.unsigned_abs())
                .with_named(&format!("#{at}"), 1);
            Sample::new(Timestamp::from_unix_nanos(nanos), metrics)
        })
        .collect()
}

/// For each point the places of its samples, ascending.
pub(crate) fn places(points: &[Sample]) -> Vec<Vec<usize>> {
    let place = |name: &str| name.strip_prefix('#')?.parse().ok();
    points
        .iter()
        .map(|point| {
            let mut places: Vec<usize> =
                point.metrics.iter().filter_map(|(name, _)| place(name)).collect();
            places.sort_unstable();
            places
        })
        .collect()
}

/// Asserts that each of `len` samples is in exactly one point.
pub(crate) fn assert_each_once(places: &[Vec<usize>], len: usize) {
    let mut all = places.concat();
    all.sort_unstable();
    assert_eq!(all, (0..len).collect::<Vec<_>>());
    assert!(places.iter().all(|places| !places.is_empty()), "a point without a sample");
}

/// The exact mean, rounded half to even, by the definition.
pub(crate) fn mean(values: impl IntoIterator<Item = i128>) -> i128 {
    let values: Vec<_> = values.into_iter().collect();
    let count = i128::try_from(values.len()).unwrap();
    let sum: i128 = values.iter().sum();
    let (below, twice_rest) = (sum.div_euclid(count), 2 * sum.rem_euclid(count));
    if twice_rest > count || (twice_rest == count && below.rem_euclid(2) == 1) {
        below + 1
    } else {
        below
    }
}

/// Asserts that every point is the mean of its samples.
pub(crate) fn assert_means(points: &[Sample], samples: &[Sample]) {
    for (point, places) in points.iter().zip(places(points)) {
        let moments = places.iter().map(|&at| samples[at].timestamp.unix_nanos());
        assert_eq!(point.timestamp.unix_nanos(), mean(moments));
        let values =
            places.iter().filter_map(|&at| samples[at].metrics.get(Metric::NetRx)).map(i128::from);
        assert_eq!(point.metrics.get(Metric::NetRx).map(i128::from), Some(mean(values)));
    }
}
