//! The reaper's side: watching until an owner without a keeper is proven dead, or is not.

use std::collections::BTreeMap;
use std::time::Duration;

use longshore_driver_api::{LABEL_APPLICATION, LABEL_KEEPER_GENERATION, LABEL_OWNER};
use tokio::time::Instant;

use super::Keepers;
use super::promise::{Promise, Verdict, Watch};
use crate::client::api::DockerApi;
use crate::client::reply::Listed;

/// Looks in the shortest time that an owner was promised.
const LOOKS: u32 = 12;
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so many times the longest promise, those who are still not proven dead are left alone.
const PATIENCE: u32 = 4;

/// Owners that were met without a keeper that runs, with the keepers that were there.
pub(crate) type Suspects = BTreeMap<String, (Promise, Keepers)>;

/// Watches the suspects until each is proven dead or alive, or patience ends. Gives the dead, with
/// the keepers that were seen of each.
///
/// It takes as long as the promises say. The engine has to answer for all of that time: an engine
/// that is away keeps owners from making keepers too.
pub(crate) async fn silent(
    api: &dyn DockerApi,
    application: &str,
    suspects: Suspects,
) -> BTreeMap<String, Keepers> {
    let mut dead = BTreeMap::new();
    let graces = || suspects.values().map(|(promise, _)| promise.grace());
    let (Some(shortest), Some(longest)) = (graces().min(), graces().max()) else { return dead };
    let begun = Instant::now();
    let patience = longest.saturating_mul(PATIENCE);
    let mut watches: BTreeMap<String, Watch> = suspects
        .iter()
        .map(|(owner, (promise, known))| (owner.clone(), Watch::new(*promise, known.clone())))
        .collect();
    while !watches.is_empty() && begun.elapsed() < patience {
        // What is listed may be as old as the question.
        let asked = begun.elapsed();
        match keepers(api, application).await {
            Ok(mut met) => watches.retain(|owner, watch| {
                let met = met.remove(owner).unwrap_or_default();
                match watch.look(asked, met) {
                    Verdict::Alive => return false,
                    Verdict::Unproven => return true,
                    Verdict::Dead => {}
                }
                dead.insert(owner.clone(), watch.known().clone());
                false
            }),
            Err(error) => {
                tracing::debug!(%error, "cannot look for keepers");
                watches.values_mut().for_each(Watch::failed);
            }
        }
        if !watches.is_empty() {
            tokio::time::sleep((shortest / LOOKS).min(LONGEST_PAUSE)).await;
        }
    }
    dead
}

/// The keepers of an application, by their owners.
async fn keepers(
    api: &dyn DockerApi,
    application: &str,
) -> crate::client::error::Result<BTreeMap<String, Keepers>> {
    // Those of which the label has no value are listed too.
    let labels = [format!("{LABEL_APPLICATION}={application}"), LABEL_KEEPER_GENERATION.to_owned()];
    let mut by_owner: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
    for listed in api.list_containers(&labels).await? {
        if let Some(owner) = listed.label(LABEL_OWNER) {
            by_owner.entry(owner.to_owned()).or_default().push(listed);
        }
    }
    Ok(by_owner.into_iter().map(|(owner, listed)| (owner, Keepers::among(listed.iter()))).collect())
}
