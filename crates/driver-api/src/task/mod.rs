//! What is to be run: plain data, its input and output, and its hooks.

mod builder;
mod env;
mod health;
mod hooks;
mod io;
mod limits;
mod log;
mod mount_text;
mod mounts;
mod network;
mod port;
mod read;
mod security;
mod spec;
mod suggest;
mod validate;
pub(crate) mod words;

pub use builder::TaskSpecBuilder;
pub use env::Env;
pub use health::{Health, HealthCheck};
pub use hooks::{NoHooks, PullProgress, TaskHooks};
pub use io::{Captured, StatsSink, TaskIo};
pub use limits::{Limits, OutputLimit, OverLimit, Ulimit};
pub use log::LogDriver;
pub use mounts::{Device, Mount, MountKind, Propagation};
pub use network::{Network, NetworkMode};
pub use port::{Protocol, PublishedPort};
pub use security::{Capability, CapabilityDrop, Seccomp, Security};
pub use spec::{PullPolicy, Stop, TaskSpec};
pub use validate::{InvalidSpec, Problem};

use std::sync::Arc;

/// A task: what to run, with what input and output, and whom to ask and tell.
#[derive(Debug)]
#[non_exhaustive]
pub struct Task {
    /// What to run.
    pub spec: TaskSpec,
    /// Where input comes from and output goes to.
    pub io: TaskIo,
    /// Whom to ask and tell.
    pub hooks: Arc<dyn TaskHooks>,
}

impl Task {
    /// A task without input, whose output nobody wants.
    #[must_use]
    pub fn new(spec: TaskSpec) -> Self {
        Self { spec, io: TaskIo::none(), hooks: Arc::new(NoHooks) }
    }

    /// Sets input and output.
    #[must_use]
    pub fn io(mut self, io: TaskIo) -> Self {
        self.io = io;
        self
    }

    /// Sets the hooks.
    #[must_use]
    pub fn hooks(mut self, hooks: Arc<dyn TaskHooks>) -> Self {
        self.hooks = hooks;
        self
    }
}

impl From<TaskSpec> for Task {
    fn from(spec: TaskSpec) -> Self {
        Self::new(spec)
    }
}
