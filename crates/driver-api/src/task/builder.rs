//! Makes a description of a task, step by step.

use std::time::Duration;

use super::{
    Device, Env, Health, InvalidSpec, Limits, LogDriver, Mount, Network, NetworkMode, OutputLimit,
    PublishedPort, PullPolicy, Security, Stop, TaskSpec, Ulimit,
};
use crate::TtySize;
use crate::units::{ByteSize, Cpus, Signal};

/// Makes a [`TaskSpec`]. What has no short form here is set with [`edit`](Self::edit).
#[derive(Debug, Clone)]
pub struct TaskSpecBuilder {
    spec: TaskSpec,
}

/// Short forms for the fields that most callers set: one line each, all alike.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $type:ty) => |$spec:ident| $set:expr;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $arg: $type) -> Self {
            let $spec = &mut self.spec;
            $set;
            self
        })*
    };
}

impl TaskSpecBuilder {
    pub(super) fn new(image: impl Into<String>) -> Self {
        Self { spec: TaskSpec::with_image(image.into()) }
    }

    setters! {
        /// Sets the caller's name for the task.
        id(id: impl Into<String>) => |spec| spec.id = id.into();
        /// Sets when the image is pulled.
        pull(policy: PullPolicy) => |spec| spec.pull = policy;
        /// Sets the platform of the image.
        platform(platform: impl Into<String>) => |spec| spec.platform = Some(platform.into());
        /// Sets the program and its first arguments.
        entrypoint(words: impl IntoIterator<Item = impl Into<String>>) =>
            |spec| spec.entrypoint = Some(words.into_iter().map(Into::into).collect());
        /// Sets the arguments.
        args(words: impl IntoIterator<Item = impl Into<String>>) =>
            |spec| spec.args = words.into_iter().map(Into::into).collect();
        /// Sets all environment variables.
        envs(variables: Env) => |spec| spec.env = variables;
        /// Sets the working directory.
        work_dir(path: impl Into<String>) => |spec| spec.work_dir = Some(path.into());
        /// Sets whether the task has a terminal.
        tty(tty: bool) => |spec| spec.tty = tty;
        /// Sets the size that the terminal has from the start.
        tty_size(size: TtySize) => |spec| spec.tty_size = Some(size);
        /// Sets how long the task may run.
        timeout(timeout: Duration) => |spec| spec.timeout = Some(timeout);
        /// Sets how often a sample of the task's statistics is taken.
        stats_interval(time: Duration) => |spec| spec.stats_interval = Some(time);
        /// Sets how the task is asked to end.
        stop(stop: Stop) => |spec| spec.stop = stop;
        /// Sets the signal that asks the task to end.
        stop_signal(signal: Signal) => |spec| spec.stop.signal = Some(signal);
        /// Sets how long the task may take to end when asked.
        stop_grace(grace: Duration) => |spec| spec.stop.grace = grace;
        /// Sets how it is found out whether the task does well.
        health(health: Health) => |spec| spec.health = health;
        /// Sets all limits.
        limits(limits: Limits) => |spec| spec.limits = limits;
        /// Limits memory.
        memory(size: ByteSize) => |spec| spec.limits.memory = Some(size);
        /// Limits CPU time.
        cpus(cpus: Cpus) => |spec| spec.limits.cpus = Some(cpus);
        /// Limits processes and threads.
        pids(pids: u32) => |spec| spec.limits.pids = Some(pids);
        /// Limits each output stream.
        output_limit(limit: OutputLimit) => |spec| spec.limits.output = Some(limit);
        /// Sets what the task may do.
        security(security: Security) => |spec| spec.security = security;
        /// Sets the user to run as; empty: as the image says.
        user(user: impl Into<String>) => |spec| spec.security.user = user.into();
        /// Sets everything about the network.
        network_options(network: Network) => |spec| spec.network = network;
        /// Sets which network.
        network(mode: NetworkMode) => |spec| spec.network.mode = mode;
        /// Adds a port that the engine's host listens on for the task.
        publish(port: PublishedPort) => |spec| spec.network.publish.push(port);
        /// Adds a mount.
        mount(mount: Mount) => |spec| spec.mounts.push(mount);
        /// Adds a device.
        device(device: Device) => |spec| spec.devices.push(device);
        /// Sets where the engine keeps the output.
        log(log: LogDriver) => |spec| spec.log = log;
        /// Sets how long the container outlives a dead owner.
        recoverable_for(time: Duration) => |spec| spec.recoverable_for = Some(time);
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.env.set(name, value);
        self
    }

    /// Sets a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.labels.insert(name.into(), value.into());
        self
    }

    /// Limits a resource of each process by the kernel's name, such as `nofile`.
    #[must_use]
    pub fn ulimit(mut self, name: impl Into<String>, limit: Ulimit) -> Self {
        self.spec.limits.ulimits.insert(name.into(), limit);
        self
    }

    /// Changes anything.
    #[must_use]
    pub fn edit(mut self, change: impl FnOnce(&mut TaskSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// Checks the whole description.
    ///
    /// # Errors
    ///
    /// All problems at once, each with the name of its field.
    pub fn build(self) -> Result<TaskSpec, InvalidSpec> {
        self.spec.validate()?;
        Ok(self.spec)
    }

    /// The description as it stands, for a caller that goes on changing it.
    /// [`Driver::container`](crate::Driver::container) checks it in any case.
    #[must_use]
    pub fn build_unchecked(self) -> TaskSpec {
        self.spec
    }
}
