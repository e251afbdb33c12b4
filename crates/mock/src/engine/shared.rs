//! What drivers of one engine share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use longshore_driver_api::{
    Error, ErrorKind, LogDriver, Mount, MountKind, NotStarted, Result, Signal, TaskSpec,
};
use longshore_stats::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::images::Images;
use super::owners::Owners;
use crate::rule::{Plan, Rules};
use crate::sandbox::Sandbox;
use crate::{CallLog, Calling, Op, Program};

/// Chooses tasks by their description.
type When = Arc<dyn Fn(&TaskSpec) -> bool + Send + Sync>;

pub(crate) struct Shared {
    /// What tells it from every other engine of this process.
    pub(crate) number: u64,
    state: Mutex<State>,
    // Apart from the state, because a rule's condition may look at the engine.
    rules: Mutex<Rules>,
    random: Mutex<StdRng>,
    pub(crate) log: CallLog,
    power: watch::Sender<Power>,
    changed: watch::Sender<()>,
    born: OnceLock<Instant>,
}

/// Whether the engine answers, and how often it went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Power {
    up: bool,
    falls: u64,
}

pub(crate) struct State {
    pub(crate) containers: BTreeMap<String, Arc<Sandbox>>,
    pub(crate) images: Images,
    pub(crate) owners: Owners,
    /// The newest last.
    pub(crate) programs: Vec<(When, Program)>,
    /// Anonymous volumes, and the containers that they belong to.
    pub(crate) volumes: BTreeMap<String, String>,
    pub(crate) networks: BTreeSet<String>,
    /// How many addresses were given out.
    pub(crate) addresses: u32,
    pub(crate) log_drivers: BTreeSet<String>,
}

impl Shared {
    pub(crate) fn new(seed: u64) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        static ENGINES: AtomicU64 = AtomicU64::new(0);
        Self {
            number: ENGINES.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(State {
                containers: BTreeMap::new(),
                images: Images::new(),
                owners: Owners::default(),
                programs: Vec::new(),
                volumes: BTreeMap::new(),
                networks: BTreeSet::new(),
                addresses: 0,
                log_drivers: names(&["none", "json-file", "local", "journald", "syslog"]),
            }),
            rules: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            log: CallLog::new(),
            power: watch::Sender::new(Power { up: true, falls: 0 }),
            changed: watch::Sender::new(()),
            born: OnceLock::new(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The time on the engine's clock, which begins with the Unix epoch when it is first looked at.
    pub(crate) fn now(&self) -> Duration {
        self.born.get_or_init(Instant::now).elapsed()
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        let nanos = i64::try_from(self.now().as_nanos()).unwrap_or(i64::MAX);
        Timestamp::from_unix_nanos(nanos)
    }

    pub(crate) fn plan(&self, call: &Calling<'_>) -> Plan {
        self.rules.lock().plan(call, &mut self.random.lock())
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock()
    }

    /// A name that nothing else on the engine has.
    pub(crate) fn random_id(&self) -> String {
        let [high, low]: [u128; 2] = self.random.lock().random();
        format!("{high:032x}{low:032x}")
    }

    pub(crate) fn changed(&self) {
        self.changed.send_replace(());
    }

    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.power.send_modify(|power| {
            power.falls += u64::from(power.up && !up);
            power.up = up;
        });
    }

    pub(crate) fn power(&self) -> Power {
        *self.power.borrow()
    }

    /// Whether the engine answers now.
    pub(crate) fn check_up(&self, op: Op) -> Result<()> {
        if self.power().up {
            return Ok(());
        }
        Err(Error::new(ErrorKind::EngineUnavailable, op.name())
            .message("the engine is stopped: start it again"))
    }

    /// Waits until the engine answers.
    pub(crate) async fn up(&self) {
        // The sender is in `self`.
        let _ = self.power.subscribe().wait_for(|power| power.up).await;
    }

    /// Waits until the engine has gone down since `then`, and says what that means for a call.
    pub(crate) async fn cut_off(&self, op: Op, then: Power) -> Error {
        let mut power = self.power.subscribe();
        // The sender is in `self`.
        let _ = power.wait_for(|now| *now != then).await;
        Error::new(ErrorKind::Disconnected, op.name()).message("the engine went down")
    }

    /// Puts a container on the engine, with its anonymous volumes: those that its task asks for
    /// and those that its image declares.
    pub(crate) fn insert(&self, sandbox: Arc<Sandbox>, image: &str) {
        let mut state = self.state();
        let own = |mount: &&Mount| matches!(mount.kind, MountKind::Volume { source: None });
        let asked = sandbox.spec.mounts.iter().filter(own).count();
        let declared = state.images.get(image).map_or(0, |image| image.volumes());
        for _ in 0..asked + declared {
            state.volumes.insert(self.random_id(), sandbox.id.clone());
        }
        state.containers.insert(sandbox.id.clone(), sandbox);
        drop(state);
        self.changed();
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Sandbox>> {
        self.state().containers.get(id).cloned()
    }

    /// Takes a container off the engine. One that is gone already is no error.
    pub(crate) fn remove(&self, sandbox: &Sandbox) {
        let removed = {
            let mut state = self.state();
            state.volumes.retain(|_, container| *container != sandbox.id);
            state.containers.remove(&sandbox.id)
        };
        if let Some(removed) = removed {
            removed.remove();
            self.changed();
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Sandbox>> {
        self.state().containers.values().cloned().collect()
    }

    pub(crate) fn check_log_driver(&self, log: &LogDriver) -> Result<()> {
        if self.state().log_drivers.contains(&log.driver) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::LogDriver, Op::Start.name())
            .message(format!("there is no log driver {:?} on the engine", log.driver)))
    }

    pub(crate) fn stop_signal(&self, spec: &TaskSpec, image: &str) -> Signal {
        let state = self.state();
        let image = state.images.get(image).cloned().unwrap_or_default();
        image.stop_signal_of(spec)
    }

    /// The program that an image has under this name.
    pub(crate) fn find(&self, name: &str, image: &str) -> Result<Program, NotStarted> {
        let image = self.state().images.get(image).cloned().unwrap_or_default();
        image.find(Some(&name.to_owned()))
    }

    pub(crate) fn health_check(&self, spec: &TaskSpec, image: &str) -> Option<Vec<String>> {
        self.state().images.get(image).cloned().unwrap_or_default().health_of(spec)
    }

    /// The program that a task runs, and its words.
    pub(crate) fn program(
        &self,
        spec: &TaskSpec,
        image: &str,
    ) -> (Result<Program, NotStarted>, Vec<String>) {
        let (image, programs) = {
            let state = self.state();
            let image = state.images.get(image).cloned().unwrap_or_default();
            (image, state.programs.clone())
        };
        let argv = image.argv(spec);
        let program = match programs.iter().rev().find(|(when, _)| when(spec)) {
            Some((_, program)) => Ok(program.clone()),
            None => image.find(argv.first()),
        };
        (program, argv)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("containers", &self.all().len()).finish_non_exhaustive()
    }
}
