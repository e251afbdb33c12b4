//! Fewer points for a series that is still growing.

use std::time::Duration;

use crate::decimate::decimate;
use crate::sums::Sums;
use crate::window::Windows;
use crate::{Sample, Series};

/// Decimates while samples arrive, in bounded memory for a task of any length.
///
/// It holds at most `4 * max + 1` entries: samples as they are while there are no more than that,
/// then exact sums of the samples in equal, aligned grains of time, which double in width whenever
/// there would be too many.
///
/// How near is the result to [`decimate`] over all samples? While the samples are held as they are,
/// it is equal. Afterwards there are at most `max` points, each the exact mean of a run of samples
/// that follow each other in time, and every sample is in one of them; but a grain is never
/// divided. So a sample that is nearer to the edge of its window than one [`grain`](Self::grain)
/// may be counted to the neighbour. A grain is always narrower than half of `(last - first) / max`.
/// (What the division into whole nanoseconds leaves over at the end counts as an edge.)
///
/// ```
/// use longshore_stats::{Decimator, Metric, Metrics, Sample, Timestamp};
///
/// let mut decimator = Decimator::new(10);
/// for second in 0..100_000 {
///     let metrics = Metrics::new().with(Metric::CpuTotal, 50);
///     decimator.push(Sample::new(Timestamp::from_unix_nanos(second * 1_000_000_000), metrics));
/// }
/// let series = decimator.series();
/// assert_eq!(series.len(), 10);
/// assert_eq!(series[9].metrics.get(Metric::CpuTotal), Some(50));
/// ```
#[derive(Debug, Clone)]
pub struct Decimator {
    max: usize,
    taken: u64,
    held: Held,
}

#[derive(Debug, Clone)]
enum Held {
    /// In the order of arrival.
    Samples(Vec<Sample>),
    Grains(Grains),
}

/// Sums by grain: the grain `index` begins at `base + index * 2^shift` nanoseconds.
#[derive(Debug, Clone)]
struct Grains {
    base: i128,
    shift: u32,
    first: i128,
    last: i128,
    /// In ascending order of their index, none empty.
    grains: Vec<(i128, Sums)>,
}

impl Decimator {
    /// For at most `max` points. With 0 it keeps nothing.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, taken: 0, held: Held::Samples(Vec::new()) }
    }

    /// Takes one more sample. Best in the order of time; a late one is filed where it belongs, at
    /// the cost of a search.
    pub fn push(&mut self, sample: Sample) {
        self.taken += 1;
        let capacity = self.capacity();
        match &mut self.held {
            Held::Samples(samples) if samples.len() < capacity => samples.push(sample),
            Held::Samples(_) if self.max == 0 => {}
            Held::Samples(samples) => {
                samples.push(sample);
                self.held = Held::Grains(Grains::of(samples, capacity));
            }
            Held::Grains(grains) => {
                grains.add(&sample);
                grains.shrink(capacity);
            }
        }
    }

    /// How many samples have been taken so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The width of a grain: how near to a window's edge a sample must be to be counted to the
    /// neighbour, perhaps. Zero while the result is exactly that of [`decimate`].
    #[must_use]
    pub fn grain(&self) -> Duration {
        match &self.held {
            Held::Grains(grains) if grains.shift > 0 => duration(1 << grains.shift),
            Held::Grains(_) | Held::Samples(_) => Duration::ZERO,
        }
    }

    /// The points for what has been taken so far: at most `max`, in the order of time (of arrival,
    /// while no more than `max` samples have been taken).
    #[must_use]
    pub fn series(&self) -> Series {
        match &self.held {
            Held::Samples(samples) => decimate(self.max, samples).into(),
            Held::Grains(grains) => grains.points(self.max).into(),
        }
    }

    fn capacity(&self) -> usize {
        match self.max {
            0 => 0,
            max => max.saturating_mul(4).saturating_add(1),
        }
    }
}

impl Extend<Sample> for Decimator {
    fn extend<I: IntoIterator<Item = Sample>>(&mut self, samples: I) {
        samples.into_iter().for_each(|sample| self.push(sample));
    }
}

impl Grains {
    /// `samples` are not empty.
    fn of(samples: &mut [Sample], capacity: usize) -> Self {
        samples.sort_by_key(|sample| sample.timestamp);
        let base = samples[0].timestamp.unix_nanos();
        let mut grains = Self {
            base,
            shift: 0,
            first: base,
            last: base,
            grains: Vec::with_capacity(samples.len()),
        };
        for sample in samples {
            grains.add(sample);
        }
        grains.shrink(capacity);
        grains
    }

    fn add(&mut self, sample: &Sample) {
        let moment = sample.timestamp.unix_nanos();
        self.first = self.first.min(moment);
        self.last = self.last.max(moment);
        let index = (moment - self.base) >> self.shift;
        let place = match self.grains.last() {
            Some((last, _)) if *last == index => Ok(self.grains.len() - 1),
            Some((last, _)) if *last > index => {
                self.grains.binary_search_by_key(&index, |(index, _)| *index)
            }
            _ => Err(self.grains.len()),
        };
        let place = place.unwrap_or_else(|place| {
            self.grains.insert(place, (index, Sums::new()));
            place
        });
        self.grains[place].1.add(sample);
    }

    /// Doubles the width until there are at most `capacity` grains. All moments together span fewer
    /// than 2^69 nanoseconds, so this cannot happen more often than that over the whole life.
    fn shrink(&mut self, capacity: usize) {
        while self.grains.len() > capacity {
            self.shift += 1;
            self.grains.dedup_by(|(index, sums), (kept, into)| {
                let same = *index >> 1 == *kept >> 1;
                if same {
                    into.join(sums);
                }
                same
            });
            self.grains.iter_mut().for_each(|(index, _)| *index >>= 1);
        }
    }

    fn points(&self, max: usize) -> Vec<Sample> {
        let mut windows = Windows::new(max, self.first, self.last);
        let mut points = Vec::with_capacity(max.min(self.grains.len()));
        let mut grains = self.grains.iter().map(|(_, sums)| (sums.moment(), sums)).peekable();
        while let Some((moment, first)) = grains.next() {
            let upper = windows.next_upper(moment);
            let mut window = first.clone();
            while let Some((_, grain)) = grains.next_if(|(moment, _)| *moment <= upper) {
                window.join(grain);
            }
            points.push(window.mean());
        }
        points
    }
}

fn duration(nanos: u128) -> Duration {
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
    Duration::new(seconds, rest)
}

#[cfg(test)]
mod tests {
    //! How much is held.

    use super::*;
    use crate::{Metrics, Timestamp};

    fn entries(decimator: &Decimator) -> usize {
        match &decimator.held {
            Held::Samples(samples) => samples.len(),
            Held::Grains(grains) => grains.grains.len(),
        }
    }

    #[test]
    fn never_more_than_four_times_max_and_one_is_held() {
        for (max, step) in [(0, 1), (1, 1), (7, 1_000_000_007), (7, -1_000_000_007), (7, 0)] {
            let mut decimator = Decimator::new(max);
            for at in 0..5000_i64 {
                // Every hundredth sample is followed by a long gap.
                let moment = Timestamp::from_unix_nanos(step * (at + at / 100 * 10_000));
                decimator.push(Sample::new(moment, Metrics::new()));
                assert!(
                    entries(&decimator) <= if max == 0 { 0 } else { 4 * max + 1 },
                    "max {max}, step {step}, sample {at}"
                );
            }
        }
    }
}
