//! Steps of a long run, and the table at its end.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use crate::skips::Skip;

/// What has been run so far.
#[derive(Default)]
pub(crate) struct Steps {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    time: Duration,
    outcome: Outcome,
    seen: Seen,
}

/// What a step of tests tells beside its outcome.
#[derive(Default)]
pub(crate) struct Seen {
    /// The tests of it that were not run, whatever came of the rest.
    pub(crate) skips: Vec<Skip>,
    /// Why it was run twice.
    pub(crate) again: Option<String>,
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
        self.run_tests(name, false, |_| step())
    }

    /// Runs a step of tests, which adds those that it skips. With `strict`, one is a failure.
    pub(crate) fn run_tests(
        &mut self,
        name: &str,
        strict: bool,
        step: impl FnOnce(&mut Seen) -> Result<()>,
    ) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let mut seen = Seen::default();
        let done = match step(&mut seen) {
            Ok(()) if strict && !seen.skips.is_empty() => {
                Err(anyhow!("{}, and none may be", tests_skipped(seen.skips.len())))
            }
            done => done,
        };
        let outcome = match done {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                eprintln!("error: {error:#}");
                Outcome::Failed(format!("{error:#}"))
            }
        };
        let passed = outcome == Outcome::Passed;
        self.add(name, start.elapsed(), outcome, seen);
        passed
    }

    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        self.add(name, Duration::ZERO, Outcome::Skipped(reason.to_owned()), Seen::default());
    }

    pub(crate) fn fail(&mut self, name: &str, reason: &str) {
        self.add(name, Duration::ZERO, Outcome::Failed(reason.to_owned()), Seen::default());
    }

    pub(crate) fn passed(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row.outcome, Outcome::Failed(_)))
    }

    fn add(&mut self, name: &str, time: Duration, outcome: Outcome, seen: Seen) {
        let name = name.to_owned();
        self.rows.push(Row { name, time, outcome, seen });
    }

    /// Prints the table, and the tests that were not run.
    ///
    /// # Errors
    /// When a step failed.
    pub(crate) fn finish(&self) -> Result<()> {
        print!("\n{}{}", self.table(), self.skipped());
        if self.passed() {
            return Ok(());
        }
        bail!("not everything passed")
    }

    fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let row = |row: &Row| {
            let Row { name, time, outcome, seen } = row;
            let skips = match seen.skips.len() {
                0 => None,
                count => Some(format!("but {}", tests_skipped(count))),
            };
            let again = seen.again.as_ref().map(|why| format!("at the second try, since {why}"));
            let remarks: Vec<_> = [again, skips].into_iter().flatten().collect();
            let remarks = remarks.join(", ");
            let (word, reason) = match outcome {
                Outcome::Passed => ("passed", remarks.as_str()),
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

    fn skipped(&self) -> String {
        let mut text = String::new();
        for row in self.rows.iter().filter(|row| !row.seen.skips.is_empty()) {
            text.push_str(&format!("\n{} of {}:\n", tests_skipped(row.seen.skips.len()), row.name));
            for Skip { test, reason } in &row.seen.skips {
                text.push_str(&format!("  {test}: {reason}\n"));
            }
        }
        text
    }
}

fn tests_skipped(count: usize) -> String {
    if count == 1 { "1 test SKIPPED".to_owned() } else { format!("{count} tests SKIPPED") }
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

    #[test]
    fn a_second_try_is_told_with_its_reason() {
        let mut steps = Steps::default();
        assert!(steps.run_tests("suite", true, |seen| {
            seen.again = Some("nothing ran for 3.0 s".to_owned());
            Ok(())
        }));
        let table = steps.table();
        assert!(
            table.ends_with("passed: at the second try, since nothing ran for 3.0 s\n"),
            "{table}"
        );
    }

    fn two(seen: &mut Seen) -> Result<()> {
        for (test, reason) in [("images::a", "no image"), ("images::b", "no registry")] {
            seen.skips.push(Skip { test: test.to_owned(), reason: reason.to_owned() });
        }
        Ok(())
    }

    #[test]
    fn tests_that_were_skipped_are_counted_and_listed_with_their_reasons() {
        let mut steps = Steps::default();
        assert!(steps.run_tests("suite", false, two));
        assert!(steps.finish().is_ok());
        assert!(steps.table().ends_with("passed: but 2 tests SKIPPED\n"), "{}", steps.table());
        let listed = steps.skipped();
        assert!(listed.contains("2 tests SKIPPED of suite:\n  images::a: no image\n"), "{listed}");
        assert!(listed.contains("  images::b: no registry\n"), "{listed}");
    }

    #[test]
    fn where_none_may_be_skipped_one_skip_is_a_failure() {
        let mut steps = Steps::default();
        assert!(!steps.run_tests("suite", true, two));
        assert!(steps.finish().is_err());
        let table = steps.table();
        assert!(table.ends_with("FAILED: 2 tests SKIPPED, and none may be\n"), "{table}");
        assert!(steps.skipped().contains("images::b: no registry"));
        assert!(Steps::default().run_tests("suite", true, |_| Ok(())));
    }
}
