//! What container backends share about the host they run on: owner leases, run directories and
//! cgroup files.
//!
//! An owner is a process that makes containers. It takes a [`Lease`] before it makes the first
//! one, and writes the lease's owner id and domain onto everything as labels. Whoever finds such
//! a thing later can prove whether its owner is dead, even after `kill -9` or a reboot:
//!
//! ```
//! use longshore_host::{Claim, Liveness, RunDir};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("run");
//! let run = RunDir::open(Some(&path))?;
//! let lease = run.lease("ci-runner")?;
//! let (owner, domain) = (lease.owner().to_owned(), lease.domain().to_string());
//! assert_eq!(run.liveness("ci-runner", &owner, &domain), Liveness::Alive);
//!
//! // The process dies, and a reaper meets what it left.
//! drop(lease);
//! if let Claim::Dead(dead) = run.claim_dead("ci-runner", &owner, &domain) {
//!     // Nobody else gets this owner while everything it left is removed.
//!     dead.finish()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What a container uses is in the [`Cgroup`] of its main process, on either version:
//!
//! ```no_run
//! use longshore_host::Cgroup;
//! use longshore_stats::Metric;
//!
//! # fn main() -> longshore_driver_api::Result<()> {
//! let mut sampler = Cgroup::of_process(4711)?.sampler();
//! let sample = sampler.sample()?;
//! println!("memory: {:?} bytes", sample.metrics.get(Metric::MemUsage));
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//!
//! - Dead means proven dead. What cannot be read, understood or decided is [`Liveness::Unknown`],
//!   and a reaper leaves it alone.
//! - A lease is a file with an exclusive lock, which the kernel releases when the process ends.
//!   It appears under its name only once it is locked.
//! - A lease's file is removed by the owner's orderly end ([`Lease::release`]) or by the reaper
//!   that removed everything the owner left ([`DeadOwner::finish`]).
//! - What a dead owner left can be adopted, one thing by one process ([`RunDir::adopt`]); a reaper
//!   takes the same claim before it removes such a thing ([`DeadOwner::take`]).
//! - The proof works on one host. Owners on several hosts that share a remote engine need another
//!   one; the Docker backend has the engine itself end a container with the owner's connection.
//! - Nothing here is async: the calls do a few short operations on files.
#![deny(missing_docs)]

mod adoption;
mod cgroup;
mod claim;
mod directory;
mod domain;
mod identity;
mod kill;
mod lease;
mod lock;
mod process;
mod random;
mod rundir;

pub use adoption::{Abandoned, Adopt, Adoption};
pub use cgroup::{Cgroup, CgroupSampler};
pub use claim::{Claim, DeadOwner, Liveness};
pub use domain::{LeaseDomain, UnknownLeaseDomain};
pub use kill::{ContainerProcess, can_kill, may_share_processes};
pub use lease::Lease;
pub use process::{Moment, began_after, began_before, running_program};
pub use rundir::RunDir;
