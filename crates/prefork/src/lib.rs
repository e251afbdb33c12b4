//! A pool of placeholders that hold namespaces ready, so that a task's container joins some instead
//! of having its own made.
//!
//! To make a network namespace, wire it to a network and take it down again is most of what an
//! engine does for a short task. Here it is done beforehand, and once for many tasks.
//!
//! The pool knows no engine: whatever implements
//! [`Placeholders`](longshore_driver_api::Placeholders) makes what holds the namespaces, and the pool
//! itself is a [`NamespaceSource`](longshore_driver_api::NamespaceSource), which a driver is given
//! when it is opened.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use longshore_driver_api::{Driver, DriverExt, NetworkMode, NetworkReport, Result, TaskSpec};
//! use longshore_mock::{Config, Engine};
//! use longshore_prefork::{Pool, PoolOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let engine = Engine::new();
//! let placeholders = Arc::new(engine.placeholders(Config::new()));
//! let pool = Arc::new(Pool::open(PoolOptions::sized(2), placeholders)?);
//! let driver = engine.driver(Config::new().namespaces(pool.clone()));
//!
//! let spec = TaskSpec::builder("alpine").network(NetworkMode::Prefork).build()?;
//! let exit = driver.run_task(spec).await?;
//! assert_eq!(exit.network, NetworkReport::Lent);
//! assert_eq!(pool.usage().size(), 2);
//!
//! // The driver closes its pool after its tasks.
//! driver.close().await?;
//! assert_eq!(engine.counts().total(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What is lent, and to whom
//!
//! - Two leases never have one placeholder at the same time. A lease carries a generation: one that
//!   is given back late, after its placeholder's death, frees nobody else's.
//! - A placeholder is lent again only after a task that could not change its namespaces: one without
//!   `NET_ADMIN`, `NET_RAW` and `SYS_ADMIN`, whether it used them or not. After any other, and always
//!   with [`use_once`](PoolOptions::use_once), it is removed and another one made.
//! - What the next task can still see of the one before it on a placeholder that is lent again: the
//!   addresses, the interfaces' counters, connections in `TIME_WAIT`. Where that matters, use once.
//! - A lease is told when its placeholder dies; the driver writes it into the task's
//!   [`Exit`](longshore_driver_api::Exit::network).
//!
//! # When none is free
//!
//! The task says it, or else the pool's options: wait with a deadline (first come, first served),
//! fall back to a network of the task's own, or fail with `PoolEmpty`. How long it took is in the
//! task's timings, what came of it in its `network`.
//!
//! # How placeholders are kept
//!
//! Each slot has a task of its own that makes its placeholder, starts it, watches over it and replaces
//! it. Making is bounded by a token bucket for all slots together. A placeholder that cannot be made
//! is tried again, less and less often (0.1 s to 30 s); until then its slot counts as failed, and its
//! error is to be seen in [`Pool::usage`] and [`Pool::slots`]. Between
//! [`size`](PoolOptions::size) and [`max_size`](PoolOptions::max_size) the pool follows demand: a
//! request that finds nothing adds a slot, and what was free for a whole
//! [`shrink_after`](PoolOptions::shrink_after) is taken away.
//!
//! The tasks run on the runtime in which the pool was opened. If that ends, the placeholders are
//! removed as their backend's handles are when they are dropped, and the pool is closed.
//!
//! # What it costs
//!
//! A lease that finds a free slot takes one lock for some tens of nanoseconds, and so does giving it
//! back. Nothing is sent to any task.
//!
//! # Features
//!
//! - `metrics`: the pool's usage, once a second, for a recorder of the crate `metrics` that the program
//!   installs. `docs/metrics.md` lists the names.

#![deny(missing_docs)]

mod bucket;
mod desk;
mod lease;
#[cfg(feature = "metrics")]
mod meter;
mod options;
mod pool;
mod slot;
mod sync;
mod usage;
mod worker;

pub use options::PoolOptions;
pub use pool::Pool;
pub use usage::{SlotPhase, SlotView, Usage};
