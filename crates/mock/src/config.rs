//! How a driver of the mock behaves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Anonymous, Capabilities, CgroupVersion, CredentialSource, ImageRef, LeastUsed, NamespaceSource,
};

type Refuse = Arc<dyn Fn(&ImageRef) -> bool + Send + Sync>;

/// How a driver of the mock behaves.
///
/// ```
/// use longshore_mock::{Config, Engine};
///
/// let engine = Engine::new();
/// // An engine that can neither freeze nor tell a signal from a code above 128.
/// let driver = engine.driver(Config::new().owner("ann").capabilities(|can| {
///     can.freeze = false;
///     can.proves_signal = false;
/// }));
/// # let _ = driver;
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) application: String,
    pub(crate) owner: Option<String>,
    pub(crate) capabilities: Capabilities,
    pub(crate) call_timeout: Duration,
    pub(crate) pull_timeout: Duration,
    pub(crate) drain_grace: Duration,
    pub(crate) stats_interval: Duration,
    pub(crate) credentials: Arc<dyn CredentialSource>,
    pub(crate) refuse: Option<Refuse>,
    pub(crate) networks: LeastUsed,
    pub(crate) namespaces: Option<Arc<dyn NamespaceSource>>,
}

impl Config {
    /// A driver that can do everything but take up a dead owner's tasks again.
    #[must_use]
    pub fn new() -> Self {
        Self {
            application: "longshore".to_owned(),
            owner: None,
            capabilities: everything(),
            call_timeout: Duration::from_secs(30),
            pull_timeout: Duration::from_secs(600),
            drain_grace: Duration::from_millis(250),
            stats_interval: Duration::from_secs(1),
            credentials: Arc::new(Anonymous),
            refuse: None,
            networks: LeastUsed::new([""; 0]),
            namespaces: None,
        }
    }

    /// Sets the application, `longshore` at first: a reaper knows only its own.
    #[must_use]
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.application = name.into();
        self
    }

    /// Sets the owner's name. At first it is a random one, by the engine's seed. Drivers of the
    /// same name are one owner, who is alive until the last of them is closed or dropped.
    #[must_use]
    pub fn owner(mut self, name: impl Into<String>) -> Self {
        self.owner = Some(name.into());
        self
    }

    /// Changes what the driver can do.
    ///
    /// What it cannot do is refused. Where it does not prove something (the end of output, a
    /// signal, a start, kills for want of memory), it reports what an engine would that does not
    /// either: streams are unverified, signal `n` is code `128 + n`, a program that cannot be
    /// started is code 126 or 127.
    #[must_use]
    pub fn capabilities(mut self, change: impl FnOnce(&mut Capabilities)) -> Self {
        change(&mut self.capabilities);
        self
    }

    /// Sets how long a call may take, 30 s at first. One that takes longer fails with `Deadline`.
    #[must_use]
    pub fn call_timeout(mut self, time: Duration) -> Self {
        self.call_timeout = time;
        self
    }

    /// Sets how long a pull may take, 10 min at first.
    #[must_use]
    pub fn pull_timeout(mut self, time: Duration) -> Self {
        self.pull_timeout = time;
        self
    }

    /// Sets how long a reader may still take output after a task was cancelled, closed or timed
    /// out, 250 ms at first. What is not taken by then is abandoned.
    #[must_use]
    pub fn drain_grace(mut self, time: Duration) -> Self {
        self.drain_grace = time;
        self
    }

    /// Sets the time between two samples of statistics for tasks that do not choose it, 1 s at first.
    #[must_use]
    pub fn stats_interval(mut self, time: Duration) -> Self {
        self.stats_interval = time;
        self
    }

    /// Sets where credentials come from that a task's hooks do not give.
    #[must_use]
    pub fn credentials(mut self, source: Arc<dyn CredentialSource>) -> Self {
        self.credentials = source;
        self
    }

    /// Sets the networks of which a task gets one that leaves the choice to its driver: the one
    /// that fewest containers are on. Drivers that are opened with clones of this count together.
    #[must_use]
    pub fn networks(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.networks = LeastUsed::new(names);
        self
    }

    /// Sets who lends networks to the tasks that ask for a borrowed one. The driver closes it when
    /// it is closed itself.
    #[must_use]
    pub fn namespaces(mut self, source: Arc<dyn NamespaceSource>) -> Self {
        self.namespaces = Some(source);
        self.capabilities.prefork = true;
        self
    }

    /// Refuses the images for which `refuse` is true.
    #[must_use]
    pub fn refuse_images(
        mut self,
        refuse: impl Fn(&ImageRef) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.refuse = Some(Arc::new(refuse));
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("application", &self.application)
            .field("owner", &self.owner)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

fn everything() -> Capabilities {
    let mut can = Capabilities::nothing("mock", env!("CARGO_PKG_VERSION"));
    can.platform = "linux/amd64".to_owned();
    can.cgroup = Some(CgroupVersion::V2);
    for able in [
        &mut can.created_state,
        &mut can.stdin,
        &mut can.separate_stderr,
        &mut can.output_end,
        &mut can.tty,
        &mut can.tty_size,
        &mut can.freeze,
        &mut can.exec,
        &mut can.exec_kill,
        &mut can.copy,
        &mut can.exec_proves_start,
        &mut can.stats,
        &mut can.stats_interval,
        &mut can.memory_limit,
        &mut can.swap_limit,
        &mut can.cpu_limit,
        &mut can.cpu_shares,
        &mut can.cpuset,
        &mut can.pids_limit,
        &mut can.fs_size,
        &mut can.seccomp,
        &mut can.apparmor,
        &mut can.devices,
        &mut can.health,
        &mut can.publish_ports,
        &mut can.several_networks,
        &mut can.pull,
        &mut can.recover,
        &mut can.proves_signal,
        &mut can.proves_start,
        &mut can.proves_one,
        &mut can.proves_oom,
        &mut can.counts_oom,
    ] {
        *able = true;
    }
    can
}
