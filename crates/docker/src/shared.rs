//! What a driver and all its containers have in common.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use longshore_driver_api::{
    Capabilities, CredentialSource, Error, ErrorKind, LeastUsed, NamespaceSource,
};
use longshore_host::{Lease, Moment, RunDir, began_after, began_before};
use longshore_images::ImageCache;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::blocking::off_the_runtime;
use crate::client::api::DockerApi;
use crate::config::{StatsSource, Timeouts};
use crate::container::core::Core;
use crate::events::Events;
use crate::image::pulls::Pulls;
use crate::image::volumes::ImageVolumes;
use crate::keeper::Keeper;
use crate::reaper::Reaper;

/// What a driver and all its containers have in common.
pub(crate) struct Shared {
    /// The engine.
    pub(crate) api: Arc<dyn DockerApi>,
    /// Which one it is.
    pub(crate) engine: EngineIdentity,
    /// What it can do.
    pub(crate) capabilities: Capabilities,
    /// How long it may take.
    pub(crate) timeouts: Timeouts,
    /// Which images may declare volumes.
    pub(crate) image_volumes: ImageVolumes,
    /// Where statistics come from: never `Auto` on an engine that is elsewhere.
    pub(crate) stats_source: StatsSource,
    /// How often a pull is tried at most.
    pub(crate) pull_attempts: u32,
    /// The application that everything belongs to.
    pub(crate) application: String,
    /// The owner: this driver.
    pub(crate) owner: String,
    /// The labels of everything that is made.
    pub(crate) labels: BTreeMap<String, String>,
    /// What proves on the engine that this owner lives, where something does.
    pub(crate) keeper: Option<Keeper>,
    /// Where leases are.
    pub(crate) run_dir: RunDir,
    /// Where credentials come from.
    pub(crate) credentials: Arc<dyn CredentialSource>,
    /// The networks that tasks get who leave the choice to the driver.
    pub(crate) networks: LeastUsed,
    /// Where tasks borrow from that ask for it.
    pub(crate) namespaces: Option<Arc<dyn NamespaceSource>>,
    /// The accounts of the images on the engine, where they are bounded.
    pub(crate) cache: Option<ImageCache>,
    /// What the engine tells by itself.
    pub(crate) events: Arc<Events>,
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

/// Which engine it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct EngineIdentity {
    /// Its own id, the same after it was started anew.
    pub(crate) id: String,
    /// Its process when the driver was opened, where it can be seen.
    pub(crate) process: Option<String>,
}

/// The name of the engine's program.
const PROGRAM: &str = "dockerd";
/// The name of the program that forwards sockets to other hosts.
const FORWARDER: &str = "ssh";

/// The engine's process, if it is one of this host that listens itself: a socket that somebody
/// else listens at says nothing of it.
pub(crate) fn process_of(peer: Option<i32>) -> Option<String> {
    longshore_host::running_program(peer?, PROGRAM)
}

/// Whether a local socket leads to another host: whoever listens is the program that forwards it.
pub(crate) fn is_forwarded(peer: Option<i32>) -> bool {
    peer.is_some_and(|peer| longshore_host::running_program(peer, FORWARDER).is_some())
}

/// What a driver begins with.
pub(crate) struct Parts {
    pub(crate) api: Arc<dyn DockerApi>,
    pub(crate) engine: EngineIdentity,
    pub(crate) capabilities: Capabilities,
    pub(crate) timeouts: Timeouts,
    pub(crate) image_volumes: ImageVolumes,
    pub(crate) stats_source: StatsSource,
    pub(crate) pull_attempts: u32,
    pub(crate) application: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) run_dir: RunDir,
    pub(crate) lease: Lease,
    pub(crate) credentials: Arc<dyn CredentialSource>,
    pub(crate) networks: LeastUsed,
    pub(crate) namespaces: Option<Arc<dyn NamespaceSource>>,
    pub(crate) cache: Option<ImageCache>,
    pub(crate) tasks: TaskTracker,
    pub(crate) reaper: Reaper,
}

impl Shared {
    /// A driver's common part.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            api: parts.api,
            engine: parts.engine,
            capabilities: parts.capabilities,
            timeouts: parts.timeouts,
            image_volumes: parts.image_volumes,
            stats_source: parts.stats_source,
            pull_attempts: parts.pull_attempts,
            application: parts.application,
            owner: parts.lease.owner().to_owned(),
            labels: parts.labels,
            keeper: parts.keeper,
            run_dir: parts.run_dir,
            credentials: parts.credentials,
            networks: parts.networks,
            namespaces: parts.namespaces,
            cache: parts.cache,
            events: Arc::default(),
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

    /// The engine's process now, where it can be seen.
    pub(crate) async fn engine_process(&self) -> Result<Option<String>, Error> {
        let peer = self.api.peer().await;
        off_the_runtime(move || process_of(peer)).await
    }

    /// Whether the engine's process can be seen, and is still the one that it was.
    pub(crate) async fn is_engine(&self, before: Option<&str>) -> Result<bool, Error> {
        Ok(before.is_some() && self.engine_process().await?.as_deref() == before)
    }

    /// Whether the engine's process, where it can be seen, is one that began after that moment.
    pub(crate) async fn engine_began_after(&self, moment: Moment) -> bool {
        let Some(peer) = self.api.peer().await else { return false };
        off_the_runtime(move || began_after(peer, PROGRAM, moment)).await.unwrap_or(false)
    }

    /// Whether the engine's process, where it can be seen, is one that began before that moment.
    pub(crate) async fn engine_began_before(&self, moment: Moment) -> bool {
        let Some(peer) = self.api.peer().await else { return false };
        off_the_runtime(move || began_before(peer, PROGRAM, moment)).await.unwrap_or(false)
    }

    /// Takes the lease, to give it up.
    pub(crate) fn take_lease(&self) -> Option<Lease> {
        self.lease.lock().take()
    }
}
