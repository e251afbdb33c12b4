//! Runs tasks in containers: bounded, with a truthful end, and never left behind.
//!
//! # Example
//!
//! On whatever works here, which is a Docker engine:
//!
//! ```no_run
//! use std::time::Duration;
//! use longshore::{ByteSize, Config, DriverExt as _, Outcome, Task, TaskIo, TaskSpec};
//!
//! # async fn example() -> longshore::Result<()> {
//! let driver = longshore::open(Config::default()).await?;
//! let spec = TaskSpec::builder("alpine:3.20")
//!     .args(["sh", "-c", "echo hello; exit 3"])
//!     .memory(ByteSize::mib(64))
//!     .timeout(Duration::from_secs(5))
//!     .build()?;
//! let (io, output) = TaskIo::captured();
//! let exit = driver.run_task(Task::new(spec).io(io)).await?;
//! assert_eq!(exit.outcome, Outcome::Code(3));
//! assert_eq!(output.stdout(), b"hello\n");
//! driver.close().await
//! # }
//! ```
//!
//! The same without an engine, as in a test:
//!
//! ```
//! # #[cfg(feature = "mock")]
//! # mod example {
//! use longshore::mock::{Config, Engine, Image, Program};
//! use longshore::{Driver as _, DriverExt as _, Outcome, Task, TaskIo, TaskSpec};
//!
//! # pub(super) async fn run() -> longshore::Result<()> {
//! let engine = Engine::new();
//! let program = Program::steps().stdout("hello\n").exit(3);
//! engine.add_image("alpine:3.20", Image::new(program))?;
//! let driver = engine.driver(Config::new());
//!
//! let spec = TaskSpec::builder("alpine:3.20").args(["greet"]).build()?;
//! let (io, output) = TaskIo::captured();
//! let exit = driver.run_task(Task::new(spec).io(io)).await?;
//! assert_eq!(exit.outcome, Outcome::Code(3));
//! assert_eq!(output.stdout(), b"hello\n");
//! driver.close().await
//! # }
//! # }
//! # #[cfg(feature = "mock")]
//! # fn main() -> longshore::Result<()> {
//! #     tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example::run())
//! # }
//! # #[cfg(not(feature = "mock"))]
//! # fn main() {}
//! ```
//!
//! # What is where
//!
//! - The contract ([`Driver`], [`Container`], [`Running`], [`TaskSpec`], [`Exit`], [`Error`]) is at
//!   the root: the whole of `longshore-driver-api`.
//! - [`open`] opens a backend from a [`Config`]; [`registry`] has all of this build by name.
//! - [`image_ref`] reads references to images, [`stats`] holds samples and makes series shorter.
//! - `prefork` is the pool of networks that are made beforehand: a [`Config`] with a size for it opens
//!   the driver with one, for tasks whose network is [`NetworkMode::Prefork`].
//! - `docker` and `mock` are the backends; `host` has the leases by which a dead owner is known.
//!
//! # Dropping and closing
//!
//! A future may be dropped at any await point and a handle at any time, in a runtime or outside:
//! what it was about is then removed in the background, by a thread of the driver's own.
//! [`Container::close`] and [`Driver::close`] do the same and wait for it, so a program that ends
//! should call the latter. What a process leaves that is killed, the next one with the same
//! application removes when it opens the driver, or [`Driver::reap`].
//!
//! # Features
//!
//! - `docker` (default): the Docker backend.
//! - `prefork` (default): the pool of networks that are made beforehand.
//! - `mock`: the backend in memory, for tests.
//! - `metrics`: what is measured, for a recorder of the crate `metrics`.

#![deny(missing_docs)]

mod config;
#[cfg(feature = "docker")]
mod credentials;
#[cfg(all(feature = "docker", feature = "prefork"))]
mod late;
#[cfg(feature = "mock")]
mod mock_config;
mod open;

pub use config::Config;
#[cfg(feature = "docker")]
pub use credentials::CredentialsConfig;
#[cfg(feature = "docker")]
pub use longshore_docker as docker;
pub use longshore_driver_api::*;
#[cfg(feature = "docker")]
pub use longshore_host as host;
pub use longshore_image_ref as image_ref;
#[cfg(feature = "mock")]
pub use longshore_mock as mock;
#[cfg(feature = "prefork")]
pub use longshore_prefork as prefork;
pub use longshore_stats as stats;
#[cfg(feature = "mock")]
pub use mock_config::{MockConfig, MockImage, MockStep};
#[cfg(feature = "prefork")]
pub use open::open_with_pool;
pub use open::{open, registry};
