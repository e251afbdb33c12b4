//! A further process in a container: made, started with its streams attached, watched over.

mod begin;
mod end;
mod kill;
mod supervise;

use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Capabilities, Error, ErrorKind, Exec, ExecSpec, Exit, ExitFacts, Result, SentSignal, TaskIo,
    TtySize,
};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::client::reply::ExecState;
use crate::container::core::{Core, Stage};
use crate::error::engine_error;

/// What a further process's handle and its supervisor share.
#[derive(Debug)]
struct Run {
    core: Arc<Core>,
    /// The engine's id of it.
    id: String,
    spec: ExecSpec,
    /// Nobody wants it any more.
    cancel: CancellationToken,
    sent: Mutex<Vec<SentSignal>>,
    exit: watch::Sender<Option<Arc<Exit>>>,
}

impl Run {
    /// How errors call it.
    fn subject(&self) -> String {
        format!("process {:?} in {}", self.spec.command[0], self.core.subject())
    }

    /// The end of a process of which nothing was seen.
    fn lost(&self, why: &str) -> Exit {
        let mut facts = ExitFacts::default();
        facts.cancelled = self.cancel.is_cancelled() || self.core.ending.is_cancelled();
        facts.engine_error = Some(why.to_owned());
        facts.sent.clone_from(&self.sent.lock());
        Exit::from_facts(facts)
    }
}

/// A further process. Dropping it cancels the process.
#[derive(Debug)]
struct DockerExec(Arc<Run>);

impl Drop for DockerExec {
    fn drop(&mut self) {
        self.0.cancel.cancel();
    }
}

#[async_trait]
impl Exec for DockerExec {
    async fn wait(&self) -> Exit {
        let mut exit = self.0.exit.subscribe();
        loop {
            if let Some(exit) = &*exit.borrow_and_update() {
                return Exit::clone(exit);
            }
            // The sender is in what this holds: it cannot go away.
            let _ = exit.changed().await;
        }
    }

    fn cancel(&self) {
        self.0.cancel.cancel();
    }

    async fn resize(&self, size: TtySize) -> Result<()> {
        let run = &self.0;
        if !run.spec.tty {
            return Err(Error::new(ErrorKind::InvalidState, "resize exec")
                .message(format!("{} has no terminal", run.subject())));
        }
        let api = &run.core.shared.api;
        match api.resize_exec(&run.id, size.rows, size.columns).await {
            Ok(()) => Ok(()),
            Err(_) if run.exit.borrow().is_some() => Ok(()),
            // The engine refuses a process that has ended, in words of various kinds.
            Err(error) if error.status().is_some() && has_ended(run).await => Ok(()),
            Err(error) => Err(engine_error("resize exec", &run.subject(), error)),
        }
    }
}

async fn has_ended(run: &Run) -> bool {
    match run.core.shared.api.inspect_exec(&run.id).await {
        Ok(state) => !state.running && !is_to_come(&state),
        Err(error) => error.is_not_found(),
    }
}

/// Whether the engine has not begun it yet: it does not run, and there is no sign that it did.
fn is_to_come(state: &ExecState) -> bool {
    !state.running && state.exit_code.is_none() && state.pid == 0
}

/// Runs a further process.
///
/// The requests run in a task of its own, so that a caller who gives up does not lose the answer:
/// what was started and nobody wants is killed.
pub(crate) async fn exec(core: &Arc<Core>, spec: ExecSpec, io: TaskIo) -> Result<Arc<dyn Exec>> {
    check(&core.shared.capabilities, &spec, &io)?;
    spec.validate()?;
    let container = core.created_id("exec")?;
    if core.stage() != Stage::Running {
        return Err(refused(core, "the task does not run"));
    }
    if *core.frozen.borrow() {
        return Err(refused(core, "it is frozen: unfreeze it first"));
    }
    let (tell, told) = oneshot::channel();
    let begun = begin::begin(Arc::clone(core), container, spec, io, tell);
    core.shared.tasks.spawn(core.execs.track_future(begun));
    match told.await {
        Ok(result) => result.map(|exec| Arc::new(exec) as Arc<dyn Exec>),
        Err(_) => Err(Error::new(ErrorKind::Cancelled, "exec")
            .message(format!("the runtime ended while a process was made in {}", core.subject()))),
    }
}

fn refused(core: &Core, why: &str) -> Error {
    Error::new(ErrorKind::InvalidState, "exec").message(format!("{}: {why}", core.subject()))
}

fn check(can: &Capabilities, spec: &ExecSpec, io: &TaskIo) -> Result<()> {
    let asked = [
        ("exec", true, can.exec),
        ("stdin", io.stdin.is_some(), can.stdin),
        ("a stderr apart from stdout", io.stderr.is_some() && !spec.tty, can.separate_stderr),
        ("tty", spec.tty, can.tty),
    ];
    let refused: Vec<&str> =
        asked.iter().filter(|(_, asked, can)| *asked && !can).map(|(name, ..)| *name).collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "exec").message(format!(
        "{} {} cannot do what is asked for: {}",
        can.engine,
        can.engine_version,
        refused.join(", ")
    )))
}
