//! What is on an engine.

use std::collections::BTreeMap;

use longshore_driver_api::{LABEL_TASK, State};

use crate::sandbox::Sandbox;

/// A container on an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerInfo {
    /// The engine's id of it.
    pub id: String,
    /// Its name on the engine.
    pub name: String,
    /// The image, as the task names it.
    pub image: String,
    /// Where it is in its life: created, running, frozen or exited.
    pub state: State,
    /// The application that it belongs to.
    pub application: String,
    /// The owner that it belongs to.
    pub owner: String,
    /// The id of the task that it was made for.
    pub task: Option<String>,
    /// All of its labels.
    pub labels: BTreeMap<String, String>,
    /// Processes in it, its init aside.
    pub processes: usize,
    /// Memory that its processes have taken, in bytes.
    pub memory: u64,
    /// The container whose network it has borrowed.
    pub joins: Option<String>,
    /// Kills for want of memory in it.
    pub oom_kills: u64,
}

/// How many containers there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Created and not started.
    pub created: usize,
    /// Running and not frozen.
    pub running: usize,
    /// Frozen.
    pub frozen: usize,
    /// Exited and not removed.
    pub exited: usize,
}

impl Counts {
    /// All together.
    #[must_use]
    pub const fn total(self) -> usize {
        self.created + self.running + self.frozen + self.exited
    }

    pub(super) fn of<'a>(sandboxes: impl Iterator<Item = &'a Sandbox>) -> Self {
        let mut counts = Self::default();
        for sandbox in sandboxes {
            match sandbox.state() {
                State::Created => counts.created += 1,
                State::Running => counts.running += 1,
                State::Frozen => counts.frozen += 1,
                _ => counts.exited += 1,
            }
        }
        counts
    }
}

impl ContainerInfo {
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        let usage = sandbox.usage();
        Self {
            id: sandbox.id.clone(),
            name: sandbox.name.clone(),
            image: sandbox.spec.image.clone(),
            state: sandbox.state(),
            application: sandbox.application.clone(),
            owner: sandbox.owner.clone(),
            task: sandbox.labels.get(LABEL_TASK).cloned(),
            labels: sandbox.labels.clone(),
            processes: usage.processes,
            memory: usage.memory,
            joins: sandbox.joins(),
            oom_kills: sandbox.oom_kills(),
        }
    }
}
