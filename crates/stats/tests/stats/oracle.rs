//! Fn's own answers: the windows must be the same, the arithmetic is ours.
//!
//! Fn's `Decimate` divides each timestamp by the number of samples before it adds them (so that a
//! point may be up to n-1 nanoseconds early), and cuts the decimals of a mean off. From our windows
//! both of its answers must follow exactly. Every sample of a case has the same metrics, so that
//! its treatment of absent ones plays no part.

use std::collections::BTreeMap;

use longshore_stats::{Sample, Timestamp, decimate};
use serde::Deserialize;

use crate::partition::{mean, places};

#[derive(Deserialize)]
struct Case {
    name: String,
    max: usize,
    r#in: Vec<Entry>,
    out: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    t: i64,
    m: BTreeMap<String, u64>,
}

impl Entry {
    fn sample(&self) -> Sample {
        let metrics = self.m.iter().map(|(name, &value)| (name.as_str(), value)).collect();
        Sample::new(Timestamp::from_unix_nanos(self.t), metrics)
    }
}

#[test]
fn the_windows_are_those_of_fn_and_each_point_is_the_exact_mean() {
    let cases: Vec<Case> = include_str!("../data/decimate.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(cases.len(), 66);
    cases.iter().for_each(check);
}

fn check(case: &Case) {
    let name = &case.name;
    let samples: Vec<_> = case.r#in.iter().map(Entry::sample).collect();
    let points = decimate(case.max, &samples);
    assert_eq!(points.len(), case.out.len(), "{name}: number of points");
    let tagged: Vec<_> = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| {
            Sample::new(sample.timestamp, sample.metrics.clone().with_named(&format!("#{at}"), 1))
        })
        .collect();
    let windows = places(&decimate(case.max, &tagged));
    assert_eq!(windows.len(), points.len(), "{name}: number of windows");

    for ((point, theirs), window) in points.iter().zip(&case.out).zip(windows) {
        let window: Vec<_> = window.into_iter().map(|at| &case.r#in[at]).collect();
        let count = window.len();
        let low: i64 = window.iter().map(|entry| entry.t / i64::try_from(count).unwrap()).sum();
        assert_eq!(theirs.t, low, "{name}: Fn's timestamp follows from the window");
        let late = point.timestamp.unix_nanos() - i128::from(theirs.t);
        assert!(
            (0..i128::try_from(count).unwrap()).contains(&late),
            "{name}: {late} ns later than Fn's, of {count} samples"
        );
        assert_eq!(
            point.timestamp.unix_nanos(),
            mean(window.iter().map(|entry| entry.t.into())),
            "{name}"
        );

        assert_eq!(point.metrics.len(), theirs.m.len(), "{name}: number of metrics");
        for (metric, &value) in &theirs.m {
            let sum: u64 = window.iter().map(|entry| entry.m[metric]).sum();
            assert_eq!(value, sum / count as u64, "{name}: Fn's {metric} follows from the window");
            let exact = mean(window.iter().map(|entry| entry.m[metric].into()));
            assert_eq!(
                point.metrics.get_named(metric).map(i128::from),
                Some(exact),
                "{name}: {metric}"
            );
        }
    }
}
