//! What a driver and all its containers have in common.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use longshore_driver_api::{Capabilities, CredentialSource, Error, ErrorKind};
use longshore_host::{Lease, RunDir};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::api::DockerApi;
use crate::config::Timeouts;
use crate::container::core::Core;
use crate::image::pulls::Pulls;
use crate::reaper::Reaper;

/// What a driver and all its containers have in common.
pub(crate) struct Shared {
    /// The engine.
    pub(crate) api: Arc<dyn DockerApi>,
    /// What it can do.
    pub(crate) capabilities: Capabilities,
    /// How long it may take.
    pub(crate) timeouts: Timeouts,
    /// How often a pull is tried at most.
    pub(crate) pull_attempts: u32,
    /// The application that everything belongs to.
    pub(crate) application: String,
    /// The owner: this driver.
    pub(crate) owner: String,
    /// The labels of everything that is made.
    pub(crate) labels: BTreeMap<String, String>,
    /// Where leases are.
    pub(crate) run_dir: RunDir,
    /// Where credentials come from.
    pub(crate) credentials: Arc<dyn CredentialSource>,
    /// The pulls under way.
    pub(crate) pulls: Pulls,
    /// Every task that is spawned onto a caller's runtime.
    pub(crate) tasks: TaskTracker,
    /// The thread that removes containers.
    pub(crate) reaper: Reaper,
    /// The driver is closed, or being closed.
    pub(crate) closing: CancellationToken,
    lease: Mutex<Option<Lease>>,
    containers: Mutex<HashMap<u64, Weak<Core>>>,
    next_key: AtomicU64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Docker")
            .field("api", &self.api)
            .field("application", &self.application)
            .field("owner", &self.owner)
            .field("containers", &self.containers.lock().len())
            .finish_non_exhaustive()
    }
}

/// What a driver begins with.
pub(crate) struct Parts {
    pub(crate) api: Arc<dyn DockerApi>,
    pub(crate) capabilities: Capabilities,
    pub(crate) timeouts: Timeouts,
    pub(crate) pull_attempts: u32,
    pub(crate) application: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) run_dir: RunDir,
    pub(crate) lease: Lease,
    pub(crate) credentials: Arc<dyn CredentialSource>,
    pub(crate) tasks: TaskTracker,
    pub(crate) reaper: Reaper,
}

impl Shared {
    /// A driver's common part.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            api: parts.api,
            capabilities: parts.capabilities,
            timeouts: parts.timeouts,
            pull_attempts: parts.pull_attempts,
            application: parts.application,
            owner: parts.lease.owner().to_owned(),
            labels: parts.labels,
            run_dir: parts.run_dir,
            credentials: parts.credentials,
            pulls: Pulls::default(),
            tasks: parts.tasks,
            reaper: parts.reaper,
            closing: CancellationToken::new(),
            lease: Mutex::new(Some(parts.lease)),
            containers: Mutex::new(HashMap::new()),
            next_key: AtomicU64::new(0),
        }
    }

    /// A number that no other container of this driver has.
    pub(crate) fn next_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a container in, unless the driver is closed.
    pub(crate) fn enter(&self, core: &Arc<Core>) -> Result<(), Error> {
        let mut containers = self.containers.lock();
        // Under the lock: whoever closes afterwards finds the container in the list.
        if self.closing.is_cancelled() {
            return Err(Error::new(ErrorKind::Closed, "container").message("the driver is closed"));
        }
        containers.insert(core.key, Arc::downgrade(core));
        Ok(())
    }

    /// Counts a container out.
    pub(crate) fn leave(&self, key: u64) {
        self.containers.lock().remove(&key);
    }

    /// How errors call the containers that are not counted out yet.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let containers = self.containers.lock();
        containers.values().filter_map(Weak::upgrade).map(|core| core.subject()).collect()
    }

    /// Lets no more container in and gives those that are left.
    pub(crate) fn shut(&self) -> Vec<Arc<Core>> {
        let containers = self.containers.lock();
        self.closing.cancel();
        containers.values().filter_map(Weak::upgrade).collect()
    }

    /// Takes the lease, to give it up.
    pub(crate) fn take_lease(&self) -> Option<Lease> {
        self.lease.lock().take()
    }
}
