//! The thread that removes containers: a driver's own, with a runtime of its own, so that a
//! container is removed whether or not the caller's runtime still lives. What several callers share
//! is done there too.

mod remove;
mod work;

use std::sync::Arc;

use longshore_driver_api::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, watch};

use crate::container::core::Core;
use crate::shared::Shared;

/// How a driver reaches its reaper.
#[derive(Debug)]
pub(crate) struct Reaper {
    runtime: Handle,
    jobs: mpsc::UnboundedSender<Job>,
    /// How the driver's closing went.
    ended: watch::Receiver<Option<Arc<Result<()>>>>,
}

/// What the reaper's thread begins with.
pub(crate) struct Thread {
    runtime: Own,
    jobs: mpsc::UnboundedReceiver<Job>,
    ended: watch::Sender<Option<Arc<Result<()>>>>,
}

/// The thread's runtime. It may be dropped anywhere: it waits for nothing.
struct Own(Option<Runtime>);

impl Drop for Own {
    fn drop(&mut self) {
        // What a driver's bound left over must not hold the thread.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Debug)]
enum Job {
    /// Remove this container.
    Close(Arc<Core>),
    /// Remove what dead owners left.
    Reap,
    /// Close what is left, finish, and end.
    Shutdown,
}

/// A reaper and its thread, not begun yet.
pub(crate) fn new() -> Result<(Reaper, Thread)> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| cannot("start a runtime", error))?;
    let handle = runtime.handle().clone();
    let (jobs, received) = mpsc::unbounded_channel();
    let (tell, ended) = watch::channel(None);
    let thread = Thread { runtime: Own(Some(runtime)), jobs: received, ended: tell };
    Ok((Reaper { runtime: handle, jobs, ended }, thread))
}

impl Reaper {
    /// The thread's runtime: no caller can end it or have it stand still. It ends with the driver.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Removes a container. Never blocks.
    pub(crate) fn close(&self, core: Arc<Core>) {
        if let Err(mpsc::error::SendError(Job::Close(core))) = self.jobs.send(Job::Close(core)) {
            // Only a container that came after the driver's closing could get here, and none does.
            core.finish_close(Err(Error::new(ErrorKind::Closed, "close")
                .message(format!("the driver was closed before {}", core.subject()))));
        }
    }

    /// Removes what dead owners left, some time soon.
    pub(crate) fn reap(&self) {
        // A reaper that has ended has nothing to do any more.
        let _ = self.jobs.send(Job::Reap);
    }

    /// Begins to end the driver. Never blocks, and may be called again.
    pub(crate) fn shut_down(&self) {
        let _ = self.jobs.send(Job::Shutdown);
    }

    /// Waits until the driver has ended.
    pub(crate) async fn ended(&self) -> Result<()> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(result) => match result.as_deref() {
                Some(Err(error)) => Err(error.duplicate()),
                Some(Ok(())) | None => Ok(()),
            },
            Err(_) => Err(Error::new(ErrorKind::Engine, "close")
                .message("the driver's reaper ended before its time; this is a defect")),
        }
    }
}

impl Thread {
    /// Begins to work for `shared`.
    pub(crate) fn begin(self, shared: Arc<Shared>) -> Result<()> {
        std::thread::Builder::new()
            .name("longshore-docker".to_owned())
            .spawn(move || {
                if let Some(runtime) = &self.runtime.0 {
                    runtime.block_on(work::run(self.jobs, self.ended, shared));
                }
            })
            .map(drop)
            .map_err(|error| cannot("start a thread", error))
    }
}

fn cannot(what: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "open").message(format!("cannot {what}: {error}")).because(error)
}
