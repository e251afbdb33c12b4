//! An adopter's claim on one thing that a dead owner has left: a locked file, as a lease is.
//!
//! Labels on an engine cannot be changed, so that what was adopted still names its dead owner. Who
//! wants to remove it takes the same claim before.

use std::time::{Duration, Instant};

use longshore_driver_api::Result;
use sha2::{Digest, Sha256};

use crate::claim::{DeadOwner, Liveness, Look, look, take};
use crate::directory::Directory;
use crate::domain::LeaseDomain;
use crate::lease::unusable;
use crate::lock::Lock;
use crate::process::State;
use crate::random;
use crate::rundir::RunDir;

/// How the files of claims end.
pub(crate) const SUFFIX: &str = ".adopted";
/// How long a reaper may hold the lease of an owner whose process is gone.
const REAPERS_TURN: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(10);

/// The answer to an attempt to adopt something.
#[derive(Debug)]
#[non_exhaustive]
pub enum Adopt {
    /// It is this process's, until that ends or the claim is dropped.
    Won(Adoption),
    /// Somebody who lives, or may live, has it, for the reason given: its owner, another adopter,
    /// or a reaper.
    Taken(String),
    /// A reaper is busy with what its owner left, which takes longer than was waited. It may be left
    /// over when that is done.
    Busy(String),
    /// No claim that is made here could be seen by everybody, for the reason given.
    Elsewhere(String),
}

/// A claim on one thing, held by its adopter, or by a reaper that is about to remove it.
///
/// Dropping it leaves the thing to the next adopter or reaper.
#[derive(Debug)]
pub struct Adoption {
    run: RunDir,
    application: String,
    leases: Directory,
    name: String,
    // Held for its lock.
    _lock: Lock,
}

impl Adoption {
    /// Removes the claim: the thing is gone.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed. It claims nothing any more, and the next reaper removes it.
    pub fn finish(self) -> Result<()> {
        let removed = self.leases.remove(&self.name);
        removed.map_err(|cause| unusable(&self.leases, &self.name, cause))?;
        self.run.tidy(&self.application);
        Ok(())
    }
}

/// What a reaper may do with a thing that could be adopted.
#[derive(Debug)]
pub enum Abandoned {
    /// Nobody has it, and nobody gets it while this is held.
    Free(Option<Adoption>),
    /// An adopter has it who lives, or may live.
    Adopted,
}

impl RunDir {
    /// Claims one thing that a dead owner has left, such as a container by its id on the engine.
    /// The owner is named by its label, as is its lease's domain.
    ///
    /// Of all who try at the same time one wins. It has to be the owner's own run directory, and the
    /// machine must not have been started anew since: then everybody looks at the same files. It
    /// may wait for a few seconds for a reaper that is busy with what the owner left.
    ///
    /// # Errors
    ///
    /// If the files cannot be used.
    pub fn adopt(
        &self,
        application: &str,
        owner: &str,
        domain: &str,
        thing: &str,
    ) -> Result<Adopt> {
        let known = match domain.parse::<LeaseDomain>() {
            Ok(known) => known,
            Err(unknown) => return Ok(Adopt::Elsewhere(unknown.to_string())),
        };
        let place = self.place();
        if known.run_directory != place.run_directory {
            let text =
                format!("its owner used another run directory than {}", self.path().display());
            return Ok(Adopt::Elsewhere(text));
        }
        if !place.same_boot(&known) {
            let text = "the machine of its owner was started anew since, or is not this one";
            return Ok(Adopt::Elsewhere(text.to_owned()));
        }
        let is_gone =
            || place.same_processes(&known) && known.process.state(place.root()) == State::Gone;
        let give_up = Instant::now() + REAPERS_TURN;
        loop {
            match self.liveness(application, owner, domain) {
                Liveness::Dead(_) => break,
                // A reaper has the lease, or a child of the owner's.
                Liveness::Alive if is_gone() && Instant::now() < give_up => {
                    std::thread::sleep(LOOK);
                }
                Liveness::Alive if is_gone() => {
                    let text = "its owner's process has ended, and somebody holds its lease: a \
                                reaper, or a child of that process";
                    return Ok(Adopt::Busy(text.to_owned()));
                }
                Liveness::Alive => return Ok(Adopt::Taken("its owner lives".to_owned())),
                Liveness::Unknown(why) => return Ok(Adopt::Taken(why)),
            }
        }
        Ok(match self.claim_thing(application, thing)? {
            Some(claim) => Adopt::Won(claim),
            None => Adopt::Taken("somebody else has recovered it, or removes it".to_owned()),
        })
    }

    /// Whether somebody may have adopted a thing of a dead owner's. Asked without claiming it.
    pub fn may_be_adopted(&self, application: &str, domain: &str, thing: &str) -> bool {
        match self.judged_here(domain) {
            Judge::Nobody => false,
            Judge::Elsewhere => true,
            Judge::Here => match self.existing_leases(application) {
                Ok(None) => false,
                Ok(Some(leases)) => !matches!(
                    look(&leases, &file_name(thing), Lock::shared),
                    Ok(Look::Free(_) | Look::Missing)
                ),
                Err(_) => true,
            },
        }
    }

    /// Who can say whether something of that domain's was adopted.
    fn judged_here(&self, domain: &str) -> Judge {
        let place = self.place();
        match domain.parse::<LeaseDomain>() {
            // Adopters do not reach beyond a start of the machine.
            Ok(domain) if place.former_boot(&domain) => Judge::Nobody,
            Ok(domain) if domain.run_directory == place.run_directory => Judge::Here,
            _ => Judge::Elsewhere,
        }
    }

    fn claim_thing(&self, application: &str, thing: &str) -> Result<Option<Adoption>> {
        let name = file_name(thing);
        let (leases, lock) = self.in_leases(application, |leases| take(leases, &name))?;
        let (run, application) = (self.clone(), application.to_owned());
        Ok(lock.map(|lock| Adoption { run, application, leases, name, _lock: lock }))
    }
}

impl DeadOwner {
    /// Claims one thing that this owner has left and that could be adopted, to remove it.
    ///
    /// # Errors
    ///
    /// If the files cannot be used.
    pub fn take(&self, thing: &str) -> Result<Abandoned> {
        match self.run().judged_here(self.domain()) {
            Judge::Nobody => Ok(Abandoned::Free(None)),
            Judge::Elsewhere => Ok(Abandoned::Adopted),
            Judge::Here => {
                let claim = self.run().claim_thing(self.application(), thing)?;
                Ok(claim.map_or(Abandoned::Adopted, |claim| Abandoned::Free(Some(claim))))
            }
        }
    }
}

enum Judge {
    /// This run directory.
    Here,
    /// It cannot have been adopted.
    Nobody,
    /// Another one, which is not seen from here.
    Elsewhere,
}

/// An id on an engine may be anything.
fn file_name(thing: &str) -> String {
    format!("{}{SUFFIX}", random::hex(&Sha256::digest(thing)[..16]))
}
