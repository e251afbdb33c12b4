//! The reaper's work: many removals at once, and at last the driver's end.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, ReapOptions, Result};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Job;
use super::remove::close;
use crate::events;
use crate::image::cleaner;
use crate::keeper;
use crate::reap;
use crate::shared::Shared;

/// From the first look for what dead owners left to the second; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What the removals have in common.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Containers that the engine does not remove, by name, with why.
    pub(super) failing: Mutex<std::collections::BTreeMap<String, String>>,
    /// The driver's bound has passed: stop trying.
    pub(super) give_up: CancellationToken,
}

/// Does jobs until the driver is shut down.
pub(super) async fn run(
    mut jobs: mpsc::UnboundedReceiver<Job>,
    ended: watch::Sender<Option<Arc<Result<()>>>>,
    shared: Arc<Shared>,
) {
    let removals = TaskTracker::new();
    let ledger = Arc::new(Ledger::default());
    let mut reaping = tokio::task::JoinSet::new();
    if shared.cache.is_some() {
        let shared = Arc::clone(&shared);
        reaping.spawn(async move {
            if let Some(cache) = &shared.cache {
                cleaner::clean(&*shared.api, cache).await;
            }
        });
    }
    let mut keeping = tokio::task::JoinSet::new();
    if shared.keeper.is_some() {
        keeping.spawn(keeper::hold(Arc::clone(&shared)));
    }
    let mut listening = tokio::task::JoinSet::new();
    listening.spawn(events::listen(Arc::clone(&shared)));
    while let Some(job) = jobs.recv().await {
        match job {
            Job::Close(core) => {
                removals.spawn(close(core, Arc::clone(&ledger)));
            }
            Job::Reap => {
                let shared = Arc::clone(&shared);
                reaping.spawn(async move { reap_for_a_while(&shared).await });
            }
            Job::Shutdown => break,
        }
    }
    reaping.shutdown().await;
    let bound = Instant::now() + shared.timeouts.close;
    for core in shared.shut() {
        core.begin_close();
    }
    // Those that were begun are in the channel by now: none comes after.
    jobs.close();
    while let Some(job) = jobs.recv().await {
        if let Job::Close(core) = job {
            removals.spawn(close(core, Arc::clone(&ledger)));
        }
    }
    removals.close();
    shared.tasks.close();
    let all = async {
        removals.wait().await;
        // Last of all: until then it protects what is left.
        if let Some(keeper) = &shared.keeper {
            keeper.end();
        }
        while let Some(kept) = keeping.join_next().await {
            ledger.failing.lock().extend(kept.unwrap_or_default());
        }
        // Its connection is one of the tasks.
        listening.shutdown().await;
        shared.tasks.wait().await;
    };
    let in_time = tokio::time::timeout_at(bound, all).await.is_ok();
    ledger.give_up.cancel();
    if let Some(cache) = &shared.cache {
        cleaner::save(cache).await;
    }
    let result = outcome(&shared, &ledger, in_time);
    if let Some(lease) = shared.take_lease()
        && result.is_ok()
        && let Err(error) = lease.release()
    {
        // The next reaper removes the file.
        tracing::debug!(%error, "the lease's file could not be removed");
    }
    ended.send_replace(Some(Arc::new(result)));
}

/// Looks for what dead owners left, again and again while the engine may still make what one of
/// them asked for in its last moment: such a container appears after the first look.
async fn reap_for_a_while(shared: &Arc<Shared>) {
    let end = Instant::now() + shared.timeouts.work;
    let mut pause = FIRST_PAUSE;
    loop {
        reap_once(shared).await;
        let now = Instant::now();
        if now >= end {
            return;
        }
        tokio::time::sleep_until(end.min(now + pause)).await;
        pause *= 2;
    }
}

async fn reap_once(shared: &Arc<Shared>) {
    match reap::reap(shared, ReapOptions::new()).await {
        Ok(report) if report.removed.is_empty() => {}
        Ok(report) => {
            let count = report.removed.len();
            tracing::info!(count, "removed what dead owners left");
        }
        Err(error) => tracing::warn!(%error, "cannot look for dead owners"),
    }
}

/// Names everything that could not be removed, with why, or that was still being removed.
fn outcome(shared: &Shared, ledger: &Ledger, in_time: bool) -> Result<()> {
    let mut left = ledger.failing.lock().clone();
    if !in_time {
        for subject in shared.subjects() {
            left.entry(subject).or_insert_with(|| "it is still being closed".to_owned());
        }
    }
    if left.is_empty() && in_time {
        return Ok(());
    }
    let mut text = String::from("the next start of this application removes what is left");
    for (name, why) in left.iter().rev() {
        text = format!("{name}: {why}; {text}");
    }
    if left.is_empty() {
        text = format!("not everything ended within the bound; {text}");
    }
    Err(Error::new(ErrorKind::Deadline, "close").message(text))
}
