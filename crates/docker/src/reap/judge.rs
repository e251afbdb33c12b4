//! Whether an owner is dead: by its lease, and by its keepers where that proves nothing.

use longshore_driver_api::{LABEL_KEEPER, LABEL_LEASE, ResourceKind, Result};
use longshore_host::{Claim, DeadOwner, Liveness, RunDir};

use super::Found;
use crate::blocking::off_the_runtime;
use crate::keeper::{Keepers, Promise};
use crate::shared::Shared;

/// What the files and the keepers say of an owner.
pub(super) enum Judgement<T> {
    /// Dead by its lease.
    Dead(T),
    /// Dead by the silence of its keepers. What could be recovered may have been: adopters are known
    /// by the files that are not to be seen from here.
    Silent,
    /// Without a keeper.
    Suspect(Promise, Keepers),
    Other,
}

impl<T> Judgement<T> {
    /// By the keepers, where the files prove nothing.
    fn by_keepers(things: &[Found], dead: Option<&Keepers>) -> Self {
        let promises = things.iter().filter_map(|thing| thing.listed.label(LABEL_KEEPER));
        let Ok(promises) =
            promises.map(str::parse).collect::<std::result::Result<Vec<Promise>, _>>()
        else {
            return Self::Other;
        };
        let containers = things.iter().filter(|thing| thing.kind == ResourceKind::Container);
        let keepers = Keepers::among(containers.map(|thing| &thing.listed));
        match (promises.into_iter().max(), dead) {
            (None, _) => Self::Other,
            _ if keepers.is_running() => Self::Other,
            (_, Some(known)) if keepers.are_among(known) => Self::Silent,
            (Some(promise), _) => Self::Suspect(promise, keepers),
        }
    }

    pub(super) fn suspect(self) -> Option<(Promise, Keepers)> {
        match self {
            Self::Suspect(promise, keepers) => Some((promise, keepers)),
            _ => None,
        }
    }
}

/// Judges an owner by what it has, and changes nothing.
pub(super) async fn looked_at(
    shared: &Shared,
    owner: &str,
    things: &[Found],
    silent: Option<&Keepers>,
) -> Result<Judgement<()>> {
    Ok(match ask(shared, owner, &lease_of(things), RunDir::liveness).await? {
        Liveness::Dead(_) => Judgement::Dead(()),
        Liveness::Unknown(_) => Judgement::by_keepers(things, silent),
        _ => Judgement::Other,
    })
}

/// The same, and takes the lease of an owner that is dead.
pub(super) async fn taken(
    shared: &Shared,
    owner: &str,
    things: &[Found],
    silent: Option<&Keepers>,
) -> Result<Judgement<DeadOwner>> {
    Ok(match ask(shared, owner, &lease_of(things), RunDir::claim_dead).await? {
        Claim::Dead(dead) => Judgement::Dead(dead),
        Claim::Unknown(_) => Judgement::by_keepers(things, silent),
        _ => Judgement::Other,
    })
}

/// Takes a dead owner's lease again, if nobody else has it meanwhile.
pub(super) async fn taken_again(
    shared: &Shared,
    owner: &str,
    lease: &str,
) -> Result<Option<DeadOwner>> {
    Ok(match ask(shared, owner, lease, RunDir::claim_dead).await? {
        Claim::Dead(dead) => Some(dead),
        _ => None,
    })
}

/// Asks the run directory about an owner of this application, by its lease.
async fn ask<T: Send + 'static>(
    shared: &Shared,
    owner: &str,
    lease: &str,
    question: fn(&RunDir, &str, &str, &str) -> T,
) -> Result<T> {
    let (run_dir, application) = (shared.run_dir.clone(), shared.application.clone());
    let (owner, lease) = (owner.to_owned(), lease.to_owned());
    off_the_runtime(move || question(&run_dir, &application, &owner, &lease)).await
}

/// The lease of the owner of these things.
pub(super) fn lease_of(things: &[Found]) -> String {
    let lease = things.iter().find_map(|thing| thing.listed.label(LABEL_LEASE));
    lease.unwrap_or_default().to_owned()
}
