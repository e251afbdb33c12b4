//! The container driver contract as a test suite, for any backend.
//!
//! Each case checks one sentence of the contract of [`longshore_driver_api`]. [`suite!`] makes a
//! test of each for a backend of yours; you bring a [`Fixture`], which opens drivers and looks at
//! the engine behind their back, and an image of the program `longshore-testee` as its entry point.
//!
//! # Example
//!
//! A backend that wraps an engine in memory. In a file of `tests/`, the last lines would be
//! `longshore_conformance::suite! { name: in_memory, fixture: InMemory::new(), runtime: Paused }`.
//!
//! ```
//! use std::sync::Arc;
//!
//! use longshore_conformance::{Fixture, Runtime, Scene, Verdict, try_case};
//! use longshore_driver_api::Result;
//! use longshore_mock::{Config, Engine, Image, MockDriver};
//!
//! struct InMemory(Engine);
//!
//! impl InMemory {
//!     fn new() -> Self {
//!         let engine = Engine::new();
//!         engine.add_image("testee", Image::empty()).expect("a valid name");
//!         Self(engine)
//!     }
//! }
//!
//! #[async_trait::async_trait]
//! impl Fixture for InMemory {
//!     type Driver = MockDriver;
//!
//!     async fn open(&self) -> Result<Arc<MockDriver>> {
//!         Ok(Arc::new(self.0.driver(Config::new())))
//!     }
//!
//!     fn scene(&self) -> Scene {
//!         Scene::new("testee")
//!     }
//!
//!     async fn leftovers(&self) -> Result<Vec<String>> {
//!         Ok(self.0.containers().into_iter().map(|container| container.id).collect())
//!     }
//! }
//!
//! let verdict = try_case("lifecycle::reserving_creates_nothing", Runtime::Paused, InMemory::new);
//! assert_eq!(verdict, Verdict::Passed);
//! ```
//!
//! # How a case runs
//!
//! - It has a fixture, a runtime and a thread of its own. Each step has a bound, and so has the
//!   whole; what is stuck fails with the name of the step, even if the runtime's threads are blocked.
//! - Drivers are used as `Arc<dyn Driver>`, and where it could matter by their own type as well.
//! - When it is over, whatever came of it, every driver is closed. What is on the engine right
//!   after that, and tasks of the runtime that outlive the driver, are failures.
//! - What a driver cannot do by its [`Capabilities`](longshore_driver_api::Capabilities) it has to
//!   refuse, and what it cannot prove it has to call unproven: a case asserts exactly that. Only
//!   what a fixture cannot host is skipped, with its reason, as a line `SKIPPED case: reason` on
//!   stderr that no test harness captures. [`Verdict`] tells the three apart.
//!
//! # The testee
//!
//! On an engine the image's entry point is the static program of the crate `longshore-testee`;
//! [`Act`] lists every command line that a case uses, with its meaning, for those who have to
//! imitate it. The image also has a file [`NOT_EXECUTABLE`], a folder `/tmp`, and nothing at
//! [`NO_SUCH_PROGRAM`].
//!
//! # Environment
//!
//! | variable | meaning |
//! | --- | --- |
//! | `LONGSHORE_SEED` | what randomness begins with; a failure tells it (default 1) |
//! | `LONGSHORE_SOAK` | `1`: every await point, more rounds, more tasks, longer bounds |

#![deny(missing_docs)]

mod cases;
mod expect;
mod fixture;
#[macro_use]
mod list;
mod orphan;
mod run;
mod suite;
mod testee;
mod tools;
mod trial;
mod verdict;

pub use fixture::{Fixture, Hosting, Lend, Scene};
pub use orphan::Orphan;
pub use run::{Runtime, test_case, try_case};
pub use suite::cases;
pub use testee::{Act, NO_SUCH_PROGRAM, NOT_EXECUTABLE, Write};
pub use verdict::Verdict;
