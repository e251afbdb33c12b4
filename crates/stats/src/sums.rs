//! Exact sums of samples.

use std::collections::BTreeMap;

use crate::divide::Divisor;
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
            self.values[metric] += u128::from(metrics.value(metric));
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
