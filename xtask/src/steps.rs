//! Steps of a long run, and the table at its end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// What has been run so far.
#[derive(Default)]
pub(crate) struct Steps {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    time: Duration,
    outcome: Outcome,
}

#[derive(PartialEq)]
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Steps {
    /// Runs a step and says whether it passed. A step that fails doesn't keep the next from running.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = match step() {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                eprintln!("error: {error:#}");
                Outcome::Failed(format!("{error:#}"))
            }
        };
        let passed = outcome == Outcome::Passed;
        self.add(name, start.elapsed(), outcome);
        passed
    }

    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        self.add(name, Duration::ZERO, Outcome::Skipped(reason.to_owned()));
    }

    pub(crate) fn fail(&mut self, name: &str, reason: &str) {
        self.add(name, Duration::ZERO, Outcome::Failed(reason.to_owned()));
    }

    pub(crate) fn passed(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row.outcome, Outcome::Failed(_)))
    }

    fn add(&mut self, name: &str, time: Duration, outcome: Outcome) {
        let name = name.to_owned();
        self.rows.push(Row { name, time, outcome });
    }

    /// Prints the table.
    ///
    /// # Errors
    /// When a step failed.
    pub(crate) fn finish(&self) -> Result<()> {
        print!("\n{}", self.table());
        if self.passed() {
            return Ok(());
        }
        bail!("not everything passed")
    }

    fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let row = |row: &Row| {
            let Row { name, time, outcome } = row;
            let (word, reason) = match outcome {
                Outcome::Passed => ("passed", ""),
                Outcome::Failed(reason) => ("FAILED", reason.as_str()),
                Outcome::Skipped(reason) => ("SKIPPED", reason.as_str()),
            };
            let colon = if reason.is_empty() { "" } else { ": " };
            // Only the first line: the rest stands above, where the step ran.
            let reason = reason.lines().next().unwrap_or_default();
            format!("{name:width$}  {:>7.1} s  {word}{colon}{reason}\n", time.as_secs_f64())
        };
        self.rows.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_fails_the_whole_and_stops_nothing() {
        let mut steps = Steps::default();
        assert!(steps.run("one", || Ok(())));
        assert!(!steps.run("two", || bail!("broken\nin detail")));
        assert!(steps.run("three", || Ok(())));
        steps.skip("four", "no engine");
        assert!(steps.finish().is_err());
        let table = steps.table();
        let ends: Vec<_> = table.lines().map(|line| line.split(" s  ").nth(1).unwrap()).collect();
        assert_eq!(ends, ["passed", "FAILED: broken", "passed", "SKIPPED: no engine"]);
    }

    #[test]
    fn a_skip_is_no_failure() {
        let mut steps = Steps::default();
        steps.skip("one", "no engine");
        assert!(steps.finish().is_ok());
        steps.fail("two", "no engine, and one is required");
        assert!(steps.finish().is_err());
    }
}
