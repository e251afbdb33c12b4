//! The figures of all runs.

use std::collections::BTreeMap;

use longshore_tests::{Step, Table};

use crate::run::Outcome;

/// All runs.
pub(crate) struct Report {
    runs: Vec<Outcome>,
}

/// What is counted for each step.
#[derive(Default)]
struct Row {
    runs: usize,
    wrong: usize,
    hangs: usize,
    leaks: usize,
    after_reap: usize,
    longest: f64,
}

impl Report {
    pub(crate) fn new(runs: Vec<Outcome>) -> Self {
        Self { runs }
    }

    /// One row for each step, and the sum.
    pub(crate) fn table(&self) -> Table {
        let mut rows: BTreeMap<Step, Row> = BTreeMap::new();
        let mut sum = Row::default();
        for run in &self.runs {
            rows.entry(run.case.step).or_default().add(run);
            sum.add(run);
        }
        let columns = [
            "fault at",
            "runs",
            "wrong outcomes",
            "hangs",
            "leaks after close",
            "leaks after a reaper's pass",
            "longest run, s",
        ];
        let mut table = Table::new("Faults of the connection", columns);
        for (step, row) in &rows {
            table.row(row.cells(&step.to_string()));
        }
        table.row(sum.cells("all"));
        table
    }

    /// One line for each run that went wrong.
    pub(crate) fn failures(&self) -> Vec<String> {
        let failed = self.runs.iter().filter(|run| run.has_failed());
        failed
            .map(|run| {
                let Outcome { case, wrong, hangs, left, took } = run;
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
            self.wrong.to_string(),
            self.hangs.to_string(),
            self.leaks.to_string(),
            self.after_reap.to_string(),
            format!("{:.1}", self.longest),
        ]
    }
}
