//! Runs tasks in containers on a Docker engine, or on a Podman that speaks Docker's API.
//!
//! # Example
//!
//! ```no_run
//! use longshore_docker::{DockerConfig, DockerDriver};
//! use longshore_driver_api::{ByteSize, Driver, DriverExt, Task, TaskIo, TaskSpec};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> longshore_driver_api::Result<()> {
//! let driver = DockerDriver::open(DockerConfig::default()).await?;
//! let spec = TaskSpec::builder("alpine:3.20")
//!     .args(["echo", "hello"])
//!     .memory(ByteSize::mib(64))
//!     .build()?;
//! let (io, output) = TaskIo::captured();
//! let exit = driver.run_task(Task::new(spec).io(io)).await?;
//! assert!(exit.is_success());
//! assert_eq!(output.stdout(), b"hello\n");
//! driver.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! An address that makes no sense, or where no engine is, is an error that says what to do:
//!
//! ```
//! use longshore_docker::{DockerConfig, DockerDriver};
//! use longshore_driver_api::ErrorKind;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut config = DockerConfig::default();
//! config.host = Some("unix:///nowhere/docker.sock".to_owned());
//! let error = DockerDriver::open(config).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::EngineUnavailable);
//! assert!(error.to_string().contains("start the engine, or set DOCKER_HOST"));
//! # }
//! ```
//!
//! # Which engine
//!
//! [`DockerConfig::host`], else `DOCKER_HOST` (with `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`), else
//! the context of `DOCKER_CONTEXT` or of `docker context use`, else the first of
//! `/var/run/docker.sock`, `$XDG_RUNTIME_DIR/docker.sock` and `~/.docker/run/docker.sock`. The oldest
//! API that is spoken is 1.41 (Docker 20.10), the newest 1.45; a newer engine still speaks that.
//!
//! # What a task is on the engine
//!
//! - One container, under a random name. The task's id, the application, the owner and where its
//!   lease is are labels. The task's own hardening is sent as it is in the description; nothing is
//!   added and nothing left to the engine's defaults but what the description leaves open.
//! - Streams are attached, and the wait for the end is registered, before the start. Both output
//!   streams share one connection: a writer that stays behind by more than 192 KiB holds the other
//!   one up, and then the task. stdin is half-closed at its end; to a terminal the end is typed, since
//!   the engine would end its output as well.
//! - The end is what the engine's wait and one inspection say. Docker writes `128 + n` both for
//!   death by signal `n` and for that code, and its init answers 127 both for a missing program and
//!   for that code: [`Exit::alternatives`](longshore_driver_api::Exit::alternatives) says so.
//! - Docker does not mark the end of output, so a stream that ended with its task is
//!   [`Unverified`](longshore_driver_api::StreamEnd::Unverified). One that ends while the task lives
//!   is examined by attaching again: if the engine still has it open, it was cut.
//! - An engine tells the end of a task only when it got rid of the task's output. A task that has
//!   ended with more than about a mebibyte unread counts as running until its reader goes on, or it
//!   is asked to end.
//! - A container is removed by a thread of the driver's own, with its anonymous volumes, however its
//!   handles go. Should the process die first, the next driver of the same application removes what
//!   is left, once the lease proves the owner dead.
//! - On an engine of another host a second proof stands beside the lease, for reapers that cannot see
//!   that: a [keeper](KeeperUse), one more container for each driver.
//!
//! # Further processes and files
//!
//! - A further process (`Container::exec`) is attached to when it starts. The engine has no call that
//!   kills one: where the engine is on this host, and this process may signal any process
//!   (`CAP_KILL`, the same pid namespace), it is killed from here with its session. It is proven to be
//!   the container's by its control group first. Elsewhere cancelling only lets go of it
//!   ([`exec_kill`](longshore_driver_api::Capabilities::exec_kill)), and closing the container ends it.
//! - Files go through the engine's tar archives, in both directions as streams. A root file system that
//!   can only be read takes none, mounts aside.
//!
//! # Statistics
//!
//! They are read from the container's control group where the engine is on this host, as often as the
//! task asks (`stats_interval`, down to 10 ms), and else come from the engine's own stream; see
//! [`StatsSource`]. Only a task with a sink for them costs anything: one inspection after its start,
//! which tells its process, or one stream; never both at a time. The last sample is from before the end
//! of the task or a little after, while the engine has not taken its group away.
//!
//! # Features
//!
//! - `tls` (default): TCP with TLS, by rustls.
//! - `metrics`: calls, retries, ends, events and the image cache, for a recorder of the crate `metrics`
//!   that the program installs. `docs/metrics.md` lists the names.

#![deny(missing_docs)]

mod blocking;
mod borrow;
mod capabilities;
mod client;
mod config;
mod container;
mod copy;
mod create;
mod detach;
mod driver;
mod error;
mod events;
mod exec;
mod health;
mod image;
mod keeper;
mod meter;
mod network;
mod options;
mod placeholder;
mod podman;
mod reap;
mod reaper;
mod recover;
mod refusal;
mod release;
mod removal;
mod retry;
mod running;
mod shared;

pub use config::{DockerConfig, KeeperUse, StatsSource, Timeouts};
pub use driver::DockerDriver;
pub use image::volumes::ImageVolumes;
pub use longshore_images::CacheUsage;
pub use options::EngineOptions;
pub use placeholder::DockerPlaceholders;
