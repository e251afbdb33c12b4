//! Handles, and what becomes of a task that was taken up again.

use std::sync::Arc;

use longshore_driver_api::{
    Error, ErrorKind, Handle, Lost, Missing, NoHooks, Result, TaskHooks, TaskIo, Timings,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle as Runtime;
use tokio::time::Instant;

use super::launch::{Attached, keeps_output};
use super::pump::{Delivery, Sink};
use super::run::Run;
use super::supervise::supervise;
use crate::driver::Inner;
use crate::pipe::Tap;
use crate::sandbox::Sandbox;

const BACKEND: &str = "mock";
const VERSION: u32 = 1;

/// What a handle keeps of a task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) engine: u64,
    pub(crate) container: String,
}

impl Kept {
    /// What is in a handle.
    pub(crate) fn of(handle: &Handle) -> Result<Self> {
        handle.state(BACKEND, VERSION)
    }
}

impl Run {
    /// What the task can be taken up again by.
    pub(super) fn handle(&self) -> Result<Handle> {
        let spec = self.spec();
        if spec.recoverable_for.is_none() {
            let text = format!("task {:?} is not recoverable", spec.id);
            return Err(Error::new(ErrorKind::InvalidState, "handle")
                .message(text)
                .remedy("say for how long when it is made (recoverable_for)"));
        }
        let (engine, container) = (self.driver.engine.number, self.sandbox.id.clone());
        let [stdout, stderr] = self
            .progress
            .lock()
            .each_ref()
            .map(|progress| progress.as_ref().map_or(0, |progress| progress.position()));
        let handle = Handle::new(BACKEND, VERSION, &Kept { engine, container })?;
        Ok(handle.at(stdout, stderr).keeping_output(keeps_output(spec)))
    }

    /// Watches over a task that runs already, or has ended.
    pub(crate) fn resume(
        driver: &Arc<Inner>,
        sandbox: &Arc<Sandbox>,
        runtime: &Runtime,
        io: TaskIo,
        handle: &Handle,
        image: &str,
    ) -> (Arc<Self>, Lost) {
        let stop_signal = driver.engine.stop_signal(&sandbox.spec, image);
        let run = Arc::new(Self::new(Arc::clone(driver), Arc::clone(sandbox), stop_signal));
        let taps = sandbox.taps.lock().clone();
        let (out, stdout) = run.attach_again(io.stdout, taps.stdout.as_ref(), handle.stdout());
        let (err, stderr) = run.attach_again(io.stderr, taps.stderr.as_ref(), handle.stderr());
        run.delivers(out.as_ref(), err.as_ref());
        let hooks: Arc<dyn TaskHooks> = Arc::new(NoHooks);
        let attached = Attached {
            feed: None,
            stdout: out,
            stderr: err,
            stats: io.stats,
            loan: sandbox.loan().map(|loan| (loan, hooks)),
            timings: Timings::default(),
            started: sandbox.started.get().copied().unwrap_or_else(Instant::now),
            power: driver.engine.power(),
        };
        driver.spawn(supervise(Arc::clone(&run), attached, runtime.clone()), runtime);
        (run, Lost::new(stdout, stderr))
    }

    fn attach_again(
        &self,
        sink: Option<Sink>,
        tap: Option<&Tap>,
        position: u64,
    ) -> (Option<Delivery>, Missing) {
        // With a terminal there is no second stream.
        let (Some(to), Some(tap)) = (sink, tap) else { return (None, Missing::NotAttached) };
        let (from, missing) = tap.reader(position);
        let cut = missing > 0;
        let delivery = self.delivery(from, to, position.saturating_add(missing), cut);
        (Some(delivery), if cut { Missing::Bytes(missing) } else { Missing::Nothing })
    }
}
