//! The contract between code that runs tasks in containers and the engines that run them.
//!
//! A [`Driver`] makes containers on one engine. A [`Task`] is what to run: a [`TaskSpec`], plain
//! data; its streams, [`TaskIo`]; and whom to ask and tell, [`TaskHooks`]. A [`Container`] goes
//! through its stages (image, create, start, close); what runs is a [`Running`]; how it ended is
//! an [`Exit`].
//!
//! # Example
//!
//! Runs on any backend:
//!
//! ```
//! use longshore_driver_api::{Driver, DriverExt, Result, Task, TaskIo, TaskSpec};
//!
//! async fn hello(driver: &dyn Driver) -> Result<Vec<u8>> {
//!     let spec = TaskSpec::builder("alpine").args(["echo", "hello"]).build()?;
//!     let (io, output) = TaskIo::captured();
//!     let exit = driver.run_task(Task::new(spec).io(io)).await?;
//!     assert!(exit.is_success());
//!     Ok(output.stdout())
//! }
//! # let _ = hello;
//! ```
//!
//! # The contract
//!
//! - **A task's failure is an [`Exit`]; an engine's failure is an [`Error`].** An exit has one
//!   [`Outcome`], decided in the order of its variants, and beside it the evidence. What the
//!   evidence does not tell apart is listed in [`Exit::alternatives`], never guessed.
//! - **Output is whole or said not to be.** Streams are attached before the process starts; every
//!   byte is delivered in order within its stream; a slow writer slows the task; buffers are
//!   bounded.
//! - **Nothing is left behind.** Every future may be dropped at any await point, every handle at any
//!   time, inside a runtime or outside; [`Container::close`] may be called in any state. Should the
//!   process die, a reaper finds what it left by its labels and removes it once the owner is proven
//!   dead.
//! - **A recoverable task outlives its owner.** By a [`Handle`] one other owner takes it up again
//!   ([`Driver::recover`]), and is told what was lost of its output meanwhile.
//! - **Asking for what a driver cannot do is refused**, by [`Capabilities`], with
//!   [`ErrorKind::Unsupported`]; never ignored.
//! - **Secrets stay secret.** Environment values and credentials appear in no error, log or
//!   `Debug`.
//!
//! The crate `longshore-conformance` checks each of these against a backend.

#![deny(missing_docs)]

mod archive;
mod capabilities;
mod container;
mod credentials;
mod driver;
mod error;
mod exec;
mod exit;
mod handle;
mod least_used;
mod namespaces;
mod network_info;
mod owner;
mod registry;
mod running;
mod task;
mod units;

pub use archive::{OddEntries, TarStream, UnpackLimits, Unpacked, path_problem, unpack};
pub use capabilities::{Capabilities, CgroupVersion};
pub use container::{Container, ContainerExt, ImageStatus, State};
pub use credentials::{Anonymous, Credential, CredentialSource, Secret};
pub use driver::{Driver, DriverExt};
pub use error::{Error, ErrorKind, Result};
pub use exec::{Exec, ExecOutput, ExecSpec};
pub use exit::{
    Decision, Exit, ExitFacts, NetworkReport, NotStarted, OomEvidence, Outcome, OutputReport,
    SentFor, SentSignal, StreamEnd, StreamReport, Timings,
};
pub use handle::{Handle, Lost, Missing, Recovered};
pub use least_used::{Chosen, LeastUsed};
pub use namespaces::{
    Loan, NamespaceLease, NamespaceRequest, NamespaceSource, Namespaces, Placeholder,
    PlaceholderSpec, Placeholders, WhenEmpty,
};
pub use network_info::{Attachment, BoundPort, NetworkInfo};
pub use owner::{
    LABEL_APPLICATION, LABEL_KEEPER, LABEL_KEEPER_GENERATION, LABEL_LEASE, LABEL_OWNER,
    LABEL_PREFIX, LABEL_RECOVERABLE_UNTIL, LABEL_TASK, LABELS, ReapOptions, ReapReport, Reaped,
    ResourceKind,
};
pub use registry::Registry;
pub use running::{Running, TtySize};
pub use task::{
    Capability, CapabilityDrop, Captured, Device, Env, Health, HealthCheck, InvalidSpec, Limits,
    LogDriver, Mount, MountKind, Network, NetworkMode, NoHooks, OutputLimit, OverLimit, Problem,
    Propagation, Protocol, PublishedPort, PullPolicy, PullProgress, Seccomp, Security, StatsSink,
    Stop, Task, TaskHooks, TaskIo, TaskSpec, TaskSpecBuilder, Ulimit,
};
pub use units::{ByteSize, Cpus, ParseUnitError, Signal, duration};

// What this crate's signatures name.
pub use longshore_image_ref::ImageRef;
pub use longshore_stats::Sample;
