//! Decimation at once: which samples meet in a point, and odd input.

use longshore_stats::{Metric, Metrics, Sample, Series, Timestamp, decimate};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::partition::{assert_each_once, assert_means, places, tagged};

/// Moments in order: small steps, equal ones, gaps.
fn rising() -> impl Strategy<Value = Vec<i64>> {
    let step =
        prop_oneof![4 => 0_i64..5, 2 => 900_000_000_i64..1_100_000_000, 1 => 0_i64..20_000_000_000];
    (-5_000_000_000_i64..5_000_000_000, prop::collection::vec(step, 1..80)).prop_map(
        |(start, steps)| {
            steps
                .into_iter()
                .scan(start, |now, step| {
                    *now += step;
                    Some(*now)
                })
                .collect()
        },
    )
}

/// The walk as Fn's driver describes it, window by window. Only for spans that make it end.
fn step_by_step(max: usize, moments: &[i64]) -> Vec<Vec<usize>> {
    let (first, last) = (moments[0], moments[moments.len() - 1]);
    let width = (last - first) / i64::try_from(max).unwrap();
    let mut windows = Vec::new();
    let (mut upper, mut taken) = (first, 0);
    while taken < moments.len() {
        upper += width;
        let mut window = Vec::new();
        while taken < moments.len() && (windows.len() + 1 == max || moments[taken] <= upper) {
            window.push(taken);
            taken += 1;
        }
        if !window.is_empty() {
            windows.push(window);
        }
    }
    windows
}

proptest! {
    #[test]
    fn the_windows_are_those_of_the_plain_walk(moments in rising(), part in any::<Index>()) {
        let max = 1 + part.index(moments.len());
        let span = moments[moments.len() - 1] - moments[0];
        let points = decimate(max, &tagged(&moments));
        if moments.len() > max && span >= i64::try_from(max).unwrap() {
            prop_assert_eq!(places(&points), step_by_step(max, &moments));
        }
    }

    #[test]
    fn at_most_max_points_in_order_and_each_sample_in_exactly_one(
        moments in rising(),
        max in 1_usize..100,
    ) {
        let samples = tagged(&moments);
        let points = decimate(max, &samples);
        prop_assert!(points.len() <= max);
        prop_assert!(points.is_sorted_by_key(|point| point.timestamp));
        assert_each_once(&places(&points), samples.len());
        assert_means(&points, &samples);
    }

    #[test]
    fn any_moments_in_any_order_have_a_result(
        moments in prop::collection::vec(any::<i64>(), 0..40),
        max: usize,
        small in 0_usize..40,
    ) {
        let samples = tagged(&moments);
        for max in [max, small] {
            let points = decimate(max, &samples);
            prop_assert!(points.len() <= max);
            if samples.len() <= max {
                prop_assert_eq!(&points, &samples);
            } else if max > 0 {
                prop_assert!(points.is_sorted_by_key(|point| point.timestamp));
                assert_each_once(&places(&points), samples.len());
                assert_means(&points, &samples);
            }
        }
    }

    #[test]
    fn the_order_of_arrival_changes_nothing(
        moments in prop::collection::btree_set(any::<i64>(), 2..40),
        seed: u64,
    ) {
        let moments: Vec<_> = moments.into_iter().collect();
        let samples = tagged(&moments);
        let mut shuffled = samples.clone();
        let scrambled = |sample: &Sample| sample.timestamp.unix_nanos() ^ i128::from(seed);
        shuffled.sort_by_key(|sample| scrambled(sample).rotate_left(7));
        let max = moments.len() / 2;
        prop_assert_eq!(decimate(max, &shuffled), decimate(max, &samples));
    }

    #[test]
    fn equal_moments_become_one_point(moment: i64, more in 1_usize..30, max in 1_usize..10) {
        let points = decimate(max, &tagged(&vec![moment; max + more]));
        prop_assert_eq!(points.len(), 1);
        prop_assert_eq!(points[0].timestamp, Timestamp::from_unix_nanos(moment));
    }
}

#[test]
fn a_gap_shortens_the_list() {
    let second = 1_000_000_000;
    let with_gap: Vec<_> =
        (0..300).map(|at| second * if at < 150 { at } else { at + 1200 }).collect();
    let even: Vec<_> = (0..300).map(|at| second * at).collect();
    assert_eq!(decimate(240, &tagged(&even)).len(), 240);
    assert_eq!(decimate(240, &tagged(&with_gap)).len(), 49);
}

#[test]
fn ten_samples_a_minute_apart_have_the_mean_of_fns_own_test() {
    let samples: Vec<_> = (0..10_u64)
        .zip((1_470_873_600_000_000_000_i64..).step_by(60_000_000_000))
        .map(|(x, nanos)| {
            Sample::new(Timestamp::from_unix_nanos(nanos), Metrics::new().with_named("x", x))
        })
        .collect();
    let points = decimate(1, &samples);
    assert_eq!(points[0].timestamp.unix_nanos(), 1_470_873_870_000_000_000);
    assert_eq!(points[0].metrics.get_named("x"), Some(4));
}

#[test]
fn no_more_samples_than_max_are_returned_as_they_are_even_out_of_order() {
    let samples = tagged(&[5, -3, 5]);
    assert_eq!(decimate(3, &samples), samples);
    assert_eq!(decimate(usize::MAX, &samples), samples);
    assert_eq!(decimate(0, &samples), []);
    assert_eq!(decimate(0, &[]), []);
}

#[test]
fn the_ends_of_the_calendar_are_averaged() {
    let ends = [Timestamp::MIN, Timestamp::MAX];
    let samples: Vec<_> =
        ends.into_iter().map(|moment| Sample::new(moment, Metrics::new())).collect();
    let middle = (Timestamp::MIN.unix_nanos() + Timestamp::MAX.unix_nanos()) / 2;
    assert_eq!(decimate(1, &samples)[0].timestamp.unix_nanos(), middle + middle % 2);
}

#[test]
fn a_metric_that_is_sometimes_absent_is_not_taken_for_zero() {
    let at = |nanos, value: Option<u64>| {
        let mut metrics = Metrics::new();
        metrics.set_some(Metric::CpuTotal, value);
        Sample::new(Timestamp::from_unix_nanos(nanos), metrics)
    };
    let samples: Series =
        [at(0, None), at(1, Some(100)), at(2, Some(102)), at(3, None)].into_iter().collect();
    let points = samples.decimate(1);
    assert_eq!(points[0].metrics.get(Metric::CpuTotal), Some(101));
    assert_eq!(samples.decimate(3)[2].metrics.get(Metric::CpuTotal), None);
}
