//! Removing images in the background, to keep all of them under a size.

use std::collections::HashMap;
use std::time::Duration;

use longshore_driver_api::Error;
use longshore_images::{ImageCache, ImageFigures};
use tokio::time::{Instant, sleep, sleep_until};

use super::cache::update;
use crate::client::api::DockerApi;
use crate::client::error::{ClientError, Result};
use crate::meter;
use crate::retry::pause;

/// How often the order of use is written down, if it has changed.
const SAVE: Duration = Duration::from_secs(5);
/// How often the engine is asked what is there without need, since others pull and remove too. Images
/// that it would not remove are tried again then.
const LOOK: Duration = Duration::from_secs(5 * 60);
/// For how long after the last removal of an image another one of it is followed by a pause: whether
/// it was pulled again or the engine lists it all the same is not told.
const AGAIN: Duration = Duration::from_secs(60);
/// The longest pause after an engine that could not be asked.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Keeps the images under the cache's limit, for ever.
pub(crate) async fn clean(api: &dyn DockerApi, cache: &ImageCache) {
    list(api, cache).await;
    let mut removed = HashMap::new();
    let (mut save_at, mut look_at) = (Instant::now() + SAVE, Instant::now() + LOOK);
    loop {
        tokio::select! {
            biased;
            () = sleep_until(save_at) => {
                save(cache).await;
                meter::cache(cache);
                save_at = Instant::now() + SAVE;
            }
            () = sleep_until(look_at) => {
                cache.try_again();
                list(api, cache).await;
                look_at = Instant::now() + LOOK;
            }
            _ = cache.wait_for_candidates() => remove_first(api, cache, &mut removed).await,
        }
    }
}

/// Writes down the order of use. That it cannot be written is no reason to stop.
pub(crate) async fn save(cache: &ImageCache) {
    let cache = cache.clone();
    let saved = tokio::task::spawn_blocking(move || cache.save()).await;
    if let Ok(Err(error)) = saved {
        tracing::warn!(%error, "the order in which images were used is not kept");
    }
}

/// Takes over what the engine lists, however often it has to be asked.
async fn list(api: &dyn DockerApi, cache: &ImageCache) {
    for attempt in 3_u32.. {
        match api.list_images().await {
            Ok(listed) => {
                update(cache, listed);
                meter::cache(cache);
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "the engine does not list its images");
                // One at a time may ask for this, and there may be others.
                sleep((pause(attempt) * attempt).min(LONGEST_PAUSE)).await;
            }
        }
    }
}

/// Removes the image that is to go first, by what the engine lists now: what was counted since the
/// last list has layers in common with others that were not known.
async fn remove_first(
    api: &dyn DockerApi,
    cache: &ImageCache,
    removed: &mut HashMap<String, (u32, Instant)>,
) {
    list(api, cache).await;
    removed.retain(|_, (_, at)| at.elapsed() < AGAIN);
    let Some(image) = cache.candidates().into_iter().next() else { return };
    let Some(removal) = cache.begin_removal(&image.id) else { return };
    match remove(api, &image).await {
        Ok(Ended::Gone) => {
            tracing::info!(id = image.id, names = image.tags.join(", "), "removed an image");
            removal.done();
            meter::image_removed();
            meter::cache(cache);
            let times = removed.remove(&image.id).map_or(1, |(times, _)| times.saturating_add(1));
            removed.insert(image.id, (times, Instant::now()));
            if times > 1 {
                sleep(pause(times)).await;
            }
        }
        Ok(Ended::Kept(why)) => {
            tracing::info!(id = image.id, why, "an image is not removed now");
            removal.refused();
        }
        Err(error) => {
            // Nobody knows how far it came; the next list tells.
            drop(removal);
            let error = Error::new(crate::error::kind_of(&error), "remove image").because(error);
            tracing::warn!(id = image.id, %error, "an image could not be removed");
            sleep(pause(7)).await;
        }
    }
}

#[derive(Debug, PartialEq)]
enum Ended {
    Gone,
    Kept(String),
}

/// Removes an image with all its names.
async fn remove(api: &dyn DockerApi, image: &ImageFigures) -> Result<Ended> {
    // The engine would take names even from an image that it then keeps.
    if let Some(why) = api.needs_image(&image.id).await? {
        return Ok(Ended::Kept(why.to_owned()));
    }
    let names = image.tags.iter().chain(&image.digests).filter(|name| !name.starts_with("<none>"));
    for name in names {
        match api.inspect_image(name).await {
            // A name may have moved on to another image since.
            Ok(found) if found.id == image.id => {}
            Err(error) if !error.is_not_found() => return Err(error),
            _ => continue,
        }
        if let Some(kept) = refusal(api.remove_image(name).await)? {
            return Ok(kept);
        }
    }
    // The last name takes the image with it, where there was one.
    Ok(refusal(api.remove_image(&image.id).await)?.unwrap_or(Ended::Gone))
}

/// What is not there is gone; a conflict is the engine's refusal.
fn refusal(removed: Result<()>) -> Result<Option<Ended>> {
    match removed {
        Err(ClientError::Status { status: 409, message }) => Ok(Some(Ended::Kept(message))),
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(None),
    }
}
