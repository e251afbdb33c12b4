//! One container, from reservation to removal.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use crate::archive::{single, threaded};
use crate::{
    ByteSize, Error, ErrorKind, Exec, ExecOutput, ExecSpec, OutputLimit, PullPolicy, Result,
    Running, TarStream, TaskIo, TaskSpec, UnpackLimits, Unpacked,
};

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
    /// What was pulled is what is asked for: of the platform and with the digest that are named.
    ///
    /// Dropping the future leaves the pull, which stops when nobody waits for it any more. Whoever
    /// wants a deadline of its own drops the future then; that is no harm to the others.
    ///
    /// # Errors
    ///
    /// `ImageNotFound`, `RegistryUnauthorized`, `RegistryBusy` and `RegistryFailed` as the registry
    /// answers; `ImageNotFound` also if it has the image for other platforms only, `ImageRejected`
    /// if what came has another digest or the configuration refuses it. `Deadline` if the pull stands still, or takes too long.
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
    /// `Busy` if the image vanished since it was seen, or its name leads to one for another platform:
    /// begin again. `ImageRejected` where the configuration refuses it, whether it was asked for
    /// before or not.
    async fn create(&self) -> Result<()>;

    /// Whether [`create`](Self::create) alone finds out that the image is not there, and leaves
    /// nothing then: [`prepare`](ContainerExt::prepare) need not ask before. `false` is never wrong.
    fn create_finds_image(&self) -> bool;

    /// Attaches the task's streams, then starts its process. Only once; later calls return the
    /// same.
    ///
    /// A program that cannot be started is no error: it is the outcome of the task. Dropping the
    /// future before it is done closes the container.
    ///
    /// Where a borrowed network was lost before anything of the task could run, another one is
    /// borrowed, and a container made anew that joins it: with another
    /// [`engine_id`](Self::engine_id). A few times at most, and not if something was copied into
    /// the container.
    ///
    /// # Errors
    ///
    /// `InvalidState` before `create`. `Busy` if a borrowed network was lost and none could be had
    /// in its place: run the task again. What borrowing returns. Where the start waits for the task to do well: `Unhealthy`,
    /// `EndedEarly`, `Deadline`, and `InvalidInput` where nothing checks it; the task is then left
    /// as it is, to be closed. `LogDriver` if the engine's log driver cannot start.
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

    /// Runs a further process beside the task, with these streams. Statistics are not gathered.
    ///
    /// A program that cannot be started is no error: it is the outcome of the process. Dropping
    /// the future, or the last handle that it gives, cancels the process.
    ///
    /// # Errors
    ///
    /// `InvalidInput` with every problem of the description, `Unsupported`, `InvalidState` unless
    /// the task runs and is not frozen.
    async fn exec(&self, spec: ExecSpec, io: TaskIo) -> Result<Arc<dyn Exec>>;

    /// Unpacks a tar archive into a folder of the container, which has to be there: of one that is
    /// created, runs, or has ended. What is there already is replaced; a folder is never replaced
    /// by a file, nor the other way round.
    ///
    /// Owners and modes are those of the archive's entries, by number. Dropping the future, and an
    /// error, leave what was unpacked until then.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path that is not absolute, or an archive that the engine cannot read;
    /// `NotFound` if the folder is not there; `InvalidState` before `create`, `Busy` while it is
    /// being made; `Io` if the archive's reader fails; `Unsupported`, also for a folder in a file
    /// system that copies do not reach: on Docker those in memory
    /// ([`Mount::tmpfs`](crate::Mount::tmpfs)), `/dev`, `/proc` and `/sys`. What entries of the
    /// archive say is not looked at: those that lead into one are lost.
    async fn copy_in(&self, folder: &str, archive: TarStream) -> Result<()>;

    /// Gives a tar archive of a file or folder of the container, which begins with the last part
    /// of its path: of one that is created, runs, or has ended.
    ///
    /// The container decides what is in it: unpack it with
    /// [`copy_out_to`](ContainerExt::copy_out_to), or as carefully. Reading fails if it is cut.
    /// Dropping the reader ends the copying.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path that is not absolute; `NotFound`; `InvalidState` before `create`;
    /// `Unsupported`, as for [`copy_in`](Self::copy_in). Of a folder that holds such a file system,
    /// the archive has what is below that.
    async fn copy_out(&self, path: &str) -> Result<TarStream>;

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
                        let platform = spec.platform.as_deref().map(|it| format!(" for {it}"));
                        let message = format!(
                            "image {:?} is not on the engine{}, and the pull policy is never: load it, or allow the pull",
                            spec.image,
                            platform.unwrap_or_default()
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

    /// Sees that the image is there, by the task's [`PullPolicy`], and creates the container.
    ///
    /// Where that needs no look at the image, none is taken before. Dropping the future leaves
    /// nothing behind that [`close`](Container::close) or the reaper would not remove.
    ///
    /// # Errors
    ///
    /// What [`ensure_image`](Self::ensure_image) and [`Container::create`] return.
    fn prepare(&self) -> impl Future<Output = Result<()>> + Send {
        async move {
            if self.create_finds_image() {
                let created = self.create().await;
                let may_miss_it =
                    created.as_ref().is_err_and(|error| error.kind() == ErrorKind::Busy);
                if !may_miss_it || self.image_status().await? == ImageStatus::Present {
                    return created;
                }
            }
            self.ensure_image().await?;
            self.create().await
        }
    }

    /// Writes a file into the container, in place of what has its name. It belongs to root and has
    /// this mode (permission bits). Its folder has to be there.
    ///
    /// # Errors
    ///
    /// What [`Container::copy_in`] returns; `InvalidInput` for a mode above 0o7777.
    fn write_file(
        &self,
        path: &str,
        bytes: &[u8],
        mode: u32,
    ) -> impl Future<Output = Result<()>> + Send {
        let prepared = single::file(path, bytes, mode);
        async move {
            let (folder, archive) = prepared?;
            self.copy_in(&folder, archive).await
        }
    }

    /// Reads a file of the container, of at most `most` bytes.
    ///
    /// # Errors
    ///
    /// What [`Container::copy_out`] returns. `InvalidInput` if it is no regular file,
    /// `UnsafeArchive` if it is longer, `Io` if it is cut.
    fn read_file(
        &self,
        path: &str,
        most: ByteSize,
    ) -> impl Future<Output = Result<Vec<u8>>> + Send {
        async move { single::content(self.copy_out(path).await?, path, most).await }
    }

    /// Copies a file or folder of the container into a folder of this host, which has to be absent
    /// or empty: safely, whatever the container has put there.
    ///
    /// No path and no link leads out of the folder, special files and the bits for set-user-id are
    /// not made, and no more than the limits allow is written. Owners are not kept. What is refused
    /// for that is left out instead with [`UnpackLimits::skip_odd`].
    ///
    /// Dropping the future, and an error, leave what was unpacked until then.
    ///
    /// # Errors
    ///
    /// What [`Container::copy_out`] returns. `UnsafeArchive` with the entry at fault,
    /// `InvalidInput` if the folder is not empty, `Io` if it cannot be written or the archive is cut.
    fn copy_out_to(
        &self,
        path: &str,
        folder: &Path,
        limits: UnpackLimits,
    ) -> impl Future<Output = Result<Unpacked>> + Send {
        // Of the root an engine gives absolute paths, which lead out of any folder.
        let is_root = path.starts_with('/') && path.chars().all(|it| it == '/');
        let path = if is_root { "/." } else { path };
        async move { threaded::unpack(self.copy_out(path).await?, folder, limits).await }
    }

    /// Runs a further process beside the task, without input, and gathers at most `most` bytes of
    /// each of its streams; the rest is read and counted. A limit of the description's own is
    /// replaced by this one. With a terminal, all output is in `stdout`.
    ///
    /// Dropping the future cancels the process.
    ///
    /// # Errors
    ///
    /// What [`Container::exec`] returns. The process's own failures are in the exit.
    fn exec_output(
        &self,
        spec: ExecSpec,
        most: ByteSize,
    ) -> impl Future<Output = Result<ExecOutput>> + Send {
        async move {
            let (mut io, captured) = TaskIo::captured();
            if spec.tty {
                io.stderr = None;
            }
            let spec = spec.output(OutputLimit::discard_beyond(most));
            let exec = self.exec(spec, io).await?;
            let exit = exec.wait().await;
            Ok(ExecOutput::new(exit, &captured))
        }
    }
}

impl<C: Container + ?Sized> ContainerExt for C {}

const _: fn(&dyn Container) = |_| ();
