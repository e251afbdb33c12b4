//! From created to running: attach, register the wait, start.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Error, ErrorKind, Exit, ExitFacts, Lost, NotStarted, OomEvidence, OutputReport, Result,
    StreamEnd, StreamReport, TaskIo,
};
use longshore_host::Moment;
use tokio::sync::{OnceCell, mpsc};
use tokio::time::Instant;

use super::attach::{self, NotBegun, attach};
use super::clock::Clock;
use super::end::Waiting;
use super::supervise::{Source, Supervisor, supervise};
use super::{DockerRunning, lost};
use crate::borrow;
use crate::client::api::WaitCondition;
use crate::client::error::ClientError;
use crate::client::stream::RawStream;
use crate::client::wait::PendingWait;
use crate::container::core::{Core, Handle, Stage};
use crate::container::remake;
use crate::error::{engine_error, not_started};
use crate::health;
use crate::meter;
use crate::retry::{again, if_unsent, repeat};

/// Attaches the task's streams, starts its process and sets a supervisor over it.
pub(crate) async fn start(handle: &Arc<Handle>) -> Result<Arc<DockerRunning>> {
    let core = handle.core();
    let id = core.created_id("start")?;
    let io = core.take_io().ok_or_else(|| {
        Error::new(ErrorKind::InvalidState, "start")
            .message(format!("{} could not be started before: make a new one", core.subject()))
    })?;
    let abandoned = CloseUnlessDone { core, done: false };
    let result = launch(handle, id, io).await;
    // An engine's error leaves the container to its owner; a dropped future does not come here.
    abandoned.done();
    result
}

async fn launch(handle: &Arc<Handle>, mut id: String, io: TaskIo) -> Result<Arc<DockerRunning>> {
    let core = handle.core();
    let (stops, requests) = mpsc::unbounded_channel();
    let running = |id: String| DockerRunning {
        handle: Arc::clone(handle),
        id,
        stops,
        network: OnceCell::new(),
    };
    let mut spent = 0;
    let (begun, moment, told, attached, wait) = loop {
        let (begun, moment) = (Instant::now(), Moment::now());
        let told = core.shared.events.follow(&id);
        let error = match go(core, &id).await {
            Ok((attached, wait)) => break (begun, moment, told, attached, wait),
            Err(NotBegun::Failed(error)) => error,
            Err(NotBegun::InputSpent(error)) => {
                spent += 1;
                id = attach::unspent(core, &id, error, spent).await?;
                continue;
            }
        };
        // That is the task's end, since its program is at fault.
        if let Some(reason) = not_started(&error) {
            finish_unstarted(core, reason, &error, begun.elapsed());
            return Ok(Arc::new(running(id)));
        }
        id = another(core, &id, error).await?;
    };
    core.was_started();
    let news = told.told();
    let running = running(id.clone());
    core.stage.send_replace(Stage::Running);
    *core.clock.lock() = Clock::start(core.spec.timeout);
    let supervisor = Supervisor {
        core: Arc::clone(core),
        id: id.clone(),
        wait: Waiting::For(wait),
        told,
        source: Source::Streams(attached),
        lost: Lost::default(),
        io,
        requests,
        start_time: Some(begun.elapsed()),
        begun: moment,
        unwatched: Unwatched::new(core),
    };
    core.shared.tasks.spawn(supervise(supervisor));
    if let Some(bound) = core.spec.health.wait {
        health::wait(core, &id, news, bound).await?;
    }
    Ok(Arc::new(running))
}

/// Gets everything ready and starts the process. Podman makes it ready when it is attached to.
async fn go(core: &Core, id: &str) -> Result<(Option<RawStream>, PendingWait), NotBegun> {
    let both = tokio::try_join!(attach(core, id), register(core, id))?;
    ask(core, id).await.map_err(NotBegun::Failed)?;
    Ok(both)
}

/// A container in place of one that was not started, if it is only that its network was lost.
async fn another(core: &Arc<Core>, id: &str, error: ClientError) -> Result<String> {
    if core.ending.is_cancelled() {
        return Err(failed(core, error));
    }
    let Some(lost) = borrow::lost(core, "start", &error).await else {
        return Err(failed(core, error));
    };
    match remake(core, id, &lost).await {
        Ok(Some(id)) => Ok(id),
        Ok(None) if core.ending.is_cancelled() => Err(core.closed_error("start")),
        Ok(None) => Err(lost.because(error)),
        Err(error) if error.kind() == ErrorKind::PoolEmpty => Err(error.because(lost)),
        Err(error) => Err(error),
    }
}

pub(super) fn failed(core: &Core, error: ClientError) -> Error {
    if core.ending.is_cancelled() {
        // It was removed under the start: that is what the caller has to know.
        return core.closed_error("start");
    }
    let error = engine_error("start", &core.subject(), error);
    if error.kind() == ErrorKind::LogDriver { core.log_error("start", &error) } else { error }
}

async fn register(core: &Core, id: &str) -> Result<PendingWait, NotBegun> {
    let wait = repeat("wait", || core.shared.api.wait(id, WaitCondition::NextExit)).await;
    wait.map_err(NotBegun::Failed)
}

/// Starts it. Where the answer is lost, the engine is asked what became of it.
async fn ask(core: &Core, id: &str) -> Result<(), ClientError> {
    let api = &core.shared.api;
    // "Started already" is fine: the name is ours alone, and so was the attempt that did it.
    let asked = if_unsent("start_container", || api.start_container(id)).await;
    let Err(error) = asked else { return Ok(()) };
    if !error.is_answer_lost() {
        return Err(error);
    }
    match again("inspect_container", || api.inspect_container(id)).await {
        Ok(container) if container.state.status != "created" => Ok(()),
        Ok(_) | Err(_) => Err(error),
    }
}

fn finish_unstarted(core: &Core, reason: NotStarted, error: &ClientError, start: Duration) {
    let mut facts = ExitFacts::default();
    facts.not_started = Some(reason);
    facts.code = Some(match reason {
        NotStarted::NotExecutable => 126,
        _ => 127,
    });
    facts.oom = OomEvidence::None;
    facts.engine_error = Some(error.to_string());
    let mut exit = Exit::from_facts(facts);
    // Nothing ran, so nothing was written.
    let whole = |wanted: bool| {
        let end = if wanted { StreamEnd::Complete } else { StreamEnd::NotAttached };
        StreamReport::new(end, 0, 0)
    };
    exit.output = OutputReport::new(whole(core.streams.stdout), whole(core.streams.stderr));
    core.fill(&mut exit);
    exit.timings.start = Some(start);
    core.stage.send_replace(Stage::Exited);
    meter::exit(&exit);
    core.exit.send_replace(Some(Arc::new(exit)));
}

/// Closes the container if the start is given up half-way.
struct CloseUnlessDone<'a> {
    core: &'a Arc<Core>,
    done: bool,
}

impl CloseUnlessDone<'_> {
    fn done(mut self) {
        self.done = true;
    }
}

impl Drop for CloseUnlessDone<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.core.begin_close();
        }
    }
}

/// Answers those who wait if the supervisor vanishes with its runtime, and has the task removed.
pub(super) struct Unwatched(Arc<Core>);

impl Unwatched {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self(Arc::clone(core))
    }
}

impl Drop for Unwatched {
    fn drop(&mut self) {
        let core = &self.0;
        let unanswered = core.exit.send_if_modified(|exit| {
            let unanswered = exit.is_none();
            if unanswered {
                let ended = lost(core, "the runtime of the task's owner ended");
                meter::exit(&ended);
                *exit = Some(Arc::new(ended));
            }
            unanswered
        });
        if unanswered {
            core.begin_close();
        }
    }
}
