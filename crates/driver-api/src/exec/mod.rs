//! A further process in the container of a task that runs.

mod output;
mod spec;

pub use output::ExecOutput;
pub use spec::ExecSpec;

use std::fmt;

use async_trait::async_trait;

use crate::{Exit, Result, TtySize};

/// A further process in the container of a task that runs.
///
/// The driver watches over it by itself: input, output and the limit on output do not depend on
/// anybody waiting. It does not hold the container: when that is closed, or its task ends, the
/// process ends too. When the last handle to it is dropped, it is cancelled.
#[async_trait]
pub trait Exec: fmt::Debug + Send + Sync + 'static {
    /// Waits for the end of the process and of its output, and says how it ended. Every call gives
    /// the same answer, whenever it is made.
    ///
    /// The exit says nothing of memory ([`Exit::oom`] is the container's affair), and of the times
    /// only how long it ran. The code is absent where the end was not seen, as after
    /// [`cancel`](Self::cancel) on an engine that cannot kill the process; what is known about it
    /// then is in [`Exit::engine_error`]. Dropping the future only stops waiting.
    async fn wait(&self) -> Exit;

    /// Kills the process, and those that it started and that are still in its session. Its outcome
    /// is cancelled unless its end was seen before. It returns at once and is idempotent.
    ///
    /// Without the capability [`exec_kill`](crate::Capabilities::exec_kill) the process is only let
    /// go of: it loses its streams, and lives until it ends by itself or the container is closed.
    fn cancel(&self);

    /// Sets the size of the process's terminal. A process that has ended already is no error.
    ///
    /// # Errors
    ///
    /// `InvalidState` for a process without one.
    async fn resize(&self, size: TtySize) -> Result<()>;
}

const _: fn(&dyn Exec) = |_| ();
