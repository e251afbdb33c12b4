//! What the tests across crates share: a proxy that breaks the connection to an engine, one before a
//! registry, a look at an engine that goes past the driver under test, processes to kill, and the figures
//! that a full run publishes.
//!
//! ```no_run
//! use longshore_tests::{Fault, FaultProxy, Script, Step};
//!
//! # async fn example() -> std::io::Result<()> {
//! // The engine makes the first container, and the driver never hears of it.
//! let script = Script::new().once(Step::Create, Fault::CutAfterRequest);
//! let proxy = FaultProxy::start("/var/run/docker.sock", script)?;
//! println!("open the driver on {}", proxy.address());
//! proxy.reached(Step::Create, 1).await;
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod engine;
mod figures;
mod proxy;
mod registry;
mod scene;
mod setup;
mod victim;

pub use engine::{Engine, Labels};
pub use figures::Table;
pub use proxy::{Fault, FaultProxy, Passed, Place, Script, Step};
pub use registry::{Asked, Pushed, RegistryFault, RegistryProxy, Request, push};
pub use scene::Scene;
pub use setup::{Setup, application, config, keeping_log};
pub use victim::Victim;
