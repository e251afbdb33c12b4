//! What became of the tasks of a pool.

use std::collections::BTreeMap;

use longshore::{Error, Exit, NetworkReport, Outcome};

use crate::render;

/// Counts of tasks by their end.
#[derive(Debug, Default)]
pub(super) struct Tally {
    succeeded: u64,
    /// How the others ended.
    failed: BTreeMap<String, u64>,
    networks_lost: u64,
    first_error: Option<String>,
    /// How many failed in a row, up to now, without an end of their own.
    errors_in_a_row: u64,
}

impl Tally {
    /// Counts a task, and gives how many in a row came to no end of their own.
    pub(super) fn count(&mut self, ended: &Result<Exit, Error>) -> u64 {
        match ended {
            Ok(exit) => {
                self.errors_in_a_row = 0;
                self.networks_lost += u64::from(matches!(exit.network, NetworkReport::Lost(_)));
                match how(&exit.outcome) {
                    None => self.succeeded += 1,
                    Some(how) => *self.failed.entry(how).or_default() += 1,
                }
            }
            Err(error) => {
                self.errors_in_a_row += 1;
                self.first_error.get_or_insert_with(|| error.to_string());
                *self.failed.entry(format!("not run ({})", error.kind())).or_default() += 1;
            }
        }
        self.errors_in_a_row
    }

    pub(super) fn has_failures(&self) -> bool {
        !self.failed.is_empty()
    }

    /// What there is to say; nothing if there was no task.
    pub(super) fn lines(&self) -> Vec<String> {
        let all = self.succeeded + self.failed.values().sum::<u64>();
        if all == 0 {
            return Vec::new();
        }
        let succeeded = (self.succeeded > 0).then(|| format!("{} succeeded", self.succeeded));
        let failed = self.failed.iter().map(|(how, count)| format!("{count} {how}"));
        let ends: Vec<String> = succeeded.into_iter().chain(failed).collect();
        let mut lines = vec![format!("{}: {}", render::count(all, "task"), ends.join(", "))];
        if self.networks_lost > 0 {
            let lost = render::count(self.networks_lost, "task");
            lines.push(format!("{lost} lost the network that was borrowed"));
        }
        lines.extend(self.first_error.iter().map(|error| format!("the first error: {error}")));
        lines
    }
}

/// How a task ended that did not succeed.
fn how(outcome: &Outcome) -> Option<String> {
    Some(match outcome {
        Outcome::Code(0) => return None,
        Outcome::Code(code) => format!("with code {code}"),
        Outcome::Signal(signal) => format!("by {signal}"),
        Outcome::OutOfMemory => "out of memory".to_owned(),
        Outcome::TimedOut => "timed out".to_owned(),
        Outcome::NotStarted(_) => "not started".to_owned(),
        Outcome::Lost => "lost".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use longshore::ErrorKind;
    use longshore::mock::{Config, Engine, Image, Program};
    use longshore::{Driver as _, DriverExt as _, TaskSpec};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_task_is_counted_by_its_end() {
        let engine = Engine::new();
        engine.add_image("seven", Image::new(Program::steps().exit(7))).unwrap();
        let driver = engine.driver(Config::new());
        let mut tally = Tally::default();
        assert_eq!(tally.lines(), [""; 0]);
        for image in ["seven", "fine", "seven"] {
            let spec = TaskSpec::builder(image).args(["x"]).build().unwrap();
            assert_eq!(tally.count(&driver.run_task(spec).await), 0);
        }
        assert!(tally.has_failures());
        assert_eq!(tally.lines(), ["3 tasks: 1 succeeded, 2 with code 7"]);
        for in_a_row in [1, 2] {
            let died = Error::new(ErrorKind::PoolEmpty, "create").message("it died");
            assert_eq!(tally.count(&Err(died)), in_a_row);
        }
        let lines = tally.lines();
        assert!(
            lines[0].starts_with("5 tasks: ") && lines[0].contains(", 2 not run ("),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("the first error: ") && lines[1].contains("it died"));
        driver.close().await.unwrap();
    }
}
