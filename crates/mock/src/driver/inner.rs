//! What a driver's handle, containers and tasks share.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use longshore_driver_api::{
    Error, ErrorKind, LABEL_APPLICATION, LABEL_LEASE, LABEL_OWNER, LABEL_RECOVERABLE_UNTIL,
    LABEL_TASK, Result, TaskSpec,
};
use longshore_stats::Timestamp;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::flight::{Flight, Key};
use crate::container::Core;
use crate::engine::Shared;
use crate::rule::{Plan, Then};
use crate::sandbox::{Identity, Sandbox};
use crate::{Calling, Config, Op};

pub(crate) struct Inner {
    pub(crate) engine: Arc<Shared>,
    pub(crate) config: Config,
    owner: String,
    dead: AtomicBool,
    closed: AtomicBool,
    pub(super) cores: Mutex<BTreeMap<u64, Weak<Core>>>,
    tasks: Mutex<JoinSet<()>>,
    pub(super) leftovers: Mutex<BTreeMap<String, Arc<Sandbox>>>,
    pub(super) flights: Mutex<HashMap<Key, Weak<Flight>>>,
}

impl Inner {
    pub(super) fn new(engine: Arc<Shared>, config: Config) -> Self {
        let random = || format!("owner-{}", &engine.random_id()[..16]);
        let owner = config.owner.clone().unwrap_or_else(random);
        Self {
            engine,
            config,
            owner,
            dead: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            cores: Mutex::default(),
            tasks: Mutex::default(),
            leftovers: Mutex::default(),
            flights: Mutex::default(),
        }
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// Whether the owner was killed: then nothing has an effect any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Ends everything that the driver does, at once and without cleaning up.
    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::Release);
        // Dropping the set aborts its tasks.
        drop(std::mem::take(&mut *self.tasks.lock()));
        let flights: Vec<_> = self.flights.lock().values().filter_map(Weak::upgrade).collect();
        for flight in flights {
            flight.stop();
        }
        let cores: Vec<_> = self.cores.lock().values().filter_map(Weak::upgrade).collect();
        for core in cores {
            core.die();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes all containers, and removes what could not be removed before.
    pub(super) async fn close(&self) -> Result<()> {
        if self.is_dead() {
            return Ok(());
        }
        let cores: Vec<_> = {
            let cores = self.cores.lock();
            self.closed.store(true, Ordering::Release);
            cores.values().filter_map(Weak::upgrade).collect()
        };
        for core in &cores {
            core.begin_close();
        }
        for core in cores {
            // What could not be removed is among the leftovers.
            let _ = core.wait_closed().await;
        }
        let leftovers: Vec<_> = self.leftovers.lock().values().cloned().collect();
        let mut left = Vec::new();
        for sandbox in leftovers {
            if let Err(error) = self.remove_leftover(&sandbox).await {
                left.push(format!("container {} ({error})", sandbox.id));
            }
        }
        // What is left of the driver's tasks are attempts to remove the same.
        drop(std::mem::take(&mut *self.tasks.lock()));
        self.engine.state().owners.close(self);
        let lender = match &self.config.namespaces {
            Some(source) => source.close().await,
            None => Ok(()),
        };
        if left.is_empty() {
            return lender;
        }
        Err(Error::new(ErrorKind::Engine, Op::CloseDriver.name())
            .message(format!("could not remove {}", left.join(", "))))
    }

    pub(crate) fn check_alive(&self, op: Op) -> Result<()> {
        if self.is_dead() {
            return Err(Error::new(ErrorKind::Closed, op.name())
                .message(format!("owner {:?} was killed", self.owner)));
        }
        Ok(())
    }

    /// Runs one of the driver's own tasks. It ends with the owner.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static, on: &Handle) {
        let mut tasks = self.tasks.lock();
        // Those that are done would otherwise be kept for ever.
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, on);
    }

    pub(crate) fn forget(&self, number: u64) {
        self.cores.lock().remove(&number);
    }

    pub(crate) fn plan(&self, op: Op, task: Option<&TaskSpec>) -> Plan {
        self.engine.plan(&Calling::new(op, &self.owner, task))
    }

    /// Asks the engine, by the rules and within the bound of a call. `effect` is what the engine
    /// does when it carries the call out: at once and as a whole, or not at all.
    pub(crate) async fn ask<T: Send>(
        &self,
        op: Op,
        task: Option<&TaskSpec>,
        effect: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        let plan = self.plan(op, task);
        self.ask_by(plan, op, task, effect).await
    }

    pub(crate) async fn ask_by<T: Send>(
        &self,
        plan: Plan,
        op: Op,
        task: Option<&TaskSpec>,
        effect: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        let entry = self.engine.log.begin(op, &self.owner, task.map(|task| task.id.as_str()));
        let result = self.ask_unlogged(plan, op, self.config.call_timeout, effect).await;
        entry.end(&result);
        result
    }

    pub(super) async fn ask_unlogged<T: Send>(
        &self,
        plan: Plan,
        op: Op,
        bound: Duration,
        effect: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        let answer = timeout(bound, self.answer(plan, op, effect)).await;
        answer.unwrap_or_else(|_| Err(late(op, bound)))
    }

    /// As [`ask`](Self::ask) where the rules let the answer come at once; else the plan, to be
    /// followed by [`ask_by`](Self::ask_by).
    pub(crate) fn ask_now<T>(
        &self,
        op: Op,
        task: Option<&TaskSpec>,
        effect: impl FnOnce() -> Result<T>,
    ) -> Result<Result<T>, Plan> {
        let plan = self.plan(op, task);
        if !plan.is_immediate() {
            return Err(plan);
        }
        let entry = self.engine.log.begin(op, &self.owner, task.map(|task| task.id.as_str()));
        let result = self.check(op).and_then(|()| {
            if plan.carried_out {
                let value = effect()?;
                plan.then.reply(|| Ok(value))
            } else {
                plan.then.reply(effect)
            }
        });
        entry.end(&result);
        Ok(result)
    }

    async fn answer<T>(&self, plan: Plan, op: Op, effect: impl FnOnce() -> Result<T>) -> Result<T> {
        self.check(op)?;
        if plan.carried_out {
            let value = effect()?;
            self.pass(&plan, op).await?;
            return plan.then.reply(|| Ok(value));
        }
        self.pass(&plan, op).await?;
        self.check(op)?;
        plan.then.reply(effect)
    }

    /// Lets the time pass that an answer takes.
    async fn pass(&self, plan: &Plan, op: Op) -> Result<()> {
        let power = self.engine.power();
        tokio::select! {
            biased;
            error = self.engine.cut_off(op, power) => Err(error),
            () = sleep(plan.delay), if !matches!(plan.then, Then::Never) => Ok(()),
        }
    }

    fn check(&self, op: Op) -> Result<()> {
        self.check_alive(op)?;
        self.engine.check_up(op)
    }

    /// Whose a container for this task is.
    pub(crate) fn identity(&self, spec: &TaskSpec) -> Identity {
        let mut labels = spec.labels.clone();
        let mut label = |name: &str, value: String| labels.insert(name.to_owned(), value);
        label(LABEL_APPLICATION, self.config.application.clone());
        label(LABEL_OWNER, self.owner.clone());
        label(LABEL_LEASE, "mock".to_owned());
        label(LABEL_TASK, spec.id.clone());
        if let Some(time) = spec.recoverable_for {
            let until =
                self.engine.timestamp().unix_nanos().saturating_add_unsigned(time.as_nanos());
            let until = i64::try_from(until).unwrap_or(i64::MAX);
            label(LABEL_RECOVERABLE_UNTIL, Timestamp::from_unix_nanos(until).to_string());
        }
        Identity {
            id: self.engine.random_id(),
            application: self.config.application.clone(),
            owner: self.owner.clone(),
            labels,
        }
    }
}

fn late(op: Op, bound: Duration) -> Error {
    Error::new(ErrorKind::Deadline, op.name())
        .message(format!("the engine has not answered within {bound:?}"))
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.engine.state().owners.close(self);
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockDriver").field("owner", &self.owner).finish_non_exhaustive()
    }
}
