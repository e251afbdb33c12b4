//! A task whose process was started.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::units::Signal;
use crate::{Exit, Handle, NetworkInfo, Result};

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TtySize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// A task whose process was started, with its streams attached.
///
/// The driver watches over it by itself: input, output, timeout and limits do not depend on
/// anybody waiting.
#[async_trait]
pub trait Running: fmt::Debug + Send + Sync + 'static {
    /// Waits for the end of the task and of its output, and says how it ended. Every call gives
    /// the same answer, whenever it is made.
    ///
    /// It waits for the caller's writers to take the rest of the output; [`cancel`](Self::cancel),
    /// the timeout and closing the container end that wait. It never waits for input. Dropping the
    /// future only stops waiting.
    async fn wait(&self) -> Exit;

    /// Kills the task, frozen or not. Its outcome is cancelled unless its end was seen before.
    /// It returns at once and is idempotent.
    fn cancel(&self);

    /// Sends the task's stop signal, and kills it if it has not ended after `grace`, or after the
    /// description's own where there is none. Returns when it has ended. Its outcome is stopped.
    ///
    /// Dropping the future does not take the stop back.
    ///
    /// # Errors
    ///
    /// The engine could not be asked.
    async fn stop(&self, grace: Option<Duration>) -> Result<()>;

    /// Sends a signal to the main process. A task that has ended already is no error. A frozen process
    /// takes it when it goes on; `SIGKILL` ends it at once.
    async fn signal(&self, signal: Signal) -> Result<()>;

    /// Tells where the task can be reached: its addresses, and the ports of the host that its
    /// published ports got. The engine is asked when this is called for the first time; what it
    /// said then is told again later, after the task's end too.
    ///
    /// Dropping the future stops asking.
    ///
    /// # Errors
    ///
    /// `InvalidState` for a task that ended before it was asked: the engine has forgotten by then.
    async fn network(&self) -> Result<NetworkInfo>;

    /// What the task can be taken up again by, should its owner die, with where its output is now.
    /// It can be taken at any time, and as often as one likes; each freeze and unfreeze makes a
    /// newer one better, because the time that a task is frozen without its being known counts.
    ///
    /// # Errors
    ///
    /// `InvalidState` for a task whose description does not say that it is recoverable.
    fn handle(&self) -> Result<Handle>;

    /// Sets the size of the task's terminal.
    ///
    /// # Errors
    ///
    /// `InvalidState` for a task without one.
    async fn resize(&self, size: TtySize) -> Result<()>;
}

const _: fn(&dyn Running) = |_| ();
