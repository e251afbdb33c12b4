//! What runs in a container: an async function instead of a binary.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

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
