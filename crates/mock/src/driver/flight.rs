//! One pull for all who want the same image with the same credential.

use std::sync::{Arc, Weak};

use longshore_driver_api::{Credential, Error, Result, TaskSpec};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Inner;
use crate::Op;

/// What is pulled, for which platform, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) image: String,
    pub(crate) platform: Option<String>,
    pub(crate) credential: Option<Credential>,
}

/// A pull. It is stopped when the last one who waits for it drops this.
#[derive(Debug)]
pub(crate) struct Flight {
    result: watch::Receiver<Option<Result<(), Error>>>,
    task: AbortHandle,
}

impl Flight {
    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    /// Joins the pull of `key`, or begins it on behalf of `task`.
    pub(crate) async fn pull(self: &Arc<Self>, key: Key, task: &TaskSpec) -> Result<()> {
        let entry = self.engine.log.begin(Op::Pull, self.owner(), Some(&task.id));
        let flight = self.flight(key, task);
        let mut result = flight.result.clone();
        let ended = match result.wait_for(Option::is_some).await {
            Ok(ended) => {
                ended.as_ref().map(|ended| ended.as_ref().map_err(Error::duplicate).copied())
            }
            // The task was aborted, because the owner was killed.
            Err(_) => None,
        };
        let ended = ended.unwrap_or_else(|| self.check_alive(Op::Pull));
        entry.end(&ended);
        ended
    }

    fn flight(self: &Arc<Self>, key: Key, task: &TaskSpec) -> Arc<Flight> {
        let mut flights = self.flights.lock();
        flights.retain(|_, flight| flight.strong_count() > 0);
        let joined = flights.get(&key).and_then(Weak::upgrade);
        if let Some(flight) = joined.filter(|flight| flight.result.borrow().is_none()) {
            return flight;
        }
        let (sender, result) = watch::channel(None);
        let pulling = {
            let (driver, key, task) = (Arc::clone(self), key.clone(), task.clone());
            async move {
                let ended = driver.pull_once(&key, &task).await;
                sender.send_replace(Some(ended));
            }
        };
        let spawned = Handle::current().spawn(pulling);
        let flight = Arc::new(Flight { result, task: spawned.abort_handle() });
        flights.insert(key, Arc::downgrade(&flight));
        flight
    }

    async fn pull_once(&self, key: &Key, task: &TaskSpec) -> Result<()> {
        let plan = self.plan(Op::Pull, Some(task));
        let effect = || {
            self.engine.state().images.pull(
                &key.image,
                key.platform.as_deref(),
                key.credential.as_ref(),
            )
        };
        self.ask_unlogged(plan, Op::Pull, self.config.pull_timeout, effect).await
    }
}
