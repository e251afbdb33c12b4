//! What runs in a container: an async function instead of a binary.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Ended, Process, Steps};

type Run = dyn Fn(Process) -> Pin<Box<dyn Future<Output = Ended> + Send>> + Send + Sync;

/// What runs in a container: an async function of the [`Process`] that it runs as.
///
/// It is run anew for each process. It lives in tokio's time and must not block. A panic of it is
/// a panic of the process: it ends with code 101, as a Rust program does.
///
/// ```
/// use longshore_mock::{Ended, Program};
/// use tokio::io::AsyncWriteExt as _;
///
/// let greeter = Program::new(|process| async move {
///     let Some(name) = process.env().get("NAME") else { return Ended::Code(64) };
///     let text = format!("hello {name}");
///     match process.stdout().write_all(text.as_bytes()).await {
///         Ok(()) => Ended::Code(0),
///         Err(_) => Ended::Code(74),
///     }
/// });
/// # let _ = greeter;
/// ```
#[derive(Clone)]
pub struct Program(Arc<Run>);

impl Program {
    /// Runs `main`, which says how the process ends: an [`Ended`], a code, or `()` for code 0.
    pub fn new<F, T>(main: F) -> Self
    where
        F: Fn(Process) -> T + Send + Sync + 'static,
        T: Future<Output: Into<Ended>> + Send + 'static,
    {
        Self(Arc::new(move |process| {
            let running = main(process);
            Box::pin(async move { running.await.into() })
        }))
    }

    /// Ends at once with this code.
    #[must_use]
    pub fn exit(code: u8) -> Self {
        Steps::new().exit(code)
    }

    /// Runs these in turn, one each time that it is started, and then the last one for ever.
    /// Without any it ends at once with code 0.
    ///
    /// ```
    /// use longshore_mock::{Engine, Program};
    ///
    /// // A task that fails twice and then succeeds.
    /// let engine = Engine::new();
    /// let flaky = Program::in_turn([Program::exit(1), Program::exit(1), Program::exit(0)]);
    /// engine.run_task("flaky", flaky);
    /// ```
    #[must_use]
    pub fn in_turn(programs: impl IntoIterator<Item = Self>) -> Self {
        let programs: Vec<Self> = programs.into_iter().collect();
        let started = AtomicUsize::new(0);
        Self(Arc::new(move |process| {
            let turn = started.fetch_add(1, Ordering::Relaxed);
            match programs.get(turn).or(programs.last()) {
                Some(program) => program.run(process),
                None => Box::pin(std::future::ready(Ended::Code(0))),
            }
        }))
    }

    /// Does some simple things one after the other.
    #[must_use]
    pub fn steps() -> Steps {
        Steps::new()
    }

    pub(crate) fn run(&self, process: Process) -> Pin<Box<dyn Future<Output = Ended> + Send>> {
        (self.0)(process)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program(..)")
    }
}
