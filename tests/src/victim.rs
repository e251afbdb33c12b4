//! Processes that are there to be killed.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// A process that owns containers and tells in lines how far it is. Dropping it kills what was started.
#[derive(Debug)]
pub struct Victim {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// How long a stage, or a death, may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Victim {
    /// Starts it. What it writes to stderr is seen beside the test's own.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = piped.spawn().expect("the victim starts");
        let stdout = child.stdout.take().expect("it has a pipe");
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// Waits until it says so.
    ///
    /// # Panics
    ///
    /// It ended before, or takes too long.
    pub async fn says(&mut self, stage: &str) {
        let said = timeout(PATIENCE, async {
            while let Some(line) = self.lines.next_line().await.expect("its output is text") {
                if line == stage {
                    return;
                }
            }
            panic!("it ended before it was {stage}");
        });
        said.await.unwrap_or_else(|_| panic!("it was not {stage} within {PATIENCE:?}"));
    }

    /// Waits for a line that begins so, and gives the rest of it.
    ///
    /// # Panics
    ///
    /// It ended before, or says nothing for too long.
    pub async fn reads(&mut self, begin: &str) -> String {
        loop {
            if let Some(rest) = self.next().await.strip_prefix(begin) {
                return rest.to_owned();
            }
        }
    }

    /// What it says next.
    ///
    /// # Panics
    ///
    /// It ended before, or says nothing for too long.
    pub async fn next(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("it said nothing within {PATIENCE:?}"));
        line.expect("its output is text").expect("it has not ended")
    }

    /// Kills what was started with the signal that nothing can catch, and waits until all are gone who
    /// had its output: in a namespace of process ids the owner dies a little later than its parent.
    ///
    /// # Panics
    ///
    /// It cannot be killed, or somebody who has its output lives on.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
        let gone =
            timeout(PATIENCE, async { while let Ok(Some(_)) = self.lines.next_line().await {} });
        gone.await.unwrap_or_else(|_| panic!("its output was not over within {PATIENCE:?}"));
    }
}
