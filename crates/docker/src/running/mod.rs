//! A task whose process was started.

mod attach;
mod clock;
mod cut;
mod deliver;
mod drain;
mod end;
pub(crate) mod input;
mod log;
pub(crate) mod output;
mod program;
mod proof;
mod resume;
mod room;
pub(crate) mod sink;
mod start;
pub(crate) mod stats;
mod supervise;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use longshore_driver_api::{
    Error, ErrorKind, Exit, ExitFacts, Handle as TaskHandle, NetworkInfo, Result, Running, Signal,
    TtySize,
};
use tokio::sync::{OnceCell, mpsc, oneshot};

pub(crate) use self::clock::{Clock, until};
pub(crate) use self::deliver::kept as send_kept_signals;
pub(crate) use self::drain::drain;
pub(crate) use self::end::Waiting;
pub(crate) use self::log::Log;
pub(crate) use self::resume::{Resumed, resume};
pub(crate) use self::room::{bytes, keeping_log};
pub(crate) use self::start::start;
pub(crate) use self::supervise::{Source, cut_short};
use crate::container::core::{Core, Handle, Stage};
use crate::error::engine_error;
use crate::network;
use crate::recover;

/// A request to stop the task: the grace, and whom to tell once the engine was asked.
pub(crate) struct Stopping {
    grace: Duration,
    asked: oneshot::Sender<Result<()>>,
}

/// A task whose process was started.
#[derive(Debug)]
pub(crate) struct DockerRunning {
    // Held so that the container stays as long as this does.
    handle: Arc<Handle>,
    id: String,
    stops: mpsc::UnboundedSender<Stopping>,
    network: OnceCell<NetworkInfo>,
}

impl DockerRunning {
    fn core(&self) -> &Arc<Core> {
        self.handle.core()
    }
}

#[async_trait]
impl Running for DockerRunning {
    async fn wait(&self) -> Exit {
        let mut exit = self.core().exit.subscribe();
        loop {
            if let Some(exit) = &*exit.borrow_and_update() {
                return Exit::clone(exit);
            }
            // The sender is in the core, which is held: it cannot go away.
            let _ = exit.changed().await;
        }
    }

    fn cancel(&self) {
        self.core().cancel.cancel();
    }

    async fn stop(&self, grace: Option<Duration>) -> Result<()> {
        let (asked, answer) = oneshot::channel();
        let grace = grace.unwrap_or(self.core().spec.stop.grace);
        if self.stops.send(Stopping { grace, asked }).is_ok()
            && let Ok(answer) = answer.await
        {
            answer?;
        }
        // Where nobody listens any more, the task has ended. Its output may not be read yet.
        let mut stage = self.core().stage.subscribe();
        let ended = stage.wait_for(|stage| *stage == Stage::Exited);
        // The sender is in the core, which is held: it cannot go away.
        let _ = ended.await;
        Ok(())
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        if self.core().stage() == Stage::Exited {
            return Ok(());
        }
        deliver::signal(self.core(), &self.id, signal).await
    }

    async fn network(&self) -> Result<NetworkInfo> {
        let core = self.core();
        let asked = self.network.get_or_try_init(|| async {
            if core.stage() == Stage::Exited {
                return Err(network::ended(core));
            }
            network::look(core, &self.id).await
        });
        asked.await.cloned()
    }

    fn handle(&self) -> Result<TaskHandle> {
        recover::handle(self.core(), &self.id)
    }

    async fn resize(&self, size: TtySize) -> Result<()> {
        let core = self.core();
        if !core.spec.tty {
            return Err(Error::new(ErrorKind::InvalidState, "resize")
                .message(format!("{} has no terminal", core.subject())));
        }
        core.check_open("resize")?;
        let api = &core.shared.api;
        api.resize_container(&self.id, size.rows, size.columns)
            .await
            .map_err(|error| engine_error("resize", &core.subject(), error))
    }
}

/// The end of a task of which nothing was seen.
fn lost(core: &Core, why: &str) -> Exit {
    let mut facts = ExitFacts::default();
    facts.cancelled = core.cancel.is_cancelled() || core.ending.is_cancelled();
    facts.engine_error = Some(why.to_owned());
    facts.sent.clone_from(&core.sent.lock());
    let mut exit = Exit::from_facts(facts);
    core.fill(&mut exit);
    exit
}
