//! An engine in memory.

mod images;
pub(crate) mod network;
mod owners;
mod shared;
mod view;

pub use owners::OwnerState;
pub use view::{ContainerInfo, Counts};

pub(crate) use images::full_name;
pub(crate) use shared::{Power, Shared};

use std::sync::Arc;

use longshore_driver_api::{Error, ErrorKind, ImageRef, Result, Signal, TaskSpec};

use crate::sandbox::Sandbox;
use crate::{CallLog, Config, Image, MockDriver, MockPlaceholders, Program, Rule};

/// An engine in memory: its containers and images, the rules by which it answers, and the log of
/// what it was asked. Clones are the same engine.
///
/// At first every image can be pulled, every program in one ends at once with code 0, and every
/// call succeeds at once.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Shared>);

/// What becomes of containers when an engine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Containers {
    /// Their processes go on, as with Docker's live restore.
    Survive,
    /// Their processes are killed. The containers stay until they are removed.
    Die,
}

impl Engine {
    /// A new engine, with seed 0.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// A new engine whose random numbers (ids, delays, probabilities) begin with this seed.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self(Arc::new(Shared::new(seed)))
    }

    /// Opens a driver on it, as an owner of its own unless the configuration names one.
    #[must_use]
    pub fn driver(&self, config: Config) -> MockDriver {
        MockDriver::new(Arc::clone(&self.0), config)
    }

    /// Makes placeholders on it, as an owner of its own unless the configuration names one.
    #[must_use]
    pub fn placeholders(&self, config: Config) -> MockPlaceholders {
        MockPlaceholders::new(Arc::clone(&self.0), self.driver(config))
    }

    /// Adds a rule by which calls are answered, after those that are there. Its condition may look
    /// at the engine, but not add rules.
    pub fn rule(&self, rule: Rule) {
        self.0.rules().add(rule);
    }

    /// Takes away all rules.
    pub fn clear_rules(&self) {
        self.0.rules().clear();
    }

    /// Runs `program` as the main process of those tasks that `when` chooses, whatever their image
    /// and arguments are. Of several, the one that was added last is asked first. It is not asked
    /// for containers that are started already.
    pub fn run(&self, when: impl Fn(&TaskSpec) -> bool + Send + Sync + 'static, program: Program) {
        self.0.state().programs.push((Arc::new(when), program));
    }

    /// As [`run`](Self::run), for the tasks with this id.
    pub fn run_task(&self, id: impl Into<String>, program: Program) {
        let id = id.into();
        self.run(move |task| task.id == id, program);
    }

    /// Every call to this engine's drivers.
    #[must_use]
    pub fn log(&self) -> CallLog {
        self.0.log.clone()
    }

    /// Puts an image on the engine, in place of what had its name.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the name is no reference.
    pub fn add_image(&self, name: &str, image: Image) -> Result<()> {
        self.0.state().images.add(named(name)?, image);
        Ok(())
    }

    /// Puts an image into the registry, where it can be pulled from.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the name is no reference.
    pub fn publish_image(&self, name: &str, image: Image) -> Result<()> {
        self.0.state().images.publish(named(name)?, image);
        Ok(())
    }

    /// Sets what an image is that nobody published. `None`: it cannot be pulled.
    pub fn unknown_images(&self, image: Option<Image>) {
        self.0.state().images.set_anything(image);
    }

    /// Takes an image off the engine, in use or not, and says whether it was there.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the name is no reference.
    pub fn remove_image(&self, name: &str) -> Result<bool> {
        Ok(self.0.state().images.remove(&named(name)?))
    }

    /// The full names of the images on the engine, sorted.
    #[must_use]
    pub fn images(&self) -> Vec<String> {
        self.0.state().images.names()
    }

    /// How many open containers keep an image from being cleaned away.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the name is no reference.
    pub fn image_users(&self, name: &str) -> Result<usize> {
        Ok(self.0.state().images.users(&named(name)?))
    }

    /// How many times an image was really pulled: pulls at the same time count once.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the name is no reference.
    pub fn pulls(&self, name: &str) -> Result<usize> {
        Ok(self.0.state().images.pulls(&named(name)?))
    }

    /// Makes a network, to be named by tasks.
    pub fn add_network(&self, name: impl Into<String>) {
        self.0.state().networks.insert(name.into());
    }

    /// Takes a log driver away, so that tasks that name it cannot be started.
    pub fn remove_log_driver(&self, name: &str) {
        self.0.state().log_drivers.remove(name);
    }

    /// All containers, in the order of their ids.
    #[must_use]
    pub fn containers(&self) -> Vec<ContainerInfo> {
        self.0.all().iter().map(|sandbox| ContainerInfo::of(sandbox)).collect()
    }

    /// The names of the anonymous volumes, sorted. Each goes with its container.
    #[must_use]
    pub fn volumes(&self) -> Vec<String> {
        self.0.state().volumes.keys().cloned().collect()
    }

    /// How many containers there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::of(self.0.all().iter().map(AsRef::as_ref))
    }

    /// Waits until `is` is true, which is asked now and whenever something on the engine changes.
    ///
    /// Dropping the future stops waiting.
    pub async fn until(&self, mut is: impl FnMut(&Self) -> bool) {
        let mut changed = self.0.watch();
        loop {
            changed.mark_unchanged();
            if is(self) {
                return;
            }
            // The sender lives as long as the engine.
            let _ = changed.changed().await;
        }
    }

    /// Sends a signal to a container's main process, as somebody else than its driver.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such container.
    pub fn signal_container(&self, id: &str, signal: Signal) -> Result<()> {
        self.container(id)?.signal(signal);
        Ok(())
    }

    /// Removes a container behind its driver's back. Its task is lost if it ran.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such container.
    pub fn remove_container(&self, id: &str) -> Result<()> {
        let sandbox = self.container(id)?;
        sandbox.vanish();
        self.0.remove(&sandbox);
        Ok(())
    }

    fn container(&self, id: &str) -> Result<Arc<Sandbox>> {
        let missing = || {
            Error::new(ErrorKind::NotFound, "engine")
                .message(format!("there is no container {id:?} on the engine"))
        };
        self.0.get(id).ok_or_else(missing)
    }

    /// Stops the engine. Every call that has no answer yet fails with `Disconnected`, every later
    /// one with `EngineUnavailable`, and tasks that run are lost to their drivers. It is idempotent.
    pub fn stop(&self, containers: Containers) {
        self.0.set_up(false);
        if containers == Containers::Die {
            for sandbox in self.0.all() {
                sandbox.kill();
            }
        }
    }

    /// Starts the engine again. It is idempotent.
    pub fn start(&self) {
        self.0.set_up(true);
    }

    /// Stops the engine and starts it again.
    pub fn restart(&self, containers: Containers) {
        self.stop(containers);
        self.start();
    }

    /// Ends an owner as `kill -9` would: its drivers do nothing more, not even clean up, and its
    /// lease is free. What it made stays on the engine as it is. What its handles are asked fails
    /// with `Closed`, and who waits for one of its tasks learns that it is lost.
    pub fn kill_owner(&self, owner: &str) {
        // In two steps, because drivers that die want the state themselves.
        let drivers = self.0.state().owners.kill(owner);
        for driver in drivers {
            driver.die();
        }
    }

    /// Says what is known of an owner, so that a reaper meets one of whom nothing is.
    pub fn set_owner(&self, owner: &str, state: OwnerState) {
        self.0.state().owners.set(owner, state);
    }

    /// What is known of an owner. Of one who never was, that is nothing.
    #[must_use]
    pub fn owner(&self, owner: &str) -> OwnerState {
        self.0.state().owners.state(owner)
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

fn named(name: &str) -> Result<String> {
    let parsed = name.parse::<ImageRef>();
    let image = parsed.map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "image").message(format!("image {name:?}: {error}"))
    })?;
    Ok(full_name(&image))
}
