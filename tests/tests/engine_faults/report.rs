//! The figures of all runs.

use std::collections::BTreeMap;

use longshore_tests::Table;

use crate::run::Outcome;

/// All runs.
pub(crate) struct Report {
    title: &'static str,
    runs: Vec<Outcome>,
}

/// What is counted for each step.
#[derive(Default)]
struct Row {
    runs: usize,
    met: usize,
    broken: usize,
    wrong: usize,
    hangs: usize,
    leaks: usize,
    after_reap: usize,
    longest: f64,
}

impl Report {
    pub(crate) fn new(title: &'static str, runs: Vec<Outcome>) -> Self {
        Self { title, runs }
    }

    /// One row for each step, and the sum.
    pub(crate) fn table(&self) -> Table {
        let mut sum = Row::default();
        self.runs.iter().for_each(|run| sum.add(run));
        let columns = [
            "fault at",
            "runs",
            "met their fault",
            "requests broken",
            "wrong outcomes",
            "hangs",
            "leaks after close",
            "leaks after a reaper's pass",
            "longest run, s",
        ];
        let mut table = Table::new(self.title, columns);
        for (step, row) in self.rows() {
            table.row(row.cells(&step));
        }
        table.row(sum.cells("all"));
        table
    }

    /// The runs that took longest, to see what a bound costs.
    pub(crate) fn slowest(&self) -> Vec<String> {
        let mut runs: Vec<&Outcome> = self.runs.iter().collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.took));
        let line = |run: &&Outcome| format!("{:.1} s {}", run.took.as_secs_f64(), run.case);
        runs.iter().take(5).map(line).collect()
    }

    /// Runs whose fault had nothing to do: they prove nothing.
    pub(crate) fn idle(&self) -> Vec<String> {
        let idle = self.runs.iter().filter(|run| run.broken == 0);
        idle.map(|run| run.case.to_string()).collect()
    }

    /// Whether that is so of more than one run in twenty-five, or of half of those at one step. Never
    /// of none: the engine may tell the end of a task before it answers the call that caused it.
    pub(crate) fn is_idle(&self) -> bool {
        let too_many = self.rows().values().any(|row| row.met * 2 < row.runs);
        too_many || self.idle().len() * 25 > self.runs.len()
    }

    fn rows(&self) -> BTreeMap<String, Row> {
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for run in &self.runs {
            rows.entry(run.case.place()).or_default().add(run);
        }
        rows
    }

    /// One line for each run that went wrong.
    pub(crate) fn failures(&self) -> Vec<String> {
        let failed = self.runs.iter().filter(|run| run.has_failed());
        failed
            .map(|run| {
                let Outcome { case, wrong, hangs, left, took, .. } = run;
                let took = took.as_secs_f64();
                format!("{case} ({took:.1} s): wrong {wrong:?}, hangs {hangs:?}, left {left:?}")
            })
            .collect()
    }
}

impl Outcome {
    fn has_failed(&self) -> bool {
        !self.wrong.is_empty() || !self.hangs.is_empty() || self.left != [0, 0]
    }
}

impl Row {
    fn add(&mut self, run: &Outcome) {
        self.runs += 1;
        self.met += usize::from(run.broken > 0);
        self.broken += run.broken;
        self.wrong += usize::from(!run.wrong.is_empty());
        self.hangs += run.hangs.len();
        self.leaks += run.left[0];
        self.after_reap += run.left[1];
        self.longest = self.longest.max(run.took.as_secs_f64());
    }

    fn cells(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            self.runs.to_string(),
            self.met.to_string(),
            self.broken.to_string(),
            self.wrong.to_string(),
            self.hangs.to_string(),
            self.leaks.to_string(),
            self.after_reap.to_string(),
            format!("{:.1}", self.longest),
        ]
    }
}
