//! The rest of the output after the end of the process.

use std::pin::pin;
use std::sync::Arc;

use longshore_driver_api::{OutputReport, StreamEnd, StreamReport};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::pump::{Delivery, Progress};
use super::run::Run;
use super::supervise::deadline;

/// The output streams of a task on their way to its caller.
pub(super) struct Deliveries {
    tasks: JoinSet<()>,
    stdout: Option<Arc<Progress>>,
    stderr: Option<Arc<Progress>>,
}

impl Deliveries {
    pub(super) fn start(
        run: &Arc<Run>,
        stdout: Option<Delivery>,
        stderr: Option<Delivery>,
        handle: &Handle,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let mut start = |delivery: Option<Delivery>| {
            let delivery = delivery?;
            let progress = Arc::clone(&delivery.progress);
            let run = Arc::clone(run);
            tasks.spawn_on(delivery.run(move || run.beyond_limit()), handle);
            Some(progress)
        };
        let (stdout, stderr) = (start(stdout), start(stderr));
        Self { tasks, stdout, stderr }
    }

    /// Waits until the readers have taken everything, or until nobody wants to wait for them.
    pub(super) async fn drain(mut self, run: &Run, lost: bool) -> OutputReport {
        if !lost {
            tokio::select! {
                biased;
                () = all(&mut self.tasks) => {}
                () = end_of_patience(run) => {}
            }
        }
        self.tasks.shutdown().await;
        let unfinished = if lost { StreamEnd::Cut } else { StreamEnd::Abandoned };
        let report = |progress: Option<Arc<Progress>>| match progress {
            Some(progress) => progress.report(unfinished),
            None => StreamReport::default(),
        };
        OutputReport::new(report(self.stdout), report(self.stderr))
    }
}

async fn all(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// Comes a moment after the task was cancelled or closed, or its timeout passed: a reader that
/// reads gets what is there.
async fn end_of_patience(run: &Run) {
    let mut deadline = pin!(deadline(run));
    loop {
        {
            let will = run.will.lock();
            if will.impatient || will.timed_out {
                break;
            }
        }
        tokio::select! {
            () = run.nudge.notified() => {}
            () = &mut deadline => break,
        }
    }
    sleep(run.driver.config.drain_grace).await;
}
