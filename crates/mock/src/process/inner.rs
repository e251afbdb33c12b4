//! A process as the engine sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_driver_api::{Signal, TaskSpec, TtySize};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::signals::{Action, Signals};
use super::streams::{Slots, Streams};
use crate::freezer::{Gate, Gated};
use crate::sandbox::Sandbox;
use crate::{Ended, Process, Program};

/// Where a process comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kin {
    /// The first process of its session. Absent: the process begins a session of its own.
    pub(crate) session: Option<u32>,
    /// What it was started for, if not for the container's own task.
    pub(crate) extra: Option<Arc<Extra>>,
}

/// A further process in a container, for those that it starts as well.
#[derive(Debug)]
pub(crate) struct Extra {
    /// The container's description with what this process has of its own.
    pub(crate) spec: TaskSpec,
    /// The size of its terminal.
    pub(crate) tty: watch::Sender<Option<TtySize>>,
}

pub(crate) struct Inner {
    sandbox: Arc<Sandbox>,
    pid: u32,
    main: bool,
    kin: Kin,
    argv: Vec<String>,
    slots: Slots,
    signals: Mutex<Signals>,
    /// Shut while the process is stopped by a signal.
    gate: Arc<Gate>,
    memory: AtomicU64,
    fate: watch::Sender<Option<Ended>>,
    task: Mutex<Option<AbortHandle>>,
}

/// Only the number: the sandbox holds its processes, and arguments can be secrets.
impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// The code of a Rust program that panicked.
const PANICKED: Ended = Ended::Code(101);

/// Ends the process when its task is over, however that came.
struct Task {
    process: Arc<Inner>,
    ended: Ended,
}

impl Drop for Task {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.ended = PANICKED;
        }
        self.process.end(self.ended);
    }
}

impl Inner {
    pub(crate) fn new(
        sandbox: Arc<Sandbox>,
        pid: u32,
        main: bool,
        kin: Kin,
        argv: Vec<String>,
        streams: Streams,
    ) -> Self {
        let kin = Kin { session: kin.session.or(Some(pid)), ..kin };
        Self {
            sandbox,
            pid,
            main,
            kin,
            argv,
            slots: Slots::new(streams),
            signals: Mutex::default(),
            gate: Arc::default(),
            memory: AtomicU64::new(0),
            fate: watch::Sender::new(None),
            task: Mutex::new(None),
        }
    }

    pub(crate) fn run(self: &Arc<Self>, program: &Program, handle: &Handle) {
        // A task that is dropped unfinished, because its runtime ends, was killed.
        let killed = Ended::Signal(Signal::KILL);
        let task = Task { process: Arc::clone(self), ended: killed };
        let program = program.clone();
        let process = Process(Arc::clone(self));
        let future = Box::pin(async move {
            // The whole of it moves in here, to be dropped with the future.
            let mut task = task;
            task.ended = program.run(process).await;
        });
        let freezer = Arc::clone(&self.sandbox.freezer);
        let gated = Gated { freezer, own: Arc::clone(&self.gate), future };
        let spawned = handle.spawn(gated);
        *self.task.lock() = Some(spawned.abort_handle());
        // It may have been killed before there was something to abort.
        if self.fate.borrow().is_some() {
            spawned.abort();
        }
    }

    /// Ends the process in this way, unless it has ended already.
    pub(crate) fn end(&self, ended: Ended) {
        let first = self.fate.send_if_modified(|fate| {
            let first = fate.is_none();
            if first {
                *fate = Some(ended);
            }
            first
        });
        if !first {
            return;
        }
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
        self.slots.close();
        self.memory.store(0, Ordering::Relaxed);
        self.sandbox.ended(self, ended);
    }

    pub(crate) async fn fate(&self) -> Ended {
        let mut fate = self.fate.subscribe();
        loop {
            if let Some(ended) = *fate.borrow_and_update() {
                return ended;
            }
            // The sender is in `self`.
            let _ = fate.changed().await;
        }
    }

    /// Does what a signal from outside of the process does to it.
    pub(crate) fn deliver(&self, signal: Signal) {
        if signal != Signal::KILL && self.sandbox.freezer.is_frozen() {
            self.signals.lock().pending.push(signal);
            return;
        }
        let action = self.signals.lock().act(signal, self.is_protected());
        self.act(signal, action);
    }

    /// Does what a signal from the process itself does to it. False: the process has ended.
    pub(super) fn raise(&self, signal: Signal) -> bool {
        // From inside, not even the two signals that nobody can handle have an effect on process 1.
        let action = self.signals.lock().act(signal, self.is_protected());
        let unheard = self.is_protected() && action != Action::Nothing;
        if !unheard {
            self.act(signal, action);
        }
        self.fate.borrow().is_none()
    }

    pub(crate) fn deliver_pending(&self) {
        let pending = std::mem::take(&mut self.signals.lock().pending);
        for signal in pending {
            self.deliver(signal);
        }
    }

    fn act(&self, signal: Signal, action: Action) {
        match action {
            Action::Nothing => {}
            // A stopped process dies when it goes on, of anything but a kill.
            Action::End if self.gate.is_shut() && signal != Signal::KILL => {
                self.signals.lock().pending.push(signal);
            }
            Action::End => self.end(Ended::Signal(signal)),
            Action::Stop => self.gate.shut(),
            Action::Continue => {
                self.gate.open();
                self.deliver_pending();
            }
        }
    }

    /// Whether it is process 1 of its namespace.
    fn is_protected(&self) -> bool {
        self.pid == 1
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn is_main(&self) -> bool {
        self.main
    }

    /// What its children inherit.
    pub(crate) fn kin(&self) -> &Kin {
        &self.kin
    }

    pub(crate) fn spec(&self) -> &TaskSpec {
        self.kin.extra.as_ref().map_or(&self.sandbox.spec, |extra| &extra.spec)
    }

    pub(super) fn tty_size(&self) -> Option<TtySize> {
        match &self.kin.extra {
            Some(extra) => *extra.tty.borrow(),
            None => *self.sandbox.tty.borrow(),
        }
    }

    pub(crate) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    pub(crate) fn add_memory(&self, bytes: u64) {
        self.memory.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_memory(&self, bytes: u64) {
        // The end of the process has given everything back already.
        let less = |memory: u64| Some(memory.saturating_sub(bytes));
        let _ = self.memory.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(super) fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    pub(super) fn argv(&self) -> &[String] {
        &self.argv
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    pub(super) fn signals(&self) -> &Mutex<Signals> {
        &self.signals
    }
}
