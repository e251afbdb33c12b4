//! Removing what dead owners of the same application left.

mod judge;
mod until;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Error, LABEL_APPLICATION, LABEL_LEASE, LABEL_OWNER, LABEL_RECOVERABLE_UNTIL, LABEL_TASK,
    ReapOptions, ReapReport, Reaped, ResourceKind, Result,
};
use longshore_host::{Abandoned, Adoption, DeadOwner};
use longshore_stats::Timestamp;

use self::judge::{Judgement, lease_of};
use self::until::until;
use crate::blocking::off_the_runtime;
use crate::client::error::ClientError;
use crate::client::reply::Listed;
use crate::container::core::NAME;
use crate::error::engine_error;
use crate::keeper::{Keepers, Promise, Suspects, silent};
use crate::recover::engine_time;
use crate::removal::remove_container;
use crate::retry::{again, repeat};
use crate::shared::Shared;

/// When dead owners are looked for again, once some were met. The engine does not stop working on a
/// request when the owner dies that made it: what it asked for last may be made a little later.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Removes what dead owners left, or says what it would remove.
///
/// An owner that was promised to have a keeper, and whose lease is not to be judged from here, is
/// watched for as long as was promised: the call takes that long if there is such a one without.
pub(crate) async fn reap(shared: &Arc<Shared>, options: ReapOptions) -> Result<ReapReport> {
    let mut dead = BTreeMap::new();
    let Pass { mut report, mut met_the_dead, suspects, mut trouble } =
        pass(shared, options, &dead).await?;
    if !suspects.is_empty() {
        dead = silent(&*shared.api, &shared.application, suspects).await;
    }
    if !dead.is_empty() {
        let more = pass(shared, options, &dead).await;
        if options.dry_run {
            return more.map(|more| more.report);
        }
        met_the_dead |= add(&mut report, &mut trouble, more);
    }
    if !options.dry_run && met_the_dead {
        for pause in AGAIN {
            tokio::time::sleep(pause).await;
            let more = pass(shared, options, &dead).await;
            add(&mut report, &mut trouble, more);
        }
    }
    match trouble {
        Some(error) if report.removed.is_empty() && report.failed.is_empty() => Err(error),
        // What was done is told all the same.
        Some(error) => {
            tracing::warn!(%error, "not everything that dead owners left was looked at");
            Ok(report)
        }
        None => Ok(report),
    }
}

/// What failed before was tried again, and what was kept was looked at again; says whether that look
/// met the dead. One that failed as a whole leaves what is known as it is.
fn add(report: &mut ReapReport, trouble: &mut Option<Error>, more: Result<Pass>) -> bool {
    match more {
        Ok(more) => {
            // What is found again was not gone: an engine may still have been making it.
            let again = more.report.removed.iter().chain(&more.report.failed);
            let again: BTreeSet<&str> = again.map(|reaped| reaped.id.as_str()).collect();
            report.removed.retain(|reaped| !again.contains(reaped.id.as_str()));
            report.removed.extend(more.report.removed);
            report.failed = more.report.failed;
            report.kept = more.report.kept;
            *trouble = more.trouble;
            more.met_the_dead
        }
        Err(error) => {
            *trouble = Some(error);
            false
        }
    }
}

/// The time up to which what could be recovered is past its time. Where the engine does not tell its
/// own, nothing is.
async fn now(shared: &Shared, all: &[Found]) -> Option<Timestamp> {
    let is_asked = |found: &Found| found.listed.label(LABEL_RECOVERABLE_UNTIL).is_some();
    if !all.iter().any(is_asked) {
        return None;
    }
    engine_time(&*shared.api, "reap").await.ok()
}

/// One look at the engine and at the leases.
struct Pass {
    report: ReapReport,
    met_the_dead: bool,
    /// Owners that may be dead, and who are so if they stay without a keeper.
    suspects: Suspects,
    /// Why files that nobody needs could not be removed.
    trouble: Option<Error>,
}

/// A thing of this application that was found on the engine.
#[derive(Debug)]
struct Found {
    kind: ResourceKind,
    listed: Listed,
}

async fn pass(
    shared: &Arc<Shared>,
    options: ReapOptions,
    dead: &BTreeMap<String, Keepers>,
) -> Result<Pass> {
    let mut by_owner: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    let mut report = ReapReport::default();
    let mut suspects = Suspects::new();
    let all = everything(shared).await?;
    let now = now(shared, &all).await;
    for found in all {
        let owner = found.listed.label(LABEL_OWNER);
        match owner.filter(|_| is_ours(&found.listed, &shared.application)) {
            Some(owner) => by_owner.entry(owner.to_owned()).or_default().push(found),
            // Nobody's: nothing can be proven about it.
            None => report.kept += 1,
        }
    }
    let seen: BTreeSet<String> = by_owner.keys().cloned().collect();
    for (owner, things) in by_owner {
        if owner == shared.owner {
            report.kept += things.len();
            continue;
        }
        let silent = dead.get(&owner);
        let suspect = if options.dry_run {
            look(shared, &owner, things, now, silent, &mut report).await?
        } else {
            remove(shared, &owner, things, now, silent, &mut report).await?
        };
        suspects.extend(suspect.map(|suspect| (owner, suspect)));
    }
    let mut met_the_dead = !report.removed.is_empty() || !report.failed.is_empty();
    let mut trouble = None;
    if !options.dry_run {
        let (run_dir, application) = (shared.run_dir.clone(), shared.application.clone());
        match off_the_runtime(move || run_dir.sweep(&application, &seen)).await? {
            Ok(swept) => met_the_dead |= !swept.is_empty(),
            Err(error) => trouble = Some(error),
        }
    }
    Ok(Pass { report, met_the_dead, suspects, trouble })
}

/// Everything of this application, in the order in which it can be removed: containers hold
/// networks and volumes.
async fn everything(shared: &Shared) -> Result<Vec<Found>> {
    let (api, filter) = (&shared.api, [format!("{LABEL_APPLICATION}={}", shared.application)]);
    let mut all = Vec::new();
    let failed = |what: &'static str| move |error| engine_error("reap", what, error);
    let containers = again("list_containers", || api.list_containers(&filter)).await;
    let networks = again("list_networks", || api.list_networks(&filter)).await;
    let volumes = again("list_volumes", || api.list_volumes(&filter)).await;
    for (kind, listed) in [
        (ResourceKind::Container, containers.map_err(failed("the list of containers"))?),
        (ResourceKind::Network, networks.map_err(failed("the list of networks"))?),
        (ResourceKind::Volume, volumes.map_err(failed("the list of volumes"))?),
    ] {
        all.extend(listed.into_iter().map(|listed| Found { kind, listed }));
    }
    Ok(all)
}

/// Whether a driver of the application has made it, and not somebody from an image that was committed
/// from a task: the engine hands on the labels of such a one. What we make has a name of ours.
fn is_ours(listed: &Listed, application: &str) -> bool {
    let named = |name: &String| name.trim_start_matches('/').starts_with(NAME);
    let is_named = listed.names.is_empty() || listed.names.iter().any(named);
    is_named && listed.label(LABEL_APPLICATION) == Some(application)
}

/// What would be removed of an owner's; the owner, if only its keeper can tell.
async fn look(
    shared: &Shared,
    owner: &str,
    things: Vec<Found>,
    now: Option<Timestamp>,
    silent: Option<&Keepers>,
    report: &mut ReapReport,
) -> Result<Option<(Promise, Keepers)>> {
    let judgement = judge::looked_at(shared, owner, &things, silent).await?;
    for thing in things {
        let is_left = match (&judgement, until(&thing.listed)) {
            (Judgement::Dead(()) | Judgement::Silent, None) => true,
            (Judgement::Dead(()), Some(until)) => {
                until.has_passed(now) && !may_be_adopted(shared, &thing).await?
            }
            _ => false,
        };
        if is_left {
            report.removed.push(reaped(&thing, owner));
        } else {
            report.kept += 1;
        }
    }
    Ok(judgement.suspect())
}

/// Removes what a dead owner left; gives the owner, if only its keeper can tell.
async fn remove(
    shared: &Shared,
    owner: &str,
    things: Vec<Found>,
    now: Option<Timestamp>,
    silent: Option<&Keepers>,
    report: &mut ReapReport,
) -> Result<Option<(Promise, Keepers)>> {
    let lease = lease_of(&things);
    let mut dead = match judge::taken(shared, owner, &things, silent).await? {
        Judgement::Dead(dead) => Some(dead),
        Judgement::Silent => {
            tracing::info!(owner, "it had no keeper for as long as it had promised");
            None
        }
        alive => {
            report.kept += things.len();
            return Ok(alive.suspect());
        }
    };
    // Who takes one up waits until the lease is free: it is not held while something is removed.
    let gives_way = dead.is_some()
        && things.iter().filter_map(|it| until(&it.listed)).any(|until| !until.has_passed(now));
    // The kinds of what stays.
    let mut left = Vec::new();
    for thing in things {
        let mut entry = reaped(&thing, owner);
        // What a container that is left may still be on is left as well.
        let mut is_kept =
            thing.kind != ResourceKind::Container && left.contains(&ResourceKind::Container);
        let mut claim = None;
        if let Some(until) = until(&thing.listed) {
            if gives_way && dead.is_none() && until.has_passed(now) {
                dead = judge::taken_again(shared, owner, &lease).await?;
            }
            match dead.take() {
                Some(owner) if until.has_passed(now) => {
                    // An adopter has it, or nobody gets it until it is gone.
                    let (given, taken) = take(owner, thing.listed.id.clone()).await?;
                    dead = Some(given);
                    match taken {
                        Ok(Abandoned::Free(free)) => claim = free,
                        Ok(Abandoned::Adopted) => is_kept = true,
                        Err(error) => {
                            left.push(thing.kind);
                            entry.error = Some(error.to_string());
                            report.failed.push(entry);
                            continue;
                        }
                    }
                }
                owner => {
                    dead = owner;
                    is_kept = true;
                }
            }
        }
        if gives_way {
            drop(dead.take());
        }
        if is_kept {
            report.kept += 1;
            left.push(thing.kind);
            continue;
        }
        match remove_one(shared, &thing).await {
            Ok(()) => {
                report.removed.push(entry);
                if let Some(claim) = claim
                    && let Err(error) = off_the_runtime(move || Adoption::finish(claim)).await?
                {
                    // The sweep removes the file.
                    tracing::debug!(%error, "the file of a claim could not be removed");
                }
            }
            Err(error) => {
                left.push(thing.kind);
                entry.error = Some(error.to_string());
                report.failed.push(entry);
            }
        }
    }
    if let Some(dead) = dead.filter(|_| left.is_empty())
        && let Err(error) = off_the_runtime(move || DeadOwner::finish(dead)).await?
    {
        // The next sweep removes the file.
        tracing::debug!(owner, %error, "the lease of a dead owner could not be removed");
    }
    Ok(None)
}

async fn remove_one(shared: &Shared, thing: &Found) -> std::result::Result<(), ClientError> {
    let (api, id) = (&shared.api, thing.listed.id.as_str());
    let removed = match thing.kind {
        ResourceKind::Network => repeat("remove_network", || api.remove_network(id)).await,
        ResourceKind::Volume => repeat("remove_volume", || api.remove_volume(id)).await,
        _ => remove_container(&**api, id, shared.timeouts.work).await.map(drop),
    };
    match removed {
        // Somebody else was at it.
        Err(error) if error.is_not_found() => Ok(()),
        removed => removed,
    }
}

/// Takes the claim on a thing that could have been recovered.
async fn take(dead: DeadOwner, id: String) -> Result<(DeadOwner, Result<Abandoned>)> {
    off_the_runtime(move || {
        let taken = dead.take(&id);
        (dead, taken)
    })
    .await
}

async fn may_be_adopted(shared: &Shared, thing: &Found) -> Result<bool> {
    let (run_dir, application) = (shared.run_dir.clone(), shared.application.clone());
    let lease = thing.listed.label(LABEL_LEASE).unwrap_or_default().to_owned();
    let id = thing.listed.id.clone();
    off_the_runtime(move || run_dir.may_be_adopted(&application, &lease, &id)).await
}

fn reaped(thing: &Found, owner: &str) -> Reaped {
    let mut reaped = Reaped::new(thing.kind, &thing.listed.id, owner);
    reaped.task = thing.listed.label(LABEL_TASK).map(str::to_owned);
    reaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(removed: &[&str], failed: &[&str]) -> Pass {
        let all = |ids: &[&str]| {
            ids.iter().map(|id| Reaped::new(ResourceKind::Container, *id, "dead")).collect()
        };
        let mut report = ReapReport::default();
        (report.removed, report.failed) = (all(removed), all(failed));
        Pass { report, met_the_dead: true, suspects: Suspects::new(), trouble: None }
    }

    #[test]
    fn what_is_found_again_is_told_once_and_as_it_went_last() {
        let mut report = pass(&["a", "b", "c"], &["d"]).report;
        assert!(add(&mut report, &mut None, Ok(pass(&["b", "d"], &["c"]))));
        let ids = |all: &[Reaped]| all.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&report.removed), ["a", "b", "d"]);
        assert_eq!(ids(&report.failed), ["c"]);
    }
}
