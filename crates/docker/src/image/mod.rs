//! The task's image: whether it is on the engine, and getting it there.

mod progress;
pub(crate) mod pulls;

use std::sync::Arc;

use longshore_driver_api::{Error, ImageStatus, Result};
use longshore_images::{PullKey, RetryPolicy, resolve};

use crate::client::reply::Image;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::retry::again;

/// Whether the image is there, for the platform that is wanted.
pub(crate) async fn status(core: &Arc<Core>) -> Result<ImageStatus> {
    let reference = core.image.canonical();
    match again(|| core.shared.api.inspect_image(reference)).await {
        Ok(image) if fits(&image, core.spec.platform.as_deref()) => {
            core.image_is_there();
            Ok(ImageStatus::Present)
        }
        Ok(_) => Ok(ImageStatus::NeedsPull),
        Err(error) if error.is_not_found() => Ok(ImageStatus::NeedsPull),
        Err(error) => Err(engine_error("image status", &format!("image {reference}"), error)),
    }
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
        retry: RetryPolicy::new().attempts(shared.pull_attempts).total(shared.timeouts.pull_total),
    };
    let waiter = shared.pulls.join(key, work);
    let mut progress = waiter.progress();
    let hooks = Arc::clone(&core.hooks);
    let telling = async move {
        while let Some(progress) = progress.next().await {
            hooks.pull_progress(&progress);
        }
        std::future::pending::<()>().await;
    };
    let what = format!("image {}", core.image.canonical());
    let failed =
        |error: longshore_images::FlightError| -> Error { error.into_error("pull", &what) };
    tokio::select! {
        biased;
        done = waiter.wait() => done.map_err(failed),
        () = core.ending.cancelled() => Err(core.closed_error("pull")),
        () = telling => unreachable!("telling never ends"),
    }
}

/// Whether an image is for the platform, `os/arch[/variant]`, that is wanted.
fn fits(image: &Image, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return true };
    let have = [&image.os, &image.architecture, &image.variant];
    wanted.split('/').zip(have).all(|(wanted, have)| have.is_empty() || wanted == have)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_for_another_platform_does_not_fit() {
        let image =
            Image { os: "linux".into(), architecture: "arm64".into(), variant: "v8".into() };
        for (wanted, expected) in [
            (None, true),
            (Some("linux/arm64"), true),
            (Some("linux/arm64/v8"), true),
            (Some("linux/arm64/v7"), false),
            (Some("linux/amd64"), false),
            (Some("windows/arm64"), false),
        ] {
            assert_eq!(fits(&image, wanted), expected, "{wanted:?}");
        }
    }
}
