//! Keeping the images on an engine under a size.

mod core;
mod exempt;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_driver_api::Result;
use tokio::sync::Notify;

use self::core::Core;
pub use self::core::{CacheUsage, ImageFigures};
use self::exempt::Exempt;
pub use self::state::Restored;

/// Accounts for the images on an engine: how large they are together, who uses them, and which
/// have to go to keep their total size under a limit.
///
/// It removes nothing itself. Whoever does asks for [`candidates`](Self::candidates), announces
/// each removal with [`begin_removal`](Self::begin_removal), and says when it is done. An image
/// in use, exempt or being removed is never a candidate.
///
/// Clones share the accounts. Apart from [`save`](Self::save) no call blocks.
///
/// ```
/// use longshore_images::{ImageCache, ImageFigures};
///
/// # fn main() -> longshore_driver_api::Result<()> {
/// let cache = ImageCache::new(100, ["busybox"])?;
/// cache.update(
///     vec![
///         ImageFigures::new("sha256:a", 60).tags(["busybox:latest"]),
///         ImageFigures::new("sha256:b", 60).tags(["app:1"]),
///         ImageFigures::new("sha256:c", 60).tags(["app:2"]),
///     ],
///     None,
/// );
/// let in_use = cache.hold("sha256:b");
/// let ids: Vec<String> = cache.candidates().into_iter().map(|image| image.id).collect();
/// assert_eq!(ids, ["sha256:c"]);
/// # drop(in_use);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ImageCache {
    shared: Arc<Shared>,
}

struct Shared {
    core: Mutex<Core>,
    changed: Notify,
    file: Option<StateFile>,
}

struct StateFile {
    path: PathBuf,
    // The change that the file holds. Locked while it is written, so that no older order
    // replaces a newer one.
    saved: Mutex<u64>,
}

impl ImageCache {
    /// A cache of at most `limit` bytes whose order of use is not kept.
    ///
    /// `exempt` are the images that are never removed: references, of which `busybox` is the same
    /// as `docker.io/library/busybox:latest`, or ids.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if an exempt image is not a reference.
    pub fn new<T: AsRef<str>>(limit: u64, exempt: impl IntoIterator<Item = T>) -> Result<Self> {
        Ok(Self::with(Core::new(limit, Exempt::parse(exempt)?, &[]), None))
    }

    /// As [`new`](Self::new), with the order of use kept in the file at `path` over restarts. The
    /// file is one process's at a time.
    ///
    /// Blocks while it reads the file. The engine's list has to be given with
    /// [`update`](Self::update); images that it has and the file has not count as just used.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); `InvalidInput` if there is something at the path that is no such file,
    /// and `PermissionDenied` if it may not be read. A missing or damaged file is no error: the second
    /// value tells.
    pub fn open<T: AsRef<str>>(
        limit: u64,
        exempt: impl IntoIterator<Item = T>,
        path: impl AsRef<Path>,
    ) -> Result<(Self, Restored)> {
        let exempt = Exempt::parse(exempt)?;
        let path = path.as_ref().to_owned();
        let (order, restored) = state::load(&path)?;
        let core = Core::new(limit, exempt, &order);
        // A damaged file differs from any order.
        let saved = match restored {
            Restored::Order(_) => core.order().1,
            _ => u64::MAX,
        };
        let file = StateFile { path, saved: Mutex::new(saved) };
        Ok((Self::with(core, Some(file)), restored))
    }

    fn with(core: Core, file: Option<StateFile>) -> Self {
        Self { shared: Arc::new(Shared { core: Mutex::new(core), changed: Notify::new(), file }) }
    }

    /// Takes over the engine's whole list of images.
    ///
    /// `layers` is the size of all layers on the engine, each counted once, if the engine tells.
    /// Without it, layers that images share are estimated, never too low. Images that the cache
    /// has not met count as just used, in the order of the list.
    pub fn update(&self, images: Vec<ImageFigures>, layers: Option<u64>) {
        self.shared.lock().update(images, layers);
        self.shared.changed.notify_waiters();
    }

    /// Adds or refreshes one image, such as one that was just pulled.
    pub fn add(&self, image: ImageFigures) {
        self.shared.lock().add(image);
        self.shared.changed.notify_waiters();
    }

    /// Keeps the image with this id from removal until what is returned is dropped. It counts as
    /// used now, and again at the end.
    ///
    /// It need not be listed yet. Hold an image first, then make sure that it is there: one that
    /// was held after its removal is gone all the same.
    ///
    /// # Errors
    ///
    /// [`BeingRemoved`]: treat it as an image that is not there.
    pub fn hold(&self, id: &str) -> Result<ImageHold, BeingRemoved> {
        if self.shared.lock().hold(id) {
            Ok(ImageHold { shared: Arc::clone(&self.shared), id: id.to_owned() })
        } else {
            Err(BeingRemoved { id: id.to_owned() })
        }
    }

    /// As [`hold`](Self::hold), after the end of a removal that is under way.
    ///
    /// Dropping the future holds nothing.
    pub async fn hold_when_settled(&self, id: &str) -> ImageHold {
        loop {
            let changed = self.shared.changed.notified();
            if let Ok(hold) = self.hold(id) {
                return hold;
            }
            changed.await;
        }
    }

    /// How many removals have succeeded. An image that was seen on the engine before it was held is
    /// there for certain if this number did not change in between.
    #[must_use]
    pub fn removals(&self) -> u64 {
        self.shared.lock().removed()
    }

    /// Lets the images be candidates again whose removal the engine has [refused](Removal::refused).
    pub fn try_again(&self) {
        self.shared.lock().try_again();
        self.shared.changed.notify_waiters();
    }

    /// What has to go to come under the limit, the least recently used first; empty if the total
    /// is within it. If all that may go is not enough, that is what is listed.
    ///
    /// Where images share layers, less may be enough: remove one after the other, and ask again
    /// after each.
    #[must_use]
    pub fn candidates(&self) -> Vec<ImageFigures> {
        self.shared.lock().candidates()
    }

    /// Waits until there are candidates. Dropping the future changes nothing.
    ///
    /// One whose removal failed stays a candidate: pause before asking again. One whose removal was
    /// refused does not.
    pub async fn wait_for_candidates(&self) -> Vec<ImageFigures> {
        loop {
            // Registered before the look, so that no change in between is missed.
            let changed = self.shared.changed.notified();
            let candidates = self.candidates();
            if !candidates.is_empty() {
                return candidates;
            }
            changed.await;
        }
    }

    /// Announces that an image is about to be removed: until the end of the removal nobody can
    /// hold it. None if it may not go (any more).
    #[must_use]
    pub fn begin_removal(&self, id: &str) -> Option<Removal> {
        let may_go = self.shared.lock().begin_removal(id);
        may_go.then(|| Removal {
            shared: Arc::clone(&self.shared),
            id: id.to_owned(),
            is_gone: false,
            is_kept: false,
        })
    }

    /// Where the cache stands.
    #[must_use]
    pub fn usage(&self) -> CacheUsage {
        self.shared.lock().usage()
    }

    /// Writes the order of use to the state file, if there is one and the order has changed.
    /// Returns whether it wrote. Blocks while it writes; from async code it belongs into a
    /// blocking task.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self) -> Result<bool> {
        let Some(file) = &self.shared.file else { return Ok(false) };
        let mut saved = file.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let (order, change) = self.shared.lock().order();
        if *saved == change {
            return Ok(false);
        }
        state::save(&file.path, order)?;
        *saved = change;
        Ok(true)
    }
}

impl fmt::Debug for ImageCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageCache").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An image is just being removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image {id} is being removed to keep the cache within its limit: pull it again")]
#[non_exhaustive]
pub struct BeingRemoved {
    /// The image's id.
    pub id: String,
}

/// One user of an image. Dropping it gives the image free, once.
#[must_use = "the image is in use only as long as this lives"]
pub struct ImageHold {
    shared: Arc<Shared>,
    id: String,
}

impl ImageHold {
    /// The image's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for ImageHold {
    fn drop(&mut self) {
        self.shared.lock().release(&self.id);
        self.shared.changed.notify_waiters();
    }
}

impl fmt::Debug for ImageHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageHold").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The removal of an image. Dropping it means that the image is still there, at its old place in
/// the order.
#[must_use = "dropping it means that the image was not removed"]
pub struct Removal {
    shared: Arc<Shared>,
    id: String,
    is_gone: bool,
    is_kept: bool,
}

impl Removal {
    /// The image's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The image is gone.
    pub fn done(mut self) {
        self.is_gone = true;
    }

    /// The engine will not remove it, such as for somebody else's container. It is no candidate any
    /// more until it was in use again, or [`ImageCache::try_again`].
    pub fn refused(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        self.shared.lock().end_removal(&self.id, self.is_gone, self.is_kept);
        self.shared.changed.notify_waiters();
    }
}

impl fmt::Debug for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Removal").field("id", &self.id).finish_non_exhaustive()
    }
}
