//! A container as the engine sees it: processes, what they use, and how they ended.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use longshore_driver_api::{Loan, NetworkInfo, NotStarted, Signal, State, TaskSpec, TtySize};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine::Shared;
use crate::files::Files;
use crate::freezer::Freezer;
use crate::pipe::Tap;
use crate::process::{Inner, Kin, Streams};
use crate::{Ended, Program};

/// A container on the engine.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) application: String,
    pub(crate) owner: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) spec: TaskSpec,
    pub(crate) freezer: Arc<Freezer>,
    pub(crate) tty: watch::Sender<Option<TtySize>>,
    pub(crate) files: Mutex<Files>,
    handle: Handle,
    cgroup: Mutex<Cgroup>,
    network: Mutex<NetworkInfo>,
    life: watch::Sender<Life>,
    /// Whose namespaces it joins. They are given back when it is gone.
    loan: Mutex<Option<Arc<Loan>>>,
    /// Who has recovered it last.
    pub(crate) adopter: Mutex<Option<String>>,
    /// Where a later owner finds its output.
    pub(crate) taps: Mutex<Taps>,
    pub(crate) started: OnceLock<Instant>,
    engine: Weak<Shared>,
}

/// Whose a container is, and what it is called.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) application: String,
    pub(crate) owner: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// The output streams of a task that can be recovered.
#[derive(Debug, Default, Clone)]
pub(crate) struct Taps {
    pub(crate) stdout: Option<Tap>,
    pub(crate) stderr: Option<Tap>,
}

/// How far a container is in its life on the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) phase: Phase,
    /// How it ended, if anybody can know.
    pub(crate) end: Option<Died>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Created,
    Running,
    Exited,
    Removed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Died {
    Ended(Ended),
    NotStarted(NotStarted),
}

#[derive(Debug, Default)]
struct Cgroup {
    started: u32,
    processes: BTreeMap<u32, Arc<Inner>>,
    oom_kills: u64,
    cpu: Duration,
}

impl Sandbox {
    pub(crate) fn new(
        identity: Identity,
        spec: TaskSpec,
        handle: Handle,
        engine: Weak<Shared>,
        loan: Option<Arc<Loan>>,
    ) -> Self {
        let Identity { id, application, owner, labels } = identity;
        let tty = watch::Sender::new(spec.tty_size);
        let life = Life { phase: Phase::Created, end: None };
        Self {
            name: format!("longshore-{}", &id[..12.min(id.len())]),
            id,
            application,
            owner,
            labels,
            spec,
            freezer: Arc::new(Freezer::new()),
            tty,
            files: Mutex::default(),
            handle,
            cgroup: Mutex::default(),
            network: Mutex::default(),
            life: watch::Sender::new(life),
            loan: Mutex::new(loan),
            adopter: Mutex::default(),
            taps: Mutex::default(),
            started: OnceLock::new(),
            engine,
        }
    }

    pub(crate) fn loan(&self) -> Option<Arc<Loan>> {
        self.loan.lock().clone()
    }

    /// The container whose namespaces it joins, if it does.
    pub(crate) fn joins(&self) -> Option<String> {
        let loan = self.loan();
        loan.and_then(|loan| loan.namespaces().map(|it| it.holder.clone()))
    }

    pub(crate) fn life(&self) -> Life {
        *self.life.borrow()
    }

    /// Waits until no process runs any more, because it ended or because the container is gone.
    pub(crate) async fn over(&self) -> Life {
        let mut life = self.life.subscribe();
        match life.wait_for(|life| life.phase >= Phase::Exited).await {
            Ok(life) => *life,
            // The sender is in `self`.
            Err(_) => self.life(),
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.life().phase {
            Phase::Created => State::Created,
            Phase::Running if self.freezer.is_frozen() => State::Frozen,
            Phase::Running => State::Running,
            Phase::Exited => State::Exited,
            Phase::Removed => State::Closed,
        }
    }

    /// Starts the main process.
    pub(crate) fn start(self: &Arc<Self>, program: &Program, argv: Vec<String>, streams: Streams) {
        self.set_phase(Phase::Created, Phase::Running, None);
        self.freezer.start();
        self.started.get_or_init(Instant::now);
        self.spawn(program, argv, streams, Kin::default());
    }

    /// Says that there was nothing to start.
    pub(crate) fn fail_to_start(&self, why: NotStarted) {
        self.set_phase(Phase::Created, Phase::Exited, Some(Died::NotStarted(why)));
    }

    /// Starts a process, if the limit allows one more.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        program: &Program,
        argv: Vec<String>,
        streams: Streams,
        kin: Kin,
    ) -> Option<Arc<Inner>> {
        let process = {
            let mut cgroup = self.cgroup.lock();
            let init = usize::from(self.spec.security.init);
            let limit = self.spec.limits.pids.and_then(|pids| usize::try_from(pids).ok());
            if limit.is_some_and(|limit| cgroup.processes.len() + init >= limit) {
                return None;
            }
            // A child of a process that has been killed in the meantime must not survive it.
            if self.life().phase != Phase::Running {
                return None;
            }
            cgroup.started += 1;
            let is_main = cgroup.started == 1;
            // An init is process 1, and its child the next.
            let pid = cgroup.started + u32::from(self.spec.security.init);
            let process = Arc::new(Inner::new(Arc::clone(self), pid, is_main, kin, argv, streams));
            cgroup.processes.insert(pid, Arc::clone(&process));
            process
        };
        process.run(program, &self.handle);
        Some(process)
    }

    /// Kills everything in it, as `SIGKILL` to the main process does.
    pub(crate) fn kill(&self) {
        if let Some(main) = self.main() {
            main.end(Ended::Signal(Signal::KILL));
        }
    }

    /// Kills a process and what it started that is still in its session.
    pub(crate) fn kill_session(&self, leader: &Inner) {
        let session = leader.kin().session;
        let processes: Vec<_> = self.cgroup.lock().processes.values().cloned().collect();
        for process in processes {
            if process.kin().session == session {
                process.end(Ended::Signal(Signal::KILL));
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(main) = self.main() {
            main.deliver(signal);
        }
    }

    fn main(&self) -> Option<Arc<Inner>> {
        self.cgroup.lock().processes.values().find(|process| process.is_main()).cloned()
    }

    pub(crate) fn freeze(&self) {
        self.freezer.freeze();
        self.changed();
    }

    pub(crate) fn unfreeze(&self) {
        self.freezer.unfreeze();
        let processes: Vec<_> = self.cgroup.lock().processes.values().cloned().collect();
        for process in processes {
            process.deliver_pending();
        }
        self.changed();
    }

    pub(crate) fn resize(&self, size: TtySize) {
        self.tty.send_replace(Some(size));
        if let Some(winch) = Signal::from_number(28) {
            self.signal(winch);
        }
    }

    pub(crate) fn network(&self) -> NetworkInfo {
        self.network.lock().clone()
    }

    pub(crate) fn set_network(&self, info: NetworkInfo) {
        *self.network.lock() = info;
    }

    /// Kills everything in it and removes it.
    pub(crate) fn remove(&self) {
        self.kill();
        self.vanish();
    }

    /// Removes it in a way that leaves nobody who knows how its process ended.
    pub(crate) fn vanish(&self) {
        self.life.send_modify(|life| life.phase = Phase::Removed);
        self.end_all();
        let loan = self.loan.lock().take();
        drop(loan);
        self.changed();
    }

    /// A process has ended; if it was the main one, so have all others.
    pub(crate) fn ended(&self, process: &Inner, how: Ended) {
        self.cgroup.lock().processes.remove(&process.pid());
        if process.is_main() {
            self.set_phase(Phase::Running, Phase::Exited, Some(Died::Ended(how)));
            self.end_all();
            self.freezer.unfreeze();
        }
    }

    fn end_all(&self) {
        let processes = std::mem::take(&mut self.cgroup.lock().processes);
        for process in processes.into_values() {
            process.end(Ended::Signal(Signal::KILL));
        }
    }

    fn set_phase(&self, from: Phase, to: Phase, end: Option<Died>) {
        self.life.send_if_modified(|life| {
            let fits = life.phase == from;
            if fits {
                *life = Life { phase: to, end };
            }
            fits
        });
        self.changed();
    }

    fn changed(&self) {
        if let Some(engine) = self.engine.upgrade() {
            engine.changed();
        }
    }

    /// Counts a kill for want of memory.
    pub(crate) fn count_oom_kill(&self) {
        self.cgroup.lock().oom_kills += 1;
    }

    pub(crate) fn oom_kills(&self) -> u64 {
        self.cgroup.lock().oom_kills
    }

    pub(crate) fn use_cpu(&self, time: Duration) {
        self.cgroup.lock().cpu += time;
    }

    pub(crate) fn usage(&self) -> Usage {
        let cgroup = self.cgroup.lock();
        Usage {
            cpu: cgroup.cpu,
            memory: cgroup.processes.values().map(|process| process.memory()).sum(),
            processes: cgroup.processes.len(),
        }
    }

    /// How much memory and swap there is, if that is limited.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        let limits = &self.spec.limits;
        let swap = limits.swap.map_or(0, |swap| swap.bytes());
        limits.memory.map(|memory| memory.bytes().saturating_add(swap))
    }

    /// Takes memory for a process, unless there is too little.
    pub(crate) fn take_memory(&self, process: &Inner, bytes: u64) -> bool {
        let cgroup = self.cgroup.lock();
        let used: u64 = cgroup.processes.values().map(|process| process.memory()).sum();
        let after = used.saturating_add(bytes);
        let fits = self.memory_limit().is_none_or(|limit| after <= limit);
        if fits {
            process.add_memory(bytes);
        }
        fits
    }
}

/// What the processes of a container use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) memory: u64,
    pub(crate) processes: usize,
}
