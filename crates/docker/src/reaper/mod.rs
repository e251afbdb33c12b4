//! The thread that removes containers: a driver's own, with a runtime of its own, so that a
//! container is removed whether or not the caller's runtime still lives.

mod remove;
mod work;

use std::sync::Arc;

use longshore_driver_api::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, watch};

use crate::container::core::Core;
use crate::shared::Shared;

/// How a driver reaches its reaper.
#[derive(Debug)]
pub(crate) struct Reaper {
    jobs: mpsc::UnboundedSender<Job>,
    /// How the driver's closing went.
    ended: watch::Receiver<Option<Arc<Result<()>>>>,
}

/// What the reaper's thread begins with.
pub(crate) struct Thread {
    jobs: mpsc::UnboundedReceiver<Job>,
    ended: watch::Sender<Option<Arc<Result<()>>>>,
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
pub(crate) fn new() -> (Reaper, Thread) {
    let (jobs, received) = mpsc::unbounded_channel();
    let (tell, ended) = watch::channel(None);
    (Reaper { jobs, ended }, Thread { jobs: received, ended: tell })
}

impl Reaper {
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| cannot("start a runtime", error))?;
        std::thread::Builder::new()
            .name("longshore-docker".to_owned())
            .spawn(move || {
                runtime.block_on(work::run(self.jobs, self.ended, shared));
                // What a driver's bound left over must not hold the thread.
                runtime.shutdown_background();
            })
            .map(drop)
            .map_err(|error| cannot("start a thread", error))
    }
}

fn cannot(what: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "open").message(format!("cannot {what}: {error}")).because(error)
}
