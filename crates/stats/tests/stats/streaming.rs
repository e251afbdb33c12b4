//! Decimation while samples arrive, against decimation at once.

use std::collections::BTreeMap;

use longshore_stats::{Decimator, Sample, decimate};
use proptest::prelude::*;

use crate::partition::{assert_each_once, assert_means, places, tagged};

fn streamed(max: usize, samples: &[Sample]) -> Decimator {
    let mut decimator = Decimator::new(max);
    decimator.extend(samples.iter().cloned());
    decimator
}

/// Moments with steps of all sizes, some of them back in time.
fn wandering() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![
        8 => 0_i64..1_100_000_000,
        4 => 0_i64..10,
        1 => -3_000_000_000_i64..0,
        1 => 0_i64..600_000_000_000,
    ];
    prop::collection::vec(step, 1..200).prop_map(|steps| {
        steps
            .into_iter()
            .scan(0, |now, step| {
                *now += step;
                Some(*now)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn while_few_samples_are_held_the_result_is_that_of_all_at_once(
        moments in wandering(),
        max in 0_usize..60,
    ) {
        let samples = tagged(&moments);
        let held = if max == 0 { samples.len() } else { samples.len().min(4 * max + 1) };
        let decimator = streamed(max, &samples[..held]);
        prop_assert_eq!(decimator.grain().as_nanos(), 0);
        prop_assert_eq!(decimator.series().into_samples(), decimate(max, &samples[..held]));
    }

    #[test]
    fn at_most_max_points_in_order_and_each_sample_in_exactly_one(
        moments in wandering(),
        max in 1_usize..12,
    ) {
        let samples = tagged(&moments);
        let decimator = streamed(max, &samples);
        let points = decimator.series().into_samples();
        prop_assert_eq!(decimator.taken(), samples.len() as u64);
        prop_assert!(points.len() <= max);
        if samples.len() > max {
            prop_assert!(points.is_sorted_by_key(|point| point.timestamp));
        }
        assert_each_once(&places(&points), samples.len());
        assert_means(&points, &samples);
    }

    #[test]
    fn only_samples_within_a_grain_of_an_edge_may_meet_others_than_at_once(
        moments in wandering(),
        max in 1_usize..12,
    ) {
        let samples = tagged(&moments);
        let decimator = streamed(max, &samples);
        let grain = i64::try_from(decimator.grain().as_nanos()).unwrap();
        let (first, last) = (*moments.iter().min().unwrap(), *moments.iter().max().unwrap());
        let (span, bins) = (last - first, i64::try_from(max).unwrap());
        prop_assert!(grain == 0 || 2 * bins * grain < span, "grain {} of span {}", grain, span);

        let width = span / bins;
        if samples.len() <= max || width == 0 {
            // Equal to what is decimated at once, as another test shows.
            prop_assert_eq!(grain, 0);
            return Ok(());
        }
        // Edges lie at `first + k * width`. What lies beyond the last is the remainder of the
        // division.
        let is_inside = |moment: i64| {
            let (offset, in_window) = (moment - first, (moment - first) % width);
            let is_in_first = offset + grain <= width;
            let is_in_other = in_window >= grain && width - in_window >= grain;
            (is_in_first || is_in_other) && offset + grain <= width * bins
        };
        let at_once = point_of_each(&decimate(max, &samples));
        let in_stream = point_of_each(&decimator.series());
        let mut same_point = BTreeMap::new();
        for at in (0..samples.len()).filter(|&at| is_inside(moments[at])) {
            let met = *same_point.entry(at_once[&at]).or_insert(in_stream[&at]);
            prop_assert_eq!(met, in_stream[&at], "sample {} left its window", at);
        }
        let mut distinct: Vec<_> = same_point.values().collect();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), same_point.len(), "two windows became one");
    }

    #[test]
    fn extreme_moments_have_a_result(
        moments in prop::collection::vec(any::<i64>(), 1..60),
        max in 0_usize..6,
    ) {
        let samples = tagged(&moments);
        let points = streamed(max, &samples).series().into_samples();
        prop_assert!(points.len() <= max);
        if max > 0 {
            assert_each_once(&places(&points), samples.len());
            assert_means(&points, &samples);
        }
    }
}

fn point_of_each(points: &[Sample]) -> BTreeMap<usize, usize> {
    let of_point =
        |(point, places): (usize, Vec<usize>)| places.into_iter().map(move |at| (at, point));
    places(points).into_iter().enumerate().flat_map(of_point).collect()
}

#[test]
fn an_hour_sampled_evenly_gives_the_same_points_as_at_once_but_for_the_edges() {
    let moments: Vec<_> = (0..3600).map(|second| second * 1_000_000_000).collect();
    let samples = tagged(&moments);
    let decimator = streamed(240, &samples);
    let points = decimator.series().into_samples();
    assert_eq!(points.len(), 240);
    for (point, at_once) in points.iter().zip(decimate(240, &samples)) {
        let apart = (point.timestamp.unix_nanos() - at_once.timestamp.unix_nanos()).unsigned_abs();
        assert!(apart < decimator.grain().as_nanos(), "{point:?} {at_once:?}");
    }
}

#[test]
fn the_series_so_far_can_be_asked_for_at_any_time() {
    let samples = tagged(&(0..100).collect::<Vec<_>>());
    let mut decimator = Decimator::new(5);
    for (taken, sample) in samples.iter().enumerate() {
        decimator.push(sample.clone());
        assert_each_once(&places(&decimator.series()), taken + 1);
    }
}
