//! Exact means of samples, rounded half to even.

use std::collections::BTreeMap;

use crate::{Metric, Metrics, Sample, Timestamp};

/// The sums of any number of samples: enough to give their exact mean, and to be joined with other
/// sums.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    samples: u64,
    /// Of Unix nanoseconds. A moment needs less than 2^68, so 2^58 samples fit.
    moments: i128,
    /// Which metrics at least one sample had.
    present: u32,
    values: [u128; Metric::COUNT],
    /// How many samples had each metric, once that is not all of them for each that is present.
    counts: Option<Box<[u64; Metric::COUNT]>>,
    custom: BTreeMap<Box<str>, Part>,
}

/// One custom metric's sum.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    sum: u128,
    count: u64,
}

impl Sums {
    pub(crate) fn new() -> Self {
        Self {
            samples: 0,
            moments: 0,
            present: 0,
            values: [0; Metric::COUNT],
            counts: None,
            custom: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, sample: &Sample) {
        let metrics = &sample.metrics;
        self.count(metrics.present(), 1, None);
        self.moments += sample.timestamp.unix_nanos();
        for metric in metrics_in(metrics.present()) {
            self.values[metric] += u128::from(metrics.values()[metric]);
        }
        for (name, &value) in metrics.custom().into_iter().flatten() {
            self.add_custom(name, Part { sum: value.into(), count: 1 });
        }
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.count(other.present, other.samples, other.counts.as_deref());
        self.moments += other.moments;
        for metric in metrics_in(other.present) {
            self.values[metric] += other.values[metric];
        }
        for (name, &part) in &other.custom {
            self.add_custom(name, part);
        }
    }

    /// The mean moment in Unix nanoseconds. At least one sample must have been added.
    pub(crate) fn moment(&self) -> i128 {
        Divisor::new(self.samples).moment(0, self.moments)
    }

    /// The mean of the samples that were added, of which there must be one.
    pub(crate) fn mean(&self) -> Sample {
        let divisor = Divisor::new(self.samples);
        let mut metrics = Metrics::new();
        for (slot, &metric) in Metric::ALL.iter().enumerate() {
            if self.present & metric.bit() == 0 {
                continue;
            }
            let mean = match &self.counts {
                None => divisor.mean(self.values[slot]),
                Some(counts) => Divisor::new(counts[slot]).mean(self.values[slot]),
            };
            metrics.set(metric, mean);
        }
        for (name, part) in &self.custom {
            metrics.set_named(name, Divisor::new(part.count).mean(part.sum));
        }
        Sample::new(Timestamp::between(self.moment()), metrics)
    }

    /// Notes which metrics `samples` more samples have: `present` in all of them, unless `counts`
    /// tells otherwise.
    fn count(&mut self, present: u32, samples: u64, counts: Option<&[u64; Metric::COUNT]>) {
        if self.samples == 0 {
            self.counts = counts.map(|counts| Box::new(*counts));
        } else if self.counts.is_some() || counts.is_some() || self.present != present {
            let (before, already) = (self.samples, self.present);
            let mine = self.counts.get_or_insert_with(|| Box::new(all_or_none(already, before)));
            let theirs = counts.copied().unwrap_or_else(|| all_or_none(present, samples));
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
        self.present |= present;
        self.samples += samples;
    }

    fn add_custom(&mut self, name: &str, more: Part) {
        let part = match self.custom.get_mut(name) {
            Some(part) => part,
            None => self.custom.entry(name.into()).or_default(),
        };
        part.sum += more.sum;
        part.count += more.count;
    }
}

/// Adds the exact mean of one window's samples, of which there must be one.
///
/// Most windows have the same known metrics in every sample: then each metric's column is summed in
/// registers. The point is written in its place: as a return value it would be copied twice, which
/// takes as long as the arithmetic.
pub(crate) fn push_mean(points: &mut Vec<Sample>, window: &[Sample]) {
    let first = &window[0];
    if window.len() == 1 {
        return points.push(first.clone());
    }
    let present = first.metrics.present();
    let is_alike =
        |sample: &Sample| sample.metrics.present() == present && sample.metrics.custom().is_none();
    if !window.iter().all(is_alike) {
        return points.push(mixed_mean(window));
    }
    let divisor = Divisor::new(window.len() as u64);
    let base = first.timestamp.unix_nanos();
    let offsets = window.iter().map(|sample| sample.timestamp.unix_nanos() - base).sum();
    let moment = Timestamp::between(divisor.moment(base, offsets));
    let values = points.push_mut(Sample::new(moment, Metrics::new())).metrics.fill(present);
    let slots = u32::BITS - present.leading_zeros();
    for (slot, value) in values.iter_mut().enumerate().take(slots as usize) {
        if present >> slot & 1 == 1 {
            *value = match window {
                [left, right] => {
                    mean_of_two(left.metrics.values()[slot], right.metrics.values()[slot])
                }
                _ => divisor.mean(
                    window.iter().map(|sample| u128::from(sample.metrics.values()[slot])).sum(),
                ),
            };
        }
    }
}

#[cold]
fn mixed_mean(window: &[Sample]) -> Sample {
    let mut sums = Sums::new();
    window.iter().for_each(|sample| sums.add(sample));
    sums.mean()
}

/// `(left + right) / 2`, rounded half to even, without leaving 64 bits.
fn mean_of_two(left: u64, right: u64) -> u64 {
    let below = (left & right) + ((left ^ right) >> 1);
    below + ((left ^ right) & below & 1)
}

/// Divides sums by one count without a division for each: multiplies by the reciprocal and
/// corrects.
struct Divisor {
    count: u64,
    reciprocal: u64,
}

impl Divisor {
    /// `count` must not be zero, and less than 2^63.
    fn new(count: u64) -> Self {
        Self { count, reciprocal: u64::MAX / count }
    }

    /// `sum / count`, rounded half to even, for a sum of that many 64-bit numbers.
    fn mean(&self, sum: u128) -> u64 {
        let (quotient, rest) = match u64::try_from(sum) {
            Ok(small) => self.divide(small),
            Err(_) => {
                let count = u128::from(self.count);
                let quotient = u64::try_from(sum / count)
                    .expect("the mean of 64-bit numbers has at most 64 bits");
                (
                    quotient,
                    u64::try_from(sum % count)
                        .expect("a remainder is smaller than its 64-bit divisor"),
                )
            }
        };
        quotient + u64::from(self.rounds_up(quotient & 1 == 1, rest))
    }

    /// `base` plus the mean of `count` offsets of that sum, rounded half to even.
    fn moment(&self, base: i128, offsets: i128) -> i128 {
        let (quotient, rest) = match u64::try_from(offsets) {
            Ok(small) => {
                let (quotient, rest) = self.divide(small);
                (quotient.into(), rest)
            }
            Err(_) => {
                let count = i128::from(self.count);
                let rest = u64::try_from(offsets.rem_euclid(count))
                    .expect("a remainder is smaller than its 64-bit divisor");
                (offsets.div_euclid(count), rest)
            }
        };
        let below = base + quotient;
        below + i128::from(self.rounds_up(below & 1 == 1, rest))
    }

    /// Quotient and remainder.
    fn divide(&self, sum: u64) -> (u64, u64) {
        // The reciprocal is too small by less than one in 2^64, so this is too small by at most
        // one.
        let quotient = ((u128::from(sum) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = sum - quotient * self.count;
        let short = u64::from(rest >= self.count);
        (quotient + short, rest - short * self.count)
    }

    /// A half rounds up where that makes the quotient even.
    fn rounds_up(&self, is_odd: bool, rest: u64) -> bool {
        2 * rest + u64::from(is_odd) > self.count
    }
}

fn all_or_none(present: u32, samples: u64) -> [u64; Metric::COUNT] {
    let mut counts = [0; Metric::COUNT];
    for metric in metrics_in(present) {
        counts[metric] = samples;
    }
    counts
}

/// The slots of the metrics in a mask.
fn metrics_in(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let slot = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (slot < u32::BITS).then_some(slot as usize)
    })
}

#[cfg(test)]
mod tests {
    //! Rounding, and the fast way against the plain one.

    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 5] = ["net_rx", "cpu_total", "psi_io_full", "x", "y"];

    fn some_metrics() -> impl Strategy<Value = Vec<(&'static str, u64)>> {
        prop::collection::vec((prop::sample::select(&NAMES[..]), any::<u64>()), 0..5)
    }

    fn plain_mean(sum: u128, count: u64) -> u64 {
        let (quotient, twice_rest) = (sum / u128::from(count), 2 * (sum % u128::from(count)));
        let up = twice_rest > count.into() || (twice_rest == count.into() && quotient % 2 == 1);
        u64::try_from(quotient + u128::from(up)).unwrap()
    }

    fn at(nanos: i64, metrics: &[(&str, u64)]) -> Sample {
        Sample::new(Timestamp::from_unix_nanos(nanos), metrics.iter().copied().collect())
    }

    fn mean_of(window: &[Sample]) -> Sample {
        let mut points = Vec::new();
        push_mean(&mut points, window);
        points.remove(0)
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let means: Vec<_> = [1, 3, 5, 7].map(|sum| Divisor::new(2).mean(sum)).to_vec();
        assert_eq!(means, [0, 2, 2, 4]);
        assert_eq!([-3, -1, 1, 3].map(|sum| Divisor::new(2).moment(0, sum)), [-2, 0, 0, 2]);
        assert_eq!(Divisor::new(2).moment(1, 1), 2, "evenness is the result's, not the offset's");
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

    proptest! {
        #[test]
        fn dividing_by_the_reciprocal_is_exact(
            values in prop::collection::vec(any::<u64>(), 1..50),
            count in 1_u64..1 << 63,
            small: u64,
        ) {
            let sum = values.iter().copied().map(u128::from).sum();
            let length = values.len() as u64;
            prop_assert_eq!(Divisor::new(length).mean(sum), plain_mean(sum, length));
            for count in [count, length] {
                prop_assert_eq!(Divisor::new(count).mean(small.into()), plain_mean(small.into(), count));
            }
            let both = u128::from(small) + u128::from(values[0]);
            prop_assert_eq!(mean_of_two(small, values[0]), plain_mean(both, 2));
        }

        #[test]
        fn sums_joined_in_any_shape_give_the_mean_of_all(
            samples in prop::collection::vec((any::<i64>(), some_metrics()), 1..20),
            cuts in prop::collection::vec(any::<bool>(), 20),
        ) {
            let samples: Vec<_> =
                samples.into_iter().map(|(nanos, metrics)| at(nanos, &metrics)).collect();
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
