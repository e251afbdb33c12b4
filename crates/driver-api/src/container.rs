//! One container, from reservation to removal.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use crate::{Error, ErrorKind, PullPolicy, Result, Running, TaskSpec};

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// Nothing is on the engine yet.
    Reserved,
    /// It is on the engine, and its process has not been started.
    Created,
    /// Its process runs.
    Running,
    /// Its processes stand still.
    Frozen,
    /// Its process has ended.
    Exited,
    /// It is closed, or being closed.
    Closed,
}

/// Whether an image is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageStatus {
    /// It is on the engine, and kept there until the container is closed.
    Present,
    /// It has to be pulled.
    NeedsPull,
}

/// One container, from reservation to removal.
///
/// Its methods may be called from many tasks at once. Stages that are done already are done: a
/// second `create` succeeds and does nothing. The container is closed by [`close`](Self::close),
/// or by the driver's reaper once the last handle to it, and to what [`start`](Self::start)
/// returned, is dropped: dropping never blocks and never panics, in a runtime or outside.
#[async_trait]
pub trait Container: fmt::Debug + Send + Sync + 'static {
    /// The task that it is for.
    fn spec(&self) -> &TaskSpec;

    /// The engine's id of it, once it is created.
    fn engine_id(&self) -> Option<String>;

    /// Where it is in its life, as far as the driver knows without asking the engine.
    fn state(&self) -> State;

    /// Asks whether the image is there. It may be asked as often as one likes.
    ///
    /// Dropping the future stops asking.
    ///
    /// # Errors
    ///
    /// `ImageRejected` where the configuration refuses the image, each time it is asked.
    async fn image_status(&self) -> Result<ImageStatus>;

    /// Pulls the image. Pulls of the same image with the same credential are shared; progress goes
    /// to the task's hooks.
    ///
    /// Dropping the future leaves the pull, which stops when nobody waits for it any more.
    async fn pull_image(&self) -> Result<()>;

    /// Lets `edit` see and change what will be sent to the engine: a type of the backend's own,
    /// to be downcast. Only before [`create`](Self::create).
    ///
    /// # Errors
    ///
    /// `InvalidState` after `create` began, `Unsupported` where a backend has no such options.
    fn edit_engine_options(&self, edit: &mut (dyn FnMut(&mut dyn Any) + Send)) -> Result<()>;

    /// Makes the container on the engine, without starting its process.
    ///
    /// Dropping the future leaves nothing behind that [`close`](Self::close) or the reaper would
    /// not remove, whether or not the engine carries the request out.
    ///
    /// # Errors
    ///
    /// `Busy` if the image vanished since it was seen: begin again.
    async fn create(&self) -> Result<()>;

    /// Attaches the task's streams, then starts its process. Only once; later calls return the
    /// same.
    ///
    /// A program that cannot be started is no error: it is the outcome of the task. Dropping the
    /// future before it is done closes the container.
    ///
    /// # Errors
    ///
    /// `InvalidState` before `create`. `LogDriver` if the engine's log driver cannot start.
    async fn start(&self) -> Result<Arc<dyn Running>>;

    /// Makes the processes stand still; the timeout stands still with them. It is idempotent.
    /// Ending the task (cancel, stop, close) works on a frozen one too.
    ///
    /// Dropping the future leaves it open whether the engine carries the request out;
    /// [`unfreeze`](Self::unfreeze) is right in both cases.
    ///
    /// # Errors
    ///
    /// `InvalidState` unless the process runs or is frozen. `Unsupported`.
    async fn freeze(&self) -> Result<()>;

    /// Lets frozen processes go on. It is idempotent, and fails as [`freeze`](Self::freeze) does.
    async fn unfreeze(&self) -> Result<()>;

    /// Kills what runs, removes the container and releases all that it held, exactly once. It may
    /// be called in any state and as often as one likes; each call returns when that is done.
    ///
    /// Dropping the future leaves the rest to the driver's reaper.
    ///
    /// # Errors
    ///
    /// The engine would not remove it. What this process held is released all the same, and the
    /// reaper goes on trying.
    async fn close(&self) -> Result<()>;
}

/// Short forms over [`Container`].
pub trait ContainerExt: Container {
    /// Sees that the image is there, by the task's [`PullPolicy`].
    ///
    /// # Errors
    ///
    /// `ImageNotFound` if it is not there and must not be pulled; no registry is asked then.
    /// `Busy` if it vanished right after the pull. What [`Container::pull_image`] returns.
    fn ensure_image(&self) -> impl Future<Output = Result<()>> + Send {
        async move {
            let spec = self.spec();
            // An image that is named by its digest and is there cannot have changed.
            let by_digest = spec.image.contains('@');
            if spec.pull != PullPolicy::Always || by_digest {
                match self.image_status().await? {
                    ImageStatus::Present => return Ok(()),
                    ImageStatus::NeedsPull if spec.pull == PullPolicy::Never => {
                        let message = format!(
                            "image {:?} is not on the engine, and the pull policy is never: load it, or allow the pull",
                            spec.image
                        );
                        return Err(
                            Error::new(ErrorKind::ImageNotFound, "ensure image").message(message)
                        );
                    }
                    ImageStatus::NeedsPull => {}
                }
            }
            self.pull_image().await?;
            match self.image_status().await? {
                ImageStatus::Present => Ok(()),
                ImageStatus::NeedsPull => {
                    Err(Error::new(ErrorKind::Busy, "ensure image").message(format!(
                        "image {:?} vanished right after its pull: try again",
                        self.spec().image
                    )))
                }
            }
        }
    }
}

impl<C: Container + ?Sized> ContainerExt for C {}

const _: fn(&dyn Container) = |_| ();
