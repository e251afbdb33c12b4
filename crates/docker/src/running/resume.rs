//! A task that another owner has started.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use longshore_driver_api::{Handle as TaskHandle, Lost, TaskIo};
use longshore_host::Moment;
use tokio::sync::{OnceCell, mpsc};

use super::DockerRunning;
use super::clock::Clock;
use super::end::Waiting;
use super::start::Unwatched;
use super::supervise::{Source, Supervisor, supervise};
use crate::container::core::Handle;

/// What is known of a task that another owner has started.
pub(crate) struct Resumed {
    /// How its end is waited for.
    pub(crate) wait: Waiting,
    /// Where its output comes from.
    pub(crate) source: Source,
    /// What was lost of its output.
    pub(crate) lost: Lost,
    /// How long it has run.
    pub(crate) clock: Clock,
    /// When it was started, on the clock of this host's processes.
    pub(crate) begun: Moment,
}

/// Sets a supervisor over it. Nothing is awaited: it is this owner's as soon as it begins.
pub(crate) fn resume(
    handle: &Arc<Handle>,
    id: &str,
    io: TaskIo,
    left: &TaskHandle,
    resumed: Resumed,
) -> Arc<DockerRunning> {
    let core = handle.core();
    let Resumed { wait, source, lost, clock, begun } = resumed;
    let [stdout, stderr] = &core.delivered;
    stdout.store(left.stdout(), Ordering::Relaxed);
    stderr.store(left.stderr(), Ordering::Relaxed);
    *core.clock.lock() = clock;
    let (stops, requests) = mpsc::unbounded_channel();
    let supervisor = Supervisor {
        core: Arc::clone(core),
        id: id.to_owned(),
        wait,
        told: core.shared.events.follow(id),
        source,
        lost,
        io,
        requests,
        start_time: None,
        begun,
        unwatched: Unwatched::new(core),
    };
    core.shared.tasks.spawn(supervise(supervisor));
    let (handle, network) = (Arc::clone(handle), OnceCell::new());
    Arc::new(DockerRunning { handle, id: id.to_owned(), stops, network })
}
