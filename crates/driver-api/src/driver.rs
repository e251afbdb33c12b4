//! Makes containers on one engine.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::owner::{ReapOptions, ReapReport};
use crate::{
    Capabilities, Container, ContainerExt as _, Error, Exit, Handle, Recovered, Result, Task,
    TaskIo,
};

/// Makes containers on one engine.
///
/// A driver is shared by reference and used by many tasks at once. Everything that it makes carries
/// its owner's labels, so that a reaper finds it should this process die.
#[async_trait]
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// The backend's name, such as `docker`.
    fn name(&self) -> &str;

    /// What the driver can do, as found when it was opened.
    fn capabilities(&self) -> &Capabilities;

    /// Asks the engine whether it is there. Dropping the future stops asking.
    async fn ping(&self) -> Result<()>;

    /// Reserves a container for a task. It is cheap: the engine is not asked.
    ///
    /// It has to be called inside a tokio runtime. What is returned should be closed, used or not;
    /// dropping it hands it over to the driver.
    ///
    /// # Errors
    ///
    /// `InvalidInput` with every problem of the description, `Unsupported` for what this driver
    /// cannot do, `Closed` after [`close`](Self::close).
    fn container(&self, task: Task) -> Result<Arc<dyn Container>>;

    /// Takes up a task again whose owner has died, by the [`Handle`] that it left. From then on this
    /// driver is its owner: its timeout goes on from its start, its output goes to `io` from the
    /// handle's position on, as far as the engine has kept it, and reapers leave it alone.
    ///
    /// Of all who try, at the same time or not, one gets it; should that one die too, it can be
    /// taken up again within its time. Dropping the future leaves it as it was.
    ///
    /// One that is found frozen, by whomever, stays so, and its timeout stands still until it is let go
    /// on ([`Container::state`](Container::state), [`Container::unfreeze`](Container::unfreeze)). One
    /// whose container somebody has started again is [`Lost`](crate::Outcome::Lost), with all its
    /// output: what runs there is not the task of the handle any more, and closing removes it.
    ///
    /// # Errors
    ///
    /// `HandleUnknown` and `HandleForeign` for a handle that is not of this driver's, `OwnerAlive`
    /// as long as another has the task or may have it, `Busy` while a reaper is at what its owner has
    /// left, `Expired` once its time to be recovered has passed, `NotFound` if it was removed,
    /// `InvalidInput` if `io` has an input: that ended with the task's first owner. `Unsupported`.
    async fn recover(&self, handle: &Handle, io: TaskIo) -> Result<Recovered>;

    /// Removes what dead owners of the same application left, whatever its state. It never touches
    /// what belongs to a live owner, or to one of whom nothing is known, nor a recoverable task
    /// within its time.
    ///
    /// Dropping the future stops between two removals.
    async fn reap(&self, options: ReapOptions) -> Result<ReapReport>;

    /// Ends the driver: no container can be made any more, those that are left are closed, and
    /// what the reaper still has to remove is removed. It is idempotent.
    ///
    /// Dropping the future leaves the work to the driver's reaper, as dropping the driver does.
    ///
    /// # Errors
    ///
    /// What could not be removed within the driver's bound, by name.
    async fn close(&self) -> Result<()>;
}

/// Short forms over [`Driver`].
pub trait DriverExt: Driver {
    /// Reserves a container, sees that its image is there, and creates it, as
    /// [`ContainerExt::prepare`](crate::ContainerExt::prepare) does.
    ///
    /// Dropping the future leaves nothing behind, and an error neither.
    fn prepare(
        &self,
        task: impl Into<Task> + Send,
    ) -> impl Future<Output = Result<Arc<dyn Container>>> + Send {
        let container = self.container(task.into());
        async move {
            let container = container?;
            match container.prepare().await {
                Ok(()) => Ok(container),
                Err(error) => Err(closed(&*container, error).await),
            }
        }
    }

    /// Runs a task from reservation to removal.
    ///
    /// When it returns, the container is gone, or, where the engine would not remove it, in the
    /// hands of the driver, whose [`close`](Driver::close) reports it. Dropping the future kills
    /// the task and leaves nothing behind.
    ///
    /// # Errors
    ///
    /// The engine's failures. The task's own are in [`Exit`].
    fn run_task(&self, task: impl Into<Task> + Send) -> impl Future<Output = Result<Exit>> + Send {
        let prepared = self.prepare(task);
        async move {
            let container = prepared.await?;
            let running = match container.start().await {
                Ok(running) => running,
                Err(error) => return Err(closed(&*container, error).await),
            };
            let exit = running.wait().await;
            // A failed removal stays with the driver, which reports it when it is closed.
            let _ = container.close().await;
            Ok(exit)
        }
    }
}

impl<D: Driver + ?Sized> DriverExt for D {}

/// Closes a container that is of no use any more; the error that made it so is the one to report.
async fn closed(container: &dyn Container, error: Error) -> Error {
    let _ = container.close().await;
    error
}

const _: fn(&dyn Driver) = |_| ();
