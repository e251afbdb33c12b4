//! The mean of one window's samples.

use crate::columns::Columns;
use crate::divide::{Divisor, mean_of_two, moment_of_two};
use crate::sums::Sums;
use crate::{Metrics, Sample, Timestamp};

/// Adds the exact mean of the samples at the front of `rest`, up to and including the moment
/// `upper`, and tells how many they are. The first, which must exist, is always one of them. `None`
/// where they are out of order.
///
/// Each sample is read once. Windows of one and two samples have their own ways, since there the
/// time goes into making points.
#[inline]
pub(crate) fn push_mean(points: &mut Vec<Sample>, rest: &[Sample], upper: i128) -> Option<usize> {
    let is_within = |sample: &Sample| sample.timestamp.unix_nanos() <= upper;
    match rest {
        [left, right, after @ ..] if is_within(right) => {
            let is_pair = !after.first().is_some_and(is_within);
            let present = left.metrics.present();
            if is_pair && left.metrics.has_only(present) && right.metrics.has_only(present) {
                points.push(mean_of_pair(left, right)?);
                return Some(2);
            }
            push_mean_of_many(points, rest, upper)
        }
        _ => {
            points.push(rest[0].clone());
            Some(1)
        }
    }
}

/// Of samples with the same known metrics and no other; `None` where they are out of order.
#[inline]
fn mean_of_pair(left: &Sample, right: &Sample) -> Option<Sample> {
    let (earlier, later) = (left.timestamp.unix_nanos(), right.timestamp.unix_nanos());
    if later < earlier {
        return None;
    }
    let moment = Timestamp::between(moment_of_two(earlier, later));
    let (left, right) = (&left.metrics, &right.metrics);
    let boxed = left.boxed().zip(right.boxed()).map(|(left, right)| means_of_two(left, right));
    let inline = means_of_two(left.inline(), right.inline());
    Some(Sample::new(moment, Metrics::of_slots(left.present(), inline, boxed)))
}

fn means_of_two<const WIDTH: usize>(left: &[u64; WIDTH], right: &[u64; WIDTH]) -> [u64; WIDTH] {
    std::array::from_fn(|column| mean_of_two(left[column], right[column]))
}

fn push_mean_of_many(points: &mut Vec<Sample>, rest: &[Sample], upper: i128) -> Option<usize> {
    let first = &rest[0];
    let base = first.timestamp.unix_nanos();
    let present = first.metrics.present();
    let mut before = base;
    let mut moments = 0;
    let mut are_alike = true;
    let mut inline = Columns::new();
    let mut len = 0;
    for sample in rest {
        let moment = sample.timestamp.unix_nanos();
        if moment > upper {
            break;
        }
        if moment < before {
            return None;
        }
        before = moment;
        moments += moment;
        are_alike &= sample.metrics.has_only(present);
        inline.add(sample.metrics.inline());
        len += 1;
    }
    let window = &rest[..len];
    let count = len as u64;
    if !are_alike || count > Columns::<0>::MAX_ROWS {
        points.push(mixed_mean(window));
        return Some(len);
    }
    let divisor = Divisor::new(count);
    let offsets = moments - base * i128::from(count);
    let moment = Timestamp::between(divisor.moment(base, offsets));
    let boxed = first.metrics.boxed().map(|_| {
        let mut boxed = Columns::new();
        window.iter().filter_map(|sample| sample.metrics.boxed()).for_each(|row| boxed.add(row));
        boxed.means(&divisor)
    });
    let metrics = Metrics::of_slots(present, inline.means(&divisor), boxed);
    points.push(Sample::new(moment, metrics));
    Some(len)
}

#[cold]
fn mixed_mean(window: &[Sample]) -> Sample {
    let mut sums = Sums::new();
    window.iter().for_each(|sample| sums.add(sample));
    sums.mean()
}

#[cfg(test)]
mod tests {
    //! The fast way against the plain one.

    use proptest::prelude::*;

    use super::*;
    use crate::Metric;
    use crate::divide::tests::plain_mean;

    const NAMES: [&str; 5] = ["net_rx", "cpu_total", "psi_io_full", "x", "y"];

    fn some_metrics() -> impl Strategy<Value = Vec<(&'static str, u64)>> {
        prop::collection::vec((prop::sample::select(&NAMES[..]), any::<u64>()), 0..5)
    }

    fn at(nanos: i64, metrics: &[(&str, u64)]) -> Sample {
        Sample::new(Timestamp::from_unix_nanos(nanos), metrics.iter().copied().collect())
    }

    fn mean_of(window: &[Sample]) -> Sample {
        let mut points = Vec::new();
        let taken = push_mean(&mut points, window, i128::MAX);
        assert_eq!((points.len(), taken), (1, Some(window.len())));
        points.remove(0)
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        let samples = [
            at(i64::MAX, &[("net_rx", u64::MAX), ("x", u64::MAX)]),
            at(i64::MAX, &[("net_rx", u64::MAX), ("x", u64::MAX)]),
        ];
        assert_eq!(mean_of(&samples), samples[0]);
        assert_eq!(
            mean_of(&[at(0, &[("net_rx", 1 << 63)]), at(0, &[("net_rx", 1 << 63)])]),
            at(0, &[("net_rx", 1 << 63)])
        );
    }

    #[test]
    fn a_metric_is_averaged_over_the_samples_that_have_it() {
        let window =
            [at(0, &[("pids", 2), ("x", 9)]), at(2, &[]), at(4, &[("pids", 4), ("net_rx", 7)])];
        assert_eq!(mean_of(&window), at(2, &[("net_rx", 7), ("pids", 3), ("x", 9)]));
    }

    /// Any, and often so large that two of them leave 64 bits.
    fn some_value() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            (0_u64..4).prop_map(|less| u64::MAX - less),
            (0_u64..4).prop_map(|less| (1 << 32) - less),
            0_u64..4,
        ]
    }

    #[test]
    fn the_next_window_is_left_alone() {
        let samples = [0, 1, 2, 3, 5].map(|nanos| at(nanos, &[("pids", nanos as u64)]));
        for (upper, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2)] {
            let mut points = Vec::new();
            let taken = push_mean(&mut points, &samples, upper);
            assert_eq!(
                taken,
                Some(samples.iter().filter(|s| s.timestamp.unix_nanos() <= upper).count())
            );
            assert_eq!(points[0].metrics.get(Metric::Pids), Some(expected), "up to {upper}");
        }
    }

    #[test]
    fn what_is_out_of_order_has_no_mean() {
        for moments in [&[1, 0][..], &[0, 2, 1]] {
            let samples: Vec<_> = moments.iter().map(|&nanos| at(nanos, &[])).collect();
            assert_eq!(push_mean(&mut Vec::new(), &samples, 5), None);
        }
    }

    proptest! {
        #[test]
        fn samples_with_the_same_metrics_have_the_plain_means(
            known in prop::collection::btree_set(prop::sample::select(Metric::ALL), 0..Metric::COUNT),
            mut rows in prop::collection::vec(
                (any::<i64>(), prop::collection::vec(some_value(), Metric::COUNT)),
                1..40,
            ),
        ) {
            rows.sort();
            let window: Vec<_> = rows
                .iter()
                .map(|(nanos, row)| {
                    let metrics = known.iter().map(|&it| (it.name(), row[it.index()])).collect();
                    Sample::new(Timestamp::from_unix_nanos(*nanos), metrics)
                })
                .collect();
            let mean = mean_of(&window);
            prop_assert_eq!(mean.metrics.len(), known.len());
            for metric in known {
                let sum = rows.iter().map(|(_, row)| u128::from(row[metric.index()])).sum();
                let expected = plain_mean(sum, rows.len() as u64);
                prop_assert_eq!(mean.metrics.get(metric), Some(expected), "{}", metric);
            }
            prop_assert_eq!(mean, mixed_mean(&window));
        }

        #[test]
        fn sums_joined_in_any_shape_give_the_mean_of_all(
            samples in prop::collection::vec((any::<i64>(), some_metrics()), 1..20),
            cuts in prop::collection::vec(any::<bool>(), 20),
        ) {
            let mut samples: Vec<_> =
                samples.into_iter().map(|(nanos, metrics)| at(nanos, &metrics)).collect();
            samples.sort_by_key(|sample| sample.timestamp);
            let mut total = Sums::new();
            let mut part = Sums::new();
            for (sample, cut) in samples.iter().zip(cuts) {
                part.add(sample);
                if cut {
                    total.join(&part);
                    part = Sums::new();
                }
            }
            total.join(&part);
            prop_assert_eq!(total.mean(), mean_of(&samples));
            prop_assert_eq!(total.mean().timestamp.unix_nanos(), total.moment());
            for name in NAMES {
                let value = |sample: &Sample| sample.metrics.get_named(name);
                let values: Vec<_> = samples.iter().filter_map(value).collect();
                let sum = values.iter().copied().map(u128::from).sum();
                let expected = (!values.is_empty()).then(|| plain_mean(sum, values.len() as u64));
                prop_assert_eq!(total.mean().metrics.get_named(name), expected);
            }
        }
    }
}
