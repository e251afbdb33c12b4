//! `decimate`: fewer points for a series of nine metrics.

use std::collections::HashMap;
use std::hint::black_box;

use anyhow::{Result, ensure};
use longshore_stats::{Decimator, Metric, Metrics, Sample, Timestamp, decimate};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::frame::{Case, Plan, nanoseconds};

/// As many points as Fn keeps of a task.
const POINTS: usize = 240;

/// A sample as it is written without a second thought: a map for each.
struct Plain {
    nanos: i128,
    metrics: HashMap<String, u64>,
}

pub(crate) fn plan() -> Result<Plan> {
    let mut cases = Vec::new();
    for (what, count) in [("480-samples", 480), ("3600-samples", 3600), ("20000-samples", 20_000)] {
        let samples = samples(count);
        let plain: Vec<Plain> = samples.iter().map(plain).collect();
        agree(&samples, &plain)?;
        let streamed = samples.clone();
        let mut case = |who, run| {
            let what = what.to_owned();
            cases.push(Case::new(who, what, run));
        };
        let batch =
            nanoseconds(count, move || drop(black_box(decimate(POINTS, black_box(&samples)))));
        let stream = nanoseconds(count, move || {
            let mut decimator = Decimator::new(POINTS);
            for sample in black_box(&streamed) {
                decimator.push(sample.clone());
            }
            drop(black_box(decimator.series()));
        });
        let maps =
            nanoseconds(count, move || drop(black_box(decimate_maps(POINTS, black_box(&plain)))));
        case("longshore", batch);
        case("longshore-stream", stream);
        case("maps", maps);
    }
    Ok(Plan {
        name: "decimate",
        about: format!(
            "Decimation of samples with nine metrics to {POINTS} points, per sample: `longshore` at once, \
             `longshore-stream` while they arrive, `maps` a plain implementation with a `HashMap` for each \
             sample."
        ),
        unit: "ns",
        baseline: "maps",
        rounds: 51,
        cases,
    })
}

/// One sample a second, nearly, with the nine metrics that Fn's driver has.
fn samples(count: usize) -> Vec<Sample> {
    let mut rng = StdRng::seed_from_u64(7);
    let mut nanos = 0;
    let mut one = || {
        nanos += rng.random_range(990_000_000..1_010_000_000);
        let mut metrics = Metrics::new();
        for metric in Metric::ALL.iter().take(9) {
            metrics.set(*metric, rng.random_range(0..1 << 30));
        }
        Sample::new(Timestamp::from_unix_nanos(nanos), metrics)
    };
    (0..count).map(|_| one()).collect()
}

fn plain(sample: &Sample) -> Plain {
    let metrics = sample.metrics.iter().map(|(name, value)| (name.to_owned(), value));
    Plain { nanos: sample.timestamp.unix_nanos(), metrics: metrics.collect() }
}

/// The same windows and means, written plainly.
fn decimate_maps(max: usize, samples: &[Plain]) -> Vec<Plain> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Vec::new();
    };
    let width = (last.nanos - first.nanos) / max as i128;
    let mut points = Vec::new();
    let mut window: Vec<&Plain> = Vec::new();
    let mut upper = first.nanos + width;
    for sample in samples {
        while sample.nanos > upper && points.len() + 1 < max {
            if !window.is_empty() {
                points.push(mean_of_maps(&window));
                window.clear();
            }
            upper += width;
        }
        window.push(sample);
    }
    points.push(mean_of_maps(&window));
    points
}

fn mean_of_maps(window: &[&Plain]) -> Plain {
    let mut sums: HashMap<&str, (i128, i128)> = HashMap::new();
    let mut nanos = 0;
    for sample in window {
        nanos += sample.nanos;
        for (name, value) in &sample.metrics {
            let sum = sums.entry(name).or_default();
            *sum = (sum.0 + i128::from(*value), sum.1 + 1);
        }
    }
    let metric = |(name, (sum, count)): (&str, (i128, i128))| {
        (name.to_owned(), u64::try_from(half_even(sum, count)).unwrap_or(u64::MAX))
    };
    Plain {
        nanos: half_even(nanos, window.len() as i128),
        metrics: sums.into_iter().map(metric).collect(),
    }
}

fn half_even(sum: i128, count: i128) -> i128 {
    let (whole, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
    match (rest * 2).cmp(&count) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole.rem_euclid(2),
    }
}

/// Rivals that don't give the same answer are none.
fn agree(samples: &[Sample], maps: &[Plain]) -> Result<()> {
    let ours = decimate(POINTS, samples);
    let theirs = decimate_maps(POINTS, maps);
    ensure!(ours.len() == theirs.len(), "{} points are not {}", ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().map(plain).zip(theirs) {
        ensure!(ours.nanos == theirs.nanos && ours.metrics == theirs.metrics, "a point differs");
    }
    Ok(())
}
