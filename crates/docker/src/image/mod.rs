//! The task's image: whether it is on the engine, and getting it there.

pub(crate) mod cache;
mod check;
pub(crate) mod cleaner;
pub(crate) mod load;
mod progress;
pub(crate) mod pulls;
mod registry;
mod speed;
pub(crate) mod volumes;

use std::sync::Arc;

use longshore_driver_api::{Error, ErrorKind, ImageStatus, PullPolicy, Result};
use longshore_images::{ImageCache, PullKey, resolve};
use serde_json::Value;

use crate::client::reply::Image;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::retry::again;

/// Whether the image is there, with the digest and for the platform that is wanted. One that is
/// there is kept from the cleaner until the container is closed.
pub(crate) async fn status(core: &Arc<Core>) -> Result<ImageStatus> {
    let reference = core.image.canonical();
    loop {
        let removals = core.shared.cache.as_ref().map(ImageCache::removals);
        let image = match again("inspect_image", || core.shared.api.inspect_image(reference)).await
        {
            Ok(image) => image,
            Err(error) if error.is_not_found() => return Ok(ImageStatus::NeedsPull),
            Err(error) => {
                return Err(engine_error("image status", &format!("image {reference}"), error));
            }
        };
        if check::check(&image, &core.image, core.spec.platform.as_deref()).is_err() {
            return Ok(ImageStatus::NeedsPull);
        }
        refuse(core, "image status", reference, &image)?;
        if let Some(cache) = &core.shared.cache {
            let hold = cache.hold_when_settled(&image.id).await;
            if removals != Some(cache.removals()) {
                continue; // It may have been this one that went between the look and the hold.
            }
            core.keep_image(hold);
        }
        core.image_is_there(image.id);
        return Ok(ImageStatus::Present);
    }
}

/// Whether a create alone finds out that the image is not there. It does not tell another platform's
/// from the one that is wanted, nor whether what has the digest has the name, and what a cleaner
/// could remove has to be held before.
pub(crate) fn is_found_by_create(core: &Core) -> bool {
    let (spec, shared) = (&core.spec, &core.shared);
    spec.pull != PullPolicy::Always
        && core.image.digest().is_none()
        && spec.platform.is_none()
        && shared.cache.is_none()
        && shared.image_volumes.allows_all()
}

/// Pulls the image, or waits for the pull that is under way, and tells the hooks how far it is.
pub(crate) async fn pull(core: &Arc<Core>) -> Result<()> {
    let shared = &core.shared;
    let credential = resolve(&*core.hooks, &*shared.credentials, &core.image).await?;
    let platform = core.spec.platform.clone();
    let key = PullKey::new(&core.image, platform.as_deref(), credential.as_ref());
    let work = pulls::Work {
        api: Arc::clone(&shared.api),
        image: core.image.clone(),
        platform,
        credential,
        attempts: shared.pull_attempts,
        closing: shared.closing.clone(),
    };
    let runtime = shared.reaper.runtime();
    let waiter = shared.pulls.join(runtime, key, shared.timeouts.pull_total, work);
    let mut told = waiter.progress();
    let mut last = None;
    let telling = async {
        while let Some(told) = told.next().await {
            core.hooks.pull_progress(&told.progress);
            last = Some(told.progress);
        }
        std::future::pending::<()>().await;
    };
    let done = tokio::select! {
        biased;
        done = waiter.wait() => done,
        () = core.ending.cancelled() => return Err(core.closed_error("pull")),
        () = telling => unreachable!("telling never ends"),
    };
    let latest = told.latest().unwrap_or_default();
    // The end may have come before the last steps were told.
    if done.is_ok() && last.as_ref() != Some(&latest.progress) {
        core.hooks.pull_progress(&latest.progress);
    }
    let image = done.map_err(|error| latest.error(&core.image, error))?;
    if let Some(cache) = &shared.cache {
        // Held first: what is counted may have to go.
        core.keep_image(cache.hold_when_settled(&image.id).await);
        cache::add(cache, &image);
    }
    refuse(core, "pull", core.image.canonical(), &image)
}

/// Fails if the configuration refuses the image.
fn refuse(core: &Core, op: &'static str, name: &str, image: &Image) -> Result<()> {
    core.shared.image_volumes.check(op, name, &image.id, &image.config.volumes)
}

/// Where some images are refused, or a platform is named, has the container made from the very image
/// that was looked at, whatever its name leads to by now: Podman takes one for another platform.
pub(crate) async fn pin(core: &Arc<Core>, body: &mut Value) -> Result<()> {
    let asked = body["Image"].as_str().unwrap_or_default().to_owned();
    let is_checked = core.spec.platform.is_some() && asked == core.image.canonical();
    if core.shared.image_volumes.allows_all() && !is_checked {
        return Ok(());
    }
    let id = if asked == core.image.canonical() {
        // A caller may create without having asked for the image before.
        if core.image_id().is_none() && status(core).await? == ImageStatus::NeedsPull {
            return Err(vanished(&asked));
        }
        core.image_id().ok_or_else(|| vanished(&asked))?
    } else {
        // Named by an edit of the engine's options.
        let image = match again("inspect_image", || core.shared.api.inspect_image(&asked)).await {
            Ok(image) => image,
            Err(error) if error.is_not_found() => return Err(vanished(&asked).because(error)),
            Err(error) => return Err(engine_error("create", &format!("image {asked}"), error)),
        };
        refuse(core, "create", &asked, &image)?;
        image.id
    };
    body["Image"] = Value::from(id);
    Ok(())
}

/// The error of a create whose image is not there.
pub(crate) fn vanished(image: &str) -> Error {
    Error::new(ErrorKind::Busy, "create").message(format!(
        "image {image} is not on the engine, or not any more: ensure the image and create again"
    ))
}

/// The error of a create whose image was there for the platform that is asked for, and whose name
/// leads to one for another platform by now.
pub(crate) fn moved(image: &str) -> Error {
    Error::new(ErrorKind::Busy, "create").message(format!(
        "image {image} was pulled for another platform meanwhile: ensure the image and create again"
    ))
}
