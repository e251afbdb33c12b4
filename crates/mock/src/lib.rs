//! A container driver in memory: scriptable, deterministic, on tokio's time.
//!
//! It is for tests of code that uses Longshore: schedulers, runners, pools. It keeps the whole
//! contract of `longshore-driver-api` (it passes the same conformance suite as a real engine), and
//! it fails when a script says so, at the place and as often as it says. What runs in its containers
//! are async functions. It starts no thread and never blocks; with tokio's paused time
//! (`#[tokio::test(start_paused = true)]`) every test is instant and always the same.
//!
//! # Example
//!
//! A runner that has to try again when the engine is busy, and not when the task fails:
//!
//! ```
//! use longshore_driver_api::{Driver, DriverExt, ErrorKind, Exit, Result, TaskSpec};
//! use longshore_mock::{CallResult, Config, Engine, Op, Program, Rule};
//! use tokio::time::Duration;
//!
//! async fn persistent(driver: &dyn Driver, spec: &TaskSpec) -> Result<Exit> {
//!     loop {
//!         match driver.run_task(spec.clone()).await {
//!             Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_secs(1)).await,
//!             other => return other,
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # tokio::time::pause();
//! let engine = Engine::new();
//! engine.rule(Rule::any().delay(Duration::from_millis(5)));
//! engine.rule(Rule::on(Op::Create).times(2).fail(ErrorKind::Busy));
//! engine.run_task("job", Program::steps().stdout("no").exit(3));
//!
//! let driver = engine.driver(Config::new());
//! let spec = TaskSpec::builder("alpine").id("job").build()?;
//! let exit = persistent(&driver, &spec).await?;
//!
//! assert_eq!(exit.code, Some(3));
//! let busy = |call: &longshore_mock::Call| call.result == CallResult::Failed(ErrorKind::Busy);
//! assert_eq!(engine.log().count(busy), 2);
//! assert_eq!(engine.log().count(|call| call.is(Op::Create, "job")), 3);
//! assert_eq!(engine.counts().total(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! An engine that stops while a task runs, and an owner who dies:
//!
//! ```
//! use longshore_driver_api::{Driver, DriverExt, Outcome, ReapOptions, Result, TaskSpec};
//! use longshore_mock::{Config, Containers, Engine, Image, Program};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # tokio::time::pause();
//! let engine = Engine::new();
//! engine.unknown_images(Some(Image::new(Program::steps().forever())));
//! let driver = engine.driver(Config::new().owner("ann"));
//! let container = driver.prepare(TaskSpec::builder("alpine").build()?).await?;
//! let running = container.start().await?;
//!
//! engine.restart(Containers::Survive);
//! assert_eq!(running.wait().await.outcome, Outcome::Lost);
//! assert_eq!(engine.counts().running, 1);
//!
//! engine.kill_owner("ann");
//! let other = engine.driver(Config::new());
//! let report = other.reap(ReapOptions::new()).await?;
//! assert_eq!(report.removed[0].owner, "ann");
//! assert_eq!(engine.counts().total(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What is what
//!
//! - An [`Engine`] holds containers and images. Several drivers ([`Engine::driver`]), each an owner
//!   of its own, can share it. It shows what is on it, and lets things happen to it: a restart, the
//!   death of an owner, a container removed by somebody else.
//! - A [`Rule`] says how calls are answered: with a delay, an error, never; once, n times, every
//!   n-th time, with a probability, or for some tasks only. Failures that look random come from the
//!   engine's seed ([`Engine::with_seed`]).
//! - A [`Program`] is what a container runs: an async function of a [`Process`], or a list of
//!   [`Steps`]. Which one it is, the [`Image`] says, or [`Engine::run`] for the tasks that it
//!   chooses.
//! - The [`CallLog`] holds every call with its time and result, and can be awaited.
//! - A [`Config`] says what a driver can do. What it cannot do it refuses, and what it cannot prove
//!   it reports as an engine does that cannot either.
//!
//! # Semantics
//!
//! - **Time.** Calls are answered at once unless a rule says otherwise. Moving bytes takes a program
//!   1 ms for each MiB: otherwise one that writes for ever would never let paused time go on. Clocks
//!   in samples and labels begin with the Unix epoch.
//! - **A call is carried out at once and as a whole**, after its delay. One that fails by a rule, or
//!   whose future is dropped before, was not carried out, unless the rule says
//!   [`lose_reply`](Rule::lose_reply). Calls have a bound ([`Config::call_timeout`]), so that one
//!   that is never answered fails with `Deadline`.
//! - **Removal follows the rules too**, whoever asks for it. What no rule delays is gone when the
//!   last handle has been dropped; the rest is removed by a task of the runtime in which the
//!   container was reserved, and [`Driver::close`] waits for it. If that runtime ends first, it is
//!   removed then, without the rules. A removal that fails is tried again, less and less often for
//!   half a minute while the engine is up, and once more by [`Driver::close`].
//! - **Signals** have Linux's default actions. A process can trap or ignore them. Without an init
//!   the main process is process 1, which does not hear what it does not handle, kill aside.
//! - **Freezing** stops the polling of a container's programs, their [`sleep`](Process::sleep)s and
//!   the task's timeout. Timers of tokio's own that a program uses go on meanwhile, and it sees them
//!   when it goes on itself, as with a real freezer.
//! - **Memory** is counted where a program asks for it ([`Process::allocate`]); the one that asks for
//!   too much is killed.
//! - **Borrowed networks** ([`Config::namespaces`]) are joined as far as can be seen: a task cannot be
//!   started when its placeholder does not run, and its exit says when the placeholder died.
//! - **Files** are only those that were copied into a container, or that its programs wrote with
//!   [`Process::write_file`]. At first there are the folders `/` and `/tmp`.
//! - **What is not there**: networks and CPUs. Limits on them are accepted and have no effect,
//!   but for `cpus`, which makes [`Process::burn`] take longer. Retries too: a real driver tries
//!   some calls again by itself, the mock shows each failure to its caller.
//!
//! [`Driver::close`]: longshore_driver_api::Driver::close

#![deny(missing_docs)]

mod config;
mod container;
mod driver;
mod ended;
mod engine;
mod exec;
mod exit;
mod files;
mod freezer;
mod image;
mod log;
mod op;
mod pipe;
mod placeholders;
mod process;
mod program;
mod refuse;
mod rule;
mod running;
mod sandbox;
mod steps;

pub use config::Config;
pub use container::EngineOptions;
pub use driver::MockDriver;
pub use ended::Ended;
pub use engine::{ContainerInfo, Containers, Counts, Engine, OwnerState};
pub use image::Image;
pub use log::{Call, CallLog, CallResult};
pub use op::{Calling, Op};
pub use placeholders::MockPlaceholders;
pub use process::{Child, Input, Memory, Output, Process, Trap};
pub use program::Program;
pub use rule::Rule;
pub use steps::Steps;
