//! Removing what dead owners of the same application left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use longshore_driver_api::{
    LABEL_APPLICATION, LABEL_LEASE, LABEL_OWNER, LABEL_RECOVERABLE_UNTIL, LABEL_TASK, ReapOptions,
    ReapReport, Reaped, ResourceKind, Result,
};
use longshore_host::{Claim, DeadOwner, Liveness};
use longshore_stats::Timestamp;

use crate::blocking::off_the_runtime;
use crate::client::reply::Listed;
use crate::error::engine_error;
use crate::retry::again;
use crate::shared::Shared;

/// When dead owners are looked for again, once some were met. The engine does not stop working on a
/// request when the owner dies that made it: what it asked for last may be made a little later.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Removes what dead owners left, or says what it would remove.
pub(crate) async fn reap(shared: &Arc<Shared>, options: ReapOptions) -> Result<ReapReport> {
    let Pass { mut report, met_the_dead } = pass(shared, options).await?;
    if options.dry_run || !met_the_dead {
        return Ok(report);
    }
    for pause in AGAIN {
        tokio::time::sleep(pause).await;
        let Pass { report: more, .. } = pass(shared, options).await?;
        report.removed.extend(more.removed);
        // What failed before was tried again.
        report.failed = more.failed;
        report.kept = more.kept;
    }
    Ok(report)
}

/// One look at the engine and at the leases.
struct Pass {
    report: ReapReport,
    met_the_dead: bool,
}

async fn pass(shared: &Arc<Shared>, options: ReapOptions) -> Result<Pass> {
    let filter = [format!("{LABEL_APPLICATION}={}", shared.application)];
    let listed = again(|| shared.api.list_containers(&filter))
        .await
        .map_err(|error| engine_error("reap", "the list of containers", error))?;
    let mut by_owner: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
    let mut report = ReapReport::default();
    for container in listed {
        match container.labels.get(LABEL_OWNER) {
            Some(owner) => by_owner.entry(owner.clone()).or_default().push(container),
            // Nobody's: nothing can be proven about it.
            None => report.kept += 1,
        }
    }
    let seen: BTreeSet<String> = by_owner.keys().cloned().collect();
    for (owner, containers) in by_owner {
        if owner == shared.owner {
            report.kept += containers.len();
        } else if options.dry_run {
            look(shared, owner, containers, &mut report).await?;
        } else {
            remove(shared, owner, containers, &mut report).await?;
        }
    }
    let mut met_the_dead = !report.removed.is_empty() || !report.failed.is_empty();
    if !options.dry_run {
        let (run_dir, application) = (shared.run_dir.clone(), shared.application.clone());
        let swept = off_the_runtime(move || run_dir.sweep(&application, &seen)).await??;
        met_the_dead |= !swept.is_empty();
    }
    Ok(Pass { report, met_the_dead })
}

/// What would be removed of an owner's.
async fn look(
    shared: &Shared,
    owner: String,
    containers: Vec<Listed>,
    report: &mut ReapReport,
) -> Result<()> {
    let (run_dir, application) = (shared.run_dir.clone(), shared.application.clone());
    let (id, lease) = (owner.clone(), lease_of(&containers));
    let found = off_the_runtime(move || run_dir.liveness(&application, &id, &lease)).await?;
    for container in containers {
        if matches!(found, Liveness::Dead(_)) && !is_recoverable(&container) {
            report.removed.push(reaped(&container, &owner));
        } else {
            report.kept += 1;
        }
    }
    Ok(())
}

async fn remove(
    shared: &Shared,
    owner: String,
    containers: Vec<Listed>,
    report: &mut ReapReport,
) -> Result<()> {
    let (run_dir, application) = (shared.run_dir.clone(), shared.application.clone());
    let (id, lease) = (owner.clone(), lease_of(&containers));
    let claim = off_the_runtime(move || run_dir.claim_dead(&application, &id, &lease)).await?;
    let Claim::Dead(dead) = claim else {
        report.kept += containers.len();
        return Ok(());
    };
    let mut left = 0;
    for container in containers {
        if is_recoverable(&container) {
            report.kept += 1;
            left += 1;
            continue;
        }
        let mut entry = reaped(&container, &owner);
        match again(|| shared.api.remove_container(&container.id)).await {
            Ok(()) => report.removed.push(entry),
            // Somebody else was at it: it is gone, or will be.
            Err(error) if matches!(error.status(), Some(404 | 409)) => report.removed.push(entry),
            Err(error) => {
                left += 1;
                entry.error = Some(error.to_string());
                report.failed.push(entry);
            }
        }
    }
    if left == 0 {
        off_the_runtime(move || DeadOwner::finish(dead)).await??;
    }
    Ok(())
}

fn lease_of(containers: &[Listed]) -> String {
    let labels = containers.iter().find_map(|container| container.labels.get(LABEL_LEASE));
    labels.cloned().unwrap_or_default()
}

/// Whether a container is still within the time in which it may be taken up again. A time that
/// cannot be read protects: nothing is proven then.
fn is_recoverable(container: &Listed) -> bool {
    container.labels.get(LABEL_RECOVERABLE_UNTIL).is_some_and(|until| {
        until.parse::<Timestamp>().map_or(true, |until| until > Timestamp::from(SystemTime::now()))
    })
}

fn reaped(container: &Listed, owner: &str) -> Reaped {
    let mut reaped = Reaped::new(ResourceKind::Container, &container.id, owner);
    reaped.task = container.labels.get(LABEL_TASK).cloned();
    reaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_that_has_passed_gives_a_container_free() {
        let with = |until: Option<&str>| {
            let label = until.map(|until| (LABEL_RECOVERABLE_UNTIL.to_owned(), until.to_owned()));
            Listed { labels: label.into_iter().collect(), ..Listed::default() }
        };
        assert!(!is_recoverable(&with(None)));
        assert!(!is_recoverable(&with(Some("2001-01-01T00:00:00Z"))));
        assert!(is_recoverable(&with(Some("9000-01-01T00:00:00Z"))));
        assert!(is_recoverable(&with(Some("soon"))));
    }
}
