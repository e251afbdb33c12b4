//! Proving that an owner is dead, and taking what it left for one reaper alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use longshore_driver_api::Result;

use crate::adoption;
use crate::directory::Directory;
use crate::domain::LeaseDomain;
use crate::lease::{SUFFIX, UNBORN, locked, unusable};
use crate::lock::Lock;
use crate::process::State;
use crate::random;
use crate::rundir::RunDir;

/// How often a lease that vanishes between two looks is looked at again.
const TRIES: u32 = 8;
/// How long somebody may hold a file who only looks at it.
const A_LOOK: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(10);

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
    run: RunDir,
    application: String,
    owner: String,
    domain: String,
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

    pub(crate) fn run(&self) -> &RunDir {
        &self.run
    }

    pub(crate) fn application(&self) -> &str {
        &self.application
    }

    /// The text of its lease's domain.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// How it is known to be dead.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Removes the lease: nothing is left of this owner, nor the application's directory if it was
    /// the last there.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed; the owner stays claimable.
    pub fn finish(self) -> Result<()> {
        let name = format!("{}{SUFFIX}", self.owner);
        self.leases.remove(&name).map_err(|cause| unusable(&self.leases, &name, cause))?;
        self.run.tidy(&self.application);
        Ok(())
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
        let claimed = match lease {
            Some(lock) => self.in_leases(application, |_| Ok(())).map(|(it, ())| (it, Some(lock))),
            None => {
                let name = format!("{owner}{SUFFIX}");
                self.in_leases(application, |leases| take(leases, &name))
            }
        };
        match claimed {
            Ok((leases, Some(lock))) => Claim::Dead(DeadOwner {
                run: self.clone(),
                application: application.to_owned(),
                owner: owner.to_owned(),
                domain: domain.to_owned(),
                reason,
                leases,
                _lock: lock,
            }),
            Ok((_, None)) => Claim::Alive,
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
    /// Files that processes left when they died while taking a lease are removed as well, and claims
    /// of adopters that are dead: they claim nothing.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or a file cannot be removed: the others are all the same.
    pub fn sweep(&self, application: &str, keep: &BTreeSet<String>) -> Result<Vec<String>> {
        let Some(leases) = self.existing_leases(application)? else { return Ok(Vec::new()) };
        let mut names = leases.names().map_err(|cause| unusable(&leases, "", cause))?;
        names.sort();
        let (mut swept, mut failed) = (Vec::new(), None);
        for name in names {
            let owner = name.strip_suffix(SUFFIX).filter(|owner| random::is_word(owner));
            if owner.is_none() && !name.ends_with(UNBORN) && !name.ends_with(adoption::SUFFIX) {
                continue;
            }
            if owner.is_some_and(|owner| keep.contains(owner)) {
                continue;
            }
            match remove_if_free(&leases, &name) {
                Ok(true) => swept.extend(owner.map(str::to_owned)),
                Ok(false) => {}
                Err(cause) => failed = failed.or(Some(unusable(&leases, &name, cause))),
            }
        }
        self.tidy(application);
        failed.map_or(Ok(swept), Err)
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
            .map(|leases| leases.map(|it| look(&it, &format!("{owner}{SUFFIX}"), lock)))
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

/// What is known of a locked file.
pub(crate) enum Look {
    Free(Lock),
    Held,
    Missing,
}

/// Looks at a file, and locks it where it is free.
pub(crate) fn look(
    leases: &Directory,
    name: &str,
    lock: fn(File) -> io::Result<Option<Lock>>,
) -> io::Result<Look> {
    for _ in 0..TRIES {
        let file = match leases.open_file(name) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Look::Missing),
            Err(cause) => return Err(cause),
        };
        let Some(lock) = lock(file)? else { return Ok(Look::Held) };
        // Another reaper may have finished, and removed the file, between opening and locking.
        if leases.is_linked(lock.file(), name)? {
            return Ok(Look::Free(lock));
        }
    }
    Ok(Look::Held)
}

/// Locks the file of this name, such as a lease in a dead owner's name, after it has been made where
/// it is missing; none if another holds it.
pub(crate) fn take(leases: &Directory, name: &str) -> Result<Option<Lock>> {
    let failed = |cause| unusable(leases, name, cause);
    let give_up = Instant::now() + A_LOOK;
    for _ in 0..TRIES {
        match look(leases, name, Lock::exclusive).map_err(failed)? {
            Look::Free(lock) => return Ok(Some(lock)),
            Look::Held if Instant::now() >= give_up => return Ok(None),
            Look::Held => {
                std::thread::sleep(PAUSE);
                continue;
            }
            Look::Missing => {}
        }
        let (unborn, lock) = locked(leases, &random::word()?)?;
        let linked = leases.link(&unborn, name);
        leases.remove(&unborn).map_err(|cause| unusable(leases, &unborn, cause))?;
        match linked {
            Ok(()) => return Ok(Some(lock)),
            // Another was first: it may hold it, or have left it.
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(failed(cause)),
        }
    }
    Ok(None)
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
