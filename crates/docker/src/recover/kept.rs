//! What a handle keeps of a task.

use std::sync::atomic::Ordering;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Handle, Result, TaskSpec};
use serde::{Deserialize, Serialize};

use crate::client::reply::LogConfig;
use crate::container::core::Core;
use crate::podman;
use crate::running::keeping_log;

const BACKEND: &str = "docker";
const VERSION: u32 = 1;

/// What a handle keeps of a task.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The engine's own id.
    pub(super) engine: String,
    /// The engine's process, where it could be seen.
    pub(super) process: Option<String>,
    /// The container's id on the engine.
    pub(super) container: String,
    /// The task, without what can hold secrets.
    pub(super) task: TaskSpec,
    /// The log that keeps its output, where the engine does not tell what it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<LogConfig>,
    /// How long it had run, frozen time left out.
    pub(super) ran: Duration,
    /// How long it had been frozen.
    pub(super) frozen: Duration,
    /// Whether it was frozen.
    pub(super) held: bool,
    /// Within which time after its making was asked for it was started, if its owner knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) started_within: Option<Duration>,
}

impl Kept {
    /// What is in a handle.
    pub(super) fn of(handle: &Handle) -> Result<Self> {
        let kept: Self = handle.state(BACKEND, VERSION)?;
        // It goes into the paths of requests.
        let is_id =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if !is_id(&kept.container) {
            return Err(Error::new(ErrorKind::HandleUnknown, "recover").message(format!(
                "{:?} is no container's id: the handle is damaged",
                kept.container
            )));
        }
        Ok(kept)
    }
}

/// What a task can be taken up again by.
pub(crate) fn handle(core: &Core, id: &str) -> Result<Handle> {
    if core.spec.recoverable_for.is_none() {
        return Err(Error::new(ErrorKind::InvalidState, "handle")
            .message(format!("{} is not recoverable", core.subject()))
            .remedy("say for how long when it is made (recoverable_for)"));
    }
    let (ran, frozen, held) = {
        let clock = core.clock.lock();
        let ran = clock.ran();
        (ran, clock.all().saturating_sub(ran), clock.is_held())
    };
    let can = &core.shared.capabilities;
    let log = keeping_log(can, &core.options().body);
    let keeps = log.is_some();
    let kept = Kept {
        engine: core.shared.engine.id.clone(),
        process: core.shared.engine.process.clone(),
        container: id.to_owned(),
        task: core.spec.without_secrets(),
        log: log.filter(|_| can.engine == podman::NAME),
        ran,
        frozen,
        held,
        started_within: core.started_within(),
    };
    let [stdout, stderr] = core.delivered.each_ref().map(|at| at.load(Ordering::Relaxed));
    Ok(Handle::new(BACKEND, VERSION, &kept)?.at(stdout, stderr).keeping_output(keeps))
}
