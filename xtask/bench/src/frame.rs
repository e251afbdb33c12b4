//! Rivals interleaved in one run, so that a busy moment of the machine hits all of them alike.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::Serialize;

/// What to measure.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    pub(crate) unit: &'static str,
    /// Whom everybody is compared with, case by case.
    pub(crate) baseline: &'static str,
    /// How many, unless asked otherwise: enough for a median that a second run repeats.
    pub(crate) rounds: usize,
    pub(crate) cases: Vec<Case>,
}

/// One rival doing one thing. A call gives one figure; less is better.
pub(crate) struct Case {
    pub(crate) who: &'static str,
    pub(crate) what: String,
    pub(crate) run: Box<dyn FnMut() -> Result<f64>>,
    unit: Option<&'static str>,
    /// `who/what`, where it is not the plan's baseline doing the same.
    against: Option<String>,
    /// The same, for a second line.
    also_against: Option<String>,
}

impl Case {
    pub(crate) fn new(
        who: &'static str,
        what: impl Into<String>,
        run: Box<dyn FnMut() -> Result<f64>>,
    ) -> Case {
        Case { who, what: what.into(), run, unit: None, against: None, also_against: None }
    }

    /// In another unit than the plan's.
    pub(crate) fn unit(self, unit: &'static str) -> Case {
        Case { unit: Some(unit), ..self }
    }

    /// Compared with this case, `who/what`.
    pub(crate) fn against(self, baseline: impl Into<String>) -> Case {
        Case { against: Some(baseline.into()), ..self }
    }

    /// Compared with this case too, in a line of its own.
    pub(crate) fn also_against(self, baseline: impl Into<String>) -> Case {
        Case { also_against: Some(baseline.into()), ..self }
    }

    fn name(&self) -> String {
        format!("{}/{}", self.who, self.what)
    }

    fn baselines(&self, plan: &Plan) -> impl Iterator<Item = String> {
        let usual = || format!("{}/{}", plan.baseline, self.what);
        let first = self.against.clone().unwrap_or_else(usual);
        std::iter::once(first).chain(self.also_against.clone())
    }
}

/// What came out for one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) bench: &'static str,
    /// `who/what`
    pub(crate) case: String,
    /// How many rounds.
    pub(crate) n: usize,
    pub(crate) unit: &'static str,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) min: f64,
    pub(crate) baseline: String,
    /// The median over the rounds of the baseline's figure divided by this one's: how many times
    /// better than the baseline.
    pub(crate) ratio: f64,
    /// The baseline's `p90` divided by this one's.
    pub(crate) ratio_p90: f64,
}

/// Runs every case once a round, in an order shuffled anew each time, after a round to warm up.
pub(crate) fn measure(mut plan: Plan, rounds: usize, seed: u64) -> Result<Vec<Figures>> {
    ensure!(rounds > 0, "a bench needs at least one round");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..plan.cases.len()).collect();
    let mut measured = vec![Vec::with_capacity(rounds); plan.cases.len()];
    for round in 0..=rounds {
        order.shuffle(&mut rng);
        for &index in &order {
            let case = &mut plan.cases[index];
            let figure = (case.run)().with_context(|| case.name())?;
            if round > 0 {
                measured[index].push(figure);
            }
        }
    }
    compare(&plan, &measured)
}

fn compare(plan: &Plan, measured: &[Vec<f64>]) -> Result<Vec<Figures>> {
    let by_name: BTreeMap<String, &Vec<f64>> =
        plan.cases.iter().zip(measured).map(|(case, figures)| (case.name(), figures)).collect();
    let lines = plan
        .cases
        .iter()
        .zip(measured)
        .flat_map(|(case, own)| case.baselines(plan).map(move |against| (case, own, against)));
    let figures = lines.map(|(case, own, against)| {
        let name = case.name();
        let baseline = by_name.get(&against);
        let baseline = baseline.with_context(|| format!("{name}: there is no {against}"))?;
        // Of nothing and nothing there is no ratio.
        let divided = |baseline: f64, own: f64| if baseline == own { 1.0 } else { baseline / own };
        let ratios = baseline.iter().zip(own).map(|(baseline, own)| divided(*baseline, *own));
        let sorted = sorted(own.iter().copied());
        let p90 = quantile(&sorted, 0.9);
        let p90_of_baseline = quantile(&self::sorted(baseline.iter().copied()), 0.9);
        Ok(Figures {
            bench: plan.name,
            case: name,
            n: own.len(),
            unit: case.unit.unwrap_or(plan.unit),
            p50: rounded(quantile(&sorted, 0.5)),
            p90: rounded(p90),
            min: rounded(quantile(&sorted, 0.0)),
            baseline: against,
            ratio: rounded(quantile(&self::sorted(ratios), 0.5)),
            ratio_p90: rounded(divided(p90_of_baseline, p90)),
        })
    });
    figures.collect()
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Between two figures, the point in proportion.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor(), place.ceil());
    let at = |place: f64| sorted.iter().enumerate().find(|(i, _)| *i as f64 >= place);
    let figure = |place| at(place).map_or(f64::NAN, |(_, figure)| *figure);
    figure(below) + (figure(above) - figure(below)) * (place - below)
}

/// Three decimals: the rest is noise.
fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

/// A figure in nanoseconds for one of `per_call` things that a call of `work` does. A measurement
/// takes as many calls as fit into some milliseconds, found out at once.
pub(crate) fn nanoseconds(
    per_call: usize,
    mut work: impl FnMut() + 'static,
) -> Box<dyn FnMut() -> Result<f64>> {
    let mut time = move |calls: u32| {
        let start = Instant::now();
        for _ in 0..calls {
            work();
        }
        start.elapsed()
    };
    let mut calls = 1;
    while time(calls) < Duration::from_millis(5) {
        calls *= 2;
    }
    Box::new(move || Ok(time(calls).as_nanos() as f64 / f64::from(calls) / per_call as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn case(who: &'static str, run: impl FnMut() -> f64 + 'static) -> Case {
        let mut run = run;
        Case::new(who, "it", Box::new(move || Ok(run())))
    }

    fn plan(cases: Vec<Case>) -> Plan {
        let about = String::new();
        Plan { name: "a", about, unit: "ms", baseline: "base", rounds: 1, cases }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine is three times slower in every other round, for both.
        let slow = |figure: f64| {
            let mut round = 0;
            move || {
                round += 1;
                if round % 2 == 0 { figure * 3.0 } else { figure }
            }
        };
        let cases = vec![case("ours", slow(2.0)), case("base", slow(10.0))];
        let figures = measure(plan(cases), 10, 1).unwrap();
        assert_eq!((figures[0].case.as_str(), figures[0].ratio), ("ours/it", 5.0));
        assert_eq!((figures[0].n, figures[0].min, figures[0].p50), (10, 2.0, 4.0));
        assert_eq!((figures[1].ratio, figures[1].baseline.as_str()), (1.0, "base/it"));
    }

    #[test]
    fn every_case_runs_once_a_round_in_changing_order() {
        let log = Rc::new(RefCell::new(String::new()));
        let write = |who: &'static str| {
            let log = Rc::clone(&log);
            case(who, move || {
                log.borrow_mut().push_str(&who[..1]);
                1.0
            })
        };
        measure(plan(vec![write("base"), write("x"), write("y")]), 20, 1).unwrap();
        let log = log.borrow();
        let rounds: Vec<&str> = (0..21).map(|i| &log[i * 3..i * 3 + 3]).collect();
        let orders: std::collections::BTreeSet<&str> = rounds.iter().copied().collect();
        assert!(rounds.iter().all(|round| ["b", "x", "y"].iter().all(|who| round.contains(who))));
        assert!(orders.len() > 3, "{orders:?}");
    }

    #[test]
    fn a_case_can_be_compared_with_any_other_and_have_its_own_unit() {
        let other = Case::new("x", "other", Box::new(|| Ok(2.0))).against("base/it").unit("ns");
        let figures = measure(plan(vec![case("base", || 8.0), other]), 3, 1).unwrap();
        assert_eq!((figures[1].ratio, figures[1].unit), (4.0, "ns"));
        assert_eq!(
            (figures[1].case.as_str(), figures[1].baseline.as_str()),
            ("x/other", "base/it")
        );
    }

    #[test]
    fn a_case_that_is_compared_with_two_has_two_lines() {
        let two = case("x", || 2.0).also_against("y/it");
        let figures =
            measure(plan(vec![two, case("y", || 3.0), case("base", || 8.0)]), 3, 1).unwrap();
        let told: Vec<_> =
            figures.iter().map(|it| (it.baseline.as_str(), it.ratio, it.ratio_p90)).collect();
        assert_eq!(told[..2], [("base/it", 4.0, 4.0), ("y/it", 1.5, 1.5)]);
        assert_eq!(told.len(), 4);
    }

    #[test]
    fn a_case_without_a_baseline_is_an_error() {
        assert!(measure(plan(vec![case("ours", || 1.0)]), 1, 1).is_err());
    }

    #[test]
    fn quantiles_lie_where_they_should() {
        let figures = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0];
        assert_eq!(quantile(&figures, 0.5), 6.0);
        assert_eq!(quantile(&figures, 0.9), 10.0);
        assert_eq!(quantile(&figures, 0.0), 1.0);
        assert_eq!(quantile(&figures[..2], 0.5), 1.5);
        assert_eq!(quantile(&figures[..1], 0.9), 1.0);
    }
}
