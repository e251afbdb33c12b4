//! What the handles of one container share.

use std::sync::{Arc, Weak};

use longshore_driver_api::{
    Chosen, Error, ErrorKind, ImageRef, Loan, Result, State, Task, TaskHooks, TaskIo, TaskSpec,
    Timings,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::EngineOptions;
use crate::Op;
use crate::driver::Inner;
use crate::exec::ExecRun;
use crate::running::{MockRunning, Run};
use crate::sandbox::Sandbox;

/// One container: what it is for, and how far it is.
pub(crate) struct Core {
    pub(crate) driver: Arc<Inner>,
    pub(crate) spec: TaskSpec,
    pub(crate) handle: Handle,
    pub(super) number: u64,
    pub(super) image: ImageRef,
    pub(super) hooks: Arc<dyn TaskHooks>,
    /// Held while a stage is gone through, so that a second call waits for the first.
    pub(super) stage: tokio::sync::Mutex<()>,
    pub(super) life: Mutex<Life>,
    pub(super) closed: watch::Sender<Option<Result<(), Error>>>,
    pub(super) reserved: Instant,
}

pub(super) struct Life {
    pub(super) io: Option<TaskIo>,
    pub(super) options: EngineOptions,
    pub(super) creating: bool,
    /// What was borrowed for the container that is to be created.
    pub(super) loan: Option<Arc<Loan>>,
    /// How often it has borrowed.
    pub(super) loans: u32,
    pub(super) sandbox: Option<Arc<Sandbox>>,
    /// What was created without the driver's learning of it.
    pub(super) strays: Vec<Arc<Sandbox>>,
    pub(super) run: Option<Arc<Run>>,
    pub(super) execs: Vec<Weak<ExecRun>>,
    pub(super) running: Weak<MockRunning>,
    pub(super) holds_image: bool,
    /// The network that the driver chose.
    pub(super) network: Option<Chosen>,
    pub(super) timings: Timings,
    pub(super) closing: bool,
}

impl Core {
    pub(crate) fn new(
        driver: Arc<Inner>,
        number: u64,
        task: Task,
        image: ImageRef,
        handle: Handle,
        network: Option<Chosen>,
    ) -> Self {
        let Task { spec, io, hooks, .. } = task;
        let life = Life {
            io: Some(io),
            options: EngineOptions::of(&spec),
            creating: false,
            loan: None,
            loans: 0,
            sandbox: None,
            strays: Vec::new(),
            run: None,
            execs: Vec::new(),
            running: Weak::new(),
            holds_image: false,
            network,
            timings: Timings::default(),
            closing: false,
        };
        Self {
            driver,
            spec,
            handle,
            number,
            image,
            hooks,
            stage: tokio::sync::Mutex::new(()),
            life: Mutex::new(life),
            closed: watch::Sender::new(None),
            reserved: Instant::now(),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn state(&self) -> State {
        let life = self.life.lock();
        if life.closing {
            return State::Closed;
        }
        let Some(sandbox) = &life.sandbox else { return State::Reserved };
        match sandbox.state() {
            // Somebody else removed it.
            State::Closed => State::Exited,
            state => state,
        }
    }

    /// Refuses what comes after the container was closed.
    pub(super) fn check_open(&self, life: &Life, op: Op) -> Result<()> {
        if !life.closing {
            return Ok(());
        }
        let text = format!("the container of task {:?} is closed", self.spec.id);
        Err(Error::new(ErrorKind::Closed, op.name()).message(text))
    }

    pub(super) fn invalid(&self, op: Op, what: &str) -> Error {
        Error::new(ErrorKind::InvalidState, op.name())
            .message(format!("the container of task {:?} {what}", self.spec.id))
    }
}
