//! Proving that an owner is dead, and taking what it left for one reaper alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;

use longshore_driver_api::Result;

use crate::directory::Directory;
use crate::domain::LeaseDomain;
use crate::lease::{SUFFIX, UNBORN, locked, unusable};
use crate::lock::Lock;
use crate::process::State;
use crate::random;
use crate::rundir::RunDir;

/// How often a lease that vanishes between two looks is looked at again.
const TRIES: u32 = 8;

/// Whether an owner lives. Only `Dead` is proven; a reaper leaves the others alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Liveness {
    /// Its lease is held: by the owner, or by a reaper that is busy with what it left.
    Alive,
    /// It is dead, for the reason given.
    Dead(String),
    /// Nothing is proven, for the reason given.
    Unknown(String),
}

/// The answer to an attempt to take what an owner left.
#[derive(Debug)]
#[non_exhaustive]
pub enum Claim {
    /// The owner is dead, and until this is dropped no other reaper gets it.
    Dead(DeadOwner),
    /// Its lease is held: by the owner, or by another reaper.
    Alive,
    /// Nothing is proven, for the reason given.
    Unknown(String),
}

/// A dead owner whose things this reaper may remove.
///
/// Dropping it leaves the owner dead and claimable, for the next reaper to go on.
#[derive(Debug)]
pub struct DeadOwner {
    owner: String,
    reason: String,
    leases: Directory,
    // Held for its lock.
    _lock: Lock,
}

impl DeadOwner {
    /// The owner's id.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// How it is known to be dead.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Removes the lease: nothing is left of this owner.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed; the owner stays claimable.
    pub fn finish(self) -> Result<()> {
        let name = format!("{}{SUFFIX}", self.owner);
        self.leases.remove(&name).map_err(|cause| unusable(&self.leases, &name, cause))
    }
}

/// What is known of an owner, with the locked lease where there is one.
enum Finding {
    Dead { reason: String, lease: Option<Lock> },
    Alive,
    Unknown(String),
}

impl RunDir {
    /// Whether an owner lives, from its id and from the lease label's text as the engine shows it.
    ///
    /// An owner is dead only if
    /// - its lease is in this run directory and can be locked, or
    /// - its lease is gone and its process has ended, or
    /// - its lease is gone and its machine, which is this one, was started anew since, or
    /// - its lease is gone from this very run directory, where only the owner's own orderly end
    ///   or a reaper removes it.
    pub fn liveness(&self, application: &str, owner: &str, domain: &str) -> Liveness {
        match self.examine(application, owner, domain, Lock::shared) {
            Finding::Dead { reason, .. } => Liveness::Dead(reason),
            Finding::Alive => Liveness::Alive,
            Finding::Unknown(reason) => Liveness::Unknown(reason),
        }
    }

    /// As [`liveness`](Self::liveness), and if the owner is dead, keeps other reapers that use this
    /// run directory away from it.
    pub fn claim_dead(&self, application: &str, owner: &str, domain: &str) -> Claim {
        let (reason, lease) = match self.examine(application, owner, domain, Lock::exclusive) {
            Finding::Dead { reason, lease } => (reason, lease),
            Finding::Alive => return Claim::Alive,
            Finding::Unknown(reason) => return Claim::Unknown(reason),
        };
        let claimed = self.leases(application).and_then(|leases| match lease {
            Some(lock) => Ok(Some((leases, lock))),
            None => Ok(stand_in(&leases, owner)?.map(|lock| (leases, lock))),
        });
        match claimed {
            Ok(Some((leases, lock))) => {
                Claim::Dead(DeadOwner { owner: owner.to_owned(), reason, leases, _lock: lock })
            }
            Ok(None) => Claim::Alive,
            Err(error) => Claim::Unknown(format!("it is dead, but cannot be claimed: {error}")),
        }
    }

    /// The owners of `application` that have a lease here, dead or alive, in order.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub fn owners(&self, application: &str) -> Result<Vec<String>> {
        let Some(leases) = self.existing_leases(application)? else { return Ok(Vec::new()) };
        let names = leases.names().map_err(|cause| unusable(&leases, "", cause))?;
        let mut owners: Vec<String> = names
            .iter()
            .filter_map(|name| name.strip_suffix(SUFFIX))
            .filter(|owner| random::is_word(owner))
            .map(str::to_owned)
            .collect();
        owners.sort();
        Ok(owners)
    }

    /// Removes the leases of dead owners that have nothing left: all but those in `keep`, which
    /// are the owners that the engine still shows. Returns the owners whose lease was removed.
    ///
    /// Files that processes left when they died while taking a lease are removed as well.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or a file cannot be removed.
    pub fn sweep(&self, application: &str, keep: &BTreeSet<String>) -> Result<Vec<String>> {
        let Some(leases) = self.existing_leases(application)? else { return Ok(Vec::new()) };
        let mut names = leases.names().map_err(|cause| unusable(&leases, "", cause))?;
        names.sort();
        let mut swept = Vec::new();
        for name in names {
            let owner = name.strip_suffix(SUFFIX).filter(|owner| random::is_word(owner));
            if owner.is_none() && !name.ends_with(UNBORN) {
                continue;
            }
            if owner.is_some_and(|owner| keep.contains(owner)) {
                continue;
            }
            let removed = remove_if_free(&leases, &name);
            if removed.map_err(|cause| unusable(&leases, &name, cause))? {
                swept.extend(owner.map(str::to_owned));
            }
        }
        Ok(swept)
    }

    fn examine(
        &self,
        application: &str,
        owner: &str,
        domain: &str,
        lock: fn(File) -> io::Result<Option<Lock>>,
    ) -> Finding {
        // Labels come from the engine, where anybody may have written them.
        if !random::is_word(owner) {
            return Finding::Unknown("its owner label is not of our making".to_owned());
        }
        let domain: LeaseDomain = match domain.parse() {
            Ok(domain) => domain,
            Err(unknown) => return Finding::Unknown(unknown.to_string()),
        };
        if domain.run_directory != self.place().run_directory {
            return self.without_lease(&domain, false);
        }
        match self
            .existing_leases(application)
            .map(|leases| leases.map(|it| look(&it, owner, lock)))
        {
            Ok(Some(Ok(Look::Free(lock)))) => {
                let reason = "nobody holds its lease".to_owned();
                Finding::Dead { reason, lease: Some(lock) }
            }
            Ok(Some(Ok(Look::Held))) => Finding::Alive,
            Ok(None | Some(Ok(Look::Missing))) => self.without_lease(&domain, true),
            Ok(Some(Err(cause))) => {
                Finding::Unknown(format!("its lease cannot be examined: {cause}"))
            }
            Err(error) => Finding::Unknown(format!("its lease cannot be examined: {error}")),
        }
    }

    /// Judges an owner whose lease is not in this run directory, `ours` if it belongs here.
    fn without_lease(&self, domain: &LeaseDomain, ours: bool) -> Finding {
        let dead = |reason: String| Finding::Dead { reason, lease: None };
        let place = self.place();
        if place.same_processes(domain) {
            let process = domain.process;
            match process.state(place.root()) {
                State::Gone => return dead(format!("its process {} has ended", process.id)),
                State::Alive => {
                    let id = process.id;
                    return Finding::Unknown(format!(
                        "its process {id} lives without a lease here"
                    ));
                }
                State::Unknown => {}
            }
        }
        if place.former_boot(domain) {
            return dead("this machine was started anew since".to_owned());
        }
        if ours && self.is_in_place() {
            return dead("its lease was given up".to_owned());
        }
        Finding::Unknown("its lease is in another run directory or on another host".to_owned())
    }
}

enum Look {
    Free(Lock),
    Held,
    Missing,
}

fn look(
    leases: &Directory,
    owner: &str,
    lock: fn(File) -> io::Result<Option<Lock>>,
) -> io::Result<Look> {
    let name = format!("{owner}{SUFFIX}");
    for _ in 0..TRIES {
        let file = match leases.open_file(&name) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Look::Missing),
            Err(cause) => return Err(cause),
        };
        let Some(lock) = lock(file)? else { return Ok(Look::Held) };
        // Another reaper may have finished, and removed the file, between opening and locking.
        if leases.is_linked(lock.file(), &name)? {
            return Ok(Look::Free(lock));
        }
    }
    Ok(Look::Held)
}

/// Makes and locks a lease in a dead owner's name; none if another reaper was first.
fn stand_in(leases: &Directory, owner: &str) -> Result<Option<Lock>> {
    let name = format!("{owner}{SUFFIX}");
    let (unborn, lock) = locked(leases, owner)?;
    let linked = leases.link(&unborn, &name);
    leases.remove(&unborn).map_err(|cause| unusable(leases, &unborn, cause))?;
    match linked {
        Ok(()) => Ok(Some(lock)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(cause) => Err(unusable(leases, &name, cause)),
    }
}

fn remove_if_free(leases: &Directory, name: &str) -> io::Result<bool> {
    let file = match leases.open_file(name) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(cause),
    };
    let Some(lock) = Lock::exclusive(file)? else { return Ok(false) };
    // An unborn file may have become a lease, or another sweeper may have removed it.
    let ours = leases.is_linked(lock.file(), name)?;
    if ours {
        leases.remove(name)?;
    }
    Ok(ours)
}
