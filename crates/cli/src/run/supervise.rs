//! A task from reservation to removal, with signals, the terminal and broken pipes on the way.

use std::net::SocketAddr;
use std::sync::Arc;

use longshore::{
    BoundPort, Container, ContainerExt as _, Driver, Exit, PublishedPort, Running, Signal, Task,
    TaskIo, TaskSpec, TtySize,
};
use tokio::signal::unix::{SignalKind, signal};

use super::reports::StatsFile;
use super::stdin::Stdin;
use crate::engine;
use crate::failure::{Failure, note};
use crate::progress::Progress;
use crate::signals::Signals;
use crate::stdio::{Input, Output, Watch};
use crate::terminal::{self, Raw};

/// What a run reads and writes beside stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    /// What the task gets of stdin.
    pub(super) stdin: Stdin,
    pub(super) stats: Option<&'a StatsFile>,
}

/// How a run ended, once everything is removed.
#[derive(Debug)]
pub(super) struct Ended {
    /// The end of the task, or why there is none.
    pub(super) result: Result<Exit, Failure>,
    /// The first signal that this process got, if any.
    pub(super) interrupted: Option<Signal>,
    /// Why this process's own stdout and stderr could not be written, where that happened.
    pub(super) write_errors: Vec<String>,
    /// The engine's id of the container.
    pub(super) container: Option<String>,
    /// The ports of the task that the engine's host listens on.
    pub(super) ports: Vec<BoundPort>,
}

/// Runs a task and removes everything that it needed.
pub(super) async fn run(
    engine: &engine::Args,
    spec: &TaskSpec,
    files: Files<'_>,
    quiet: bool,
    signals: &mut Signals,
) -> Ended {
    let mut ended = Ended {
        result: Err(Failure::new("nothing was run")),
        interrupted: None,
        write_errors: Vec::new(),
        container: None,
        ports: Vec::new(),
    };
    let opened = engine.open_for(spec, signals).await;
    match opened.unwrap_or_else(|signal| Err(interrupted(signal, &mut ended))) {
        Ok(driver) => on_driver(&driver, spec, files, quiet, signals, &mut ended).await,
        Err(failure) => ended.result = Err(failure),
    }
    ended
}

async fn on_driver(
    driver: &Arc<dyn Driver>,
    spec: &TaskSpec,
    files: Files<'_>,
    quiet: bool,
    signals: &mut Signals,
    ended: &mut Ended,
) {
    let can = driver.capabilities();
    tracing::debug!(driver = driver.name(), version = can.engine_version, "the engine is there");
    let progress = Arc::new(Progress::new(&spec.image, quiet));
    let (io, watches) = streams(spec, files);
    let spec = sized(spec.clone(), can.tty_size, terminal::size());
    let passes_terminal = files.stdin == Stdin::Always && spec.tty && terminal::stdin_is_terminal();
    let task = Task::new(spec).io(io).hooks(Arc::clone(&progress) as _);
    let container = match driver.container(task) {
        Ok(container) => Some(container),
        Err(error) => {
            ended.result = Err(error.into());
            None
        }
    };
    if let Some(container) = &container {
        ended.result =
            on_container(&**container, &progress, passes_terminal, &watches, signals, ended).await;
        ended.container = container.engine_id();
    }
    ended.write_errors = watches.iter().filter_map(|watch| watch.error()).collect();
    clean_up(container.as_deref(), &**driver, signals, ended).await;
}

/// Gives the task's terminal the size of this one from the start, where the engine can.
fn sized(mut spec: TaskSpec, able: bool, size: Option<TtySize>) -> TaskSpec {
    if spec.tty && able {
        spec.tty_size = spec.tty_size.or(size);
    }
    spec
}

/// The streams of this process, as far as the task gets them.
fn streams(spec: &TaskSpec, files: Files<'_>) -> (TaskIo, [Arc<Watch>; 2]) {
    let (stdout, stderr) = (Output::stdout(), Output::stderr());
    let watches = [stdout.watch(), stderr.watch()];
    let mut io = TaskIo::none().stdout(stdout);
    if !spec.tty {
        io = io.stderr(stderr);
    }
    if files.stdin.is_passed(terminal::stdin_is_terminal()) {
        io = io.stdin(Input::default());
    }
    if let Some(stats) = files.stats {
        io = io.stats(stats.sink());
    }
    (io, watches)
}

async fn on_container(
    container: &dyn Container,
    progress: &Progress,
    passes_terminal: bool,
    watches: &[Arc<Watch>; 2],
    signals: &mut Signals,
    ended: &mut Ended,
) -> Result<Exit, Failure> {
    let prepare = async {
        let prepared = container.prepare().await;
        progress.clear();
        prepared
    };
    tokio::select! {
        prepared = prepare => prepared?,
        signal = signals.next() => {
            progress.clear();
            return Err(interrupted(signal, ended));
        }
    }
    let (id, task) = (container.engine_id(), &container.spec().id);
    tracing::debug!(task, container = id.as_deref(), "the container is created");
    // From here on keys belong to the task, until something is to be said.
    let mut raw = if passes_terminal { Some(Raw::enter()?) } else { None };
    let running = tokio::select! {
        running = container.start() => running?,
        signal = signals.next() => return Err(interrupted(signal, ended)),
    };
    tracing::debug!(task, "the task runs");
    let tty = container.spec().tty;
    tokio::select! {
        ports = tell_ports(container.spec(), &*running, raw.is_some()) => ended.ports = ports,
        // It is heard below.
        _ = running.wait() => {}
        signal = signals.next() => {
            ended.interrupted = Some(signal);
            raw = None;
            running.cancel();
        }
    }
    tokio::select! {
        exit = until_end(&*running, watches, signals, &mut raw, ended) => exit,
        never = follow_size(&*running, terminal::size), if tty => never,
    }
}

/// Asks which ports the engine's host listens on, and tells those that the engine has chosen.
async fn tell_ports(spec: &TaskSpec, running: &dyn Running, is_raw: bool) -> Vec<BoundPort> {
    let publish = &spec.network.publish;
    if publish.is_empty() {
        return Vec::new();
    }
    let ports = match running.network().await {
        Ok(network) => network.ports,
        Err(error) => {
            tracing::debug!(%error, "the ports of the task are not known");
            Vec::new()
        }
    };
    let is_chosen = |port: &BoundPort| {
        let is_it =
            |asked: &&PublishedPort| (asked.port, asked.protocol) == (port.port, port.protocol);
        publish.iter().filter(is_it).any(|asked| asked.fixed_host().is_none())
    };
    // A raw terminal is the task's own.
    for port in ports.iter().filter(|port| !is_raw && is_chosen(port)) {
        let at = SocketAddr::new(port.host_address, port.host_port);
        note(format_args!("{at} leads to port {}/{} of the task", port.port, port.protocol));
    }
    ports
}

/// Waits for the end, and brings it about once somebody asks for it or nobody reads any more. Whoever
/// asks for it often enough does not wait for an engine that does not answer.
async fn until_end(
    running: &dyn Running,
    [stdout, stderr]: &[Arc<Watch>; 2],
    signals: &mut Signals,
    raw: &mut Option<Raw>,
    ended: &mut Ended,
) -> Result<Exit, Failure> {
    let wait = running.wait();
    tokio::pin!(wait);
    loop {
        tokio::select! {
            exit = &mut wait => {
                tracing::debug!(outcome = ?exit.outcome, "the task has ended");
                return Ok(exit);
            }
            signal = signals.next() => match ended.interrupted {
                None => {
                    ended.interrupted = Some(signal);
                    *raw = None;
                    running.cancel();
                }
                Some(first) if signals.are_enough() => return Err(engine::cancelled(first)),
                Some(_) => note(format_args!("{signal}: the task is being ended already{NEXT}")),
            },
            () = stdout.broken() => running.cancel(),
            () = stderr.broken() => running.cancel(),
        }
    }
}

/// Gives the task's terminal the size of this one, now and whenever it changes.
async fn follow_size(
    running: &dyn Running,
    size: impl Fn() -> Option<TtySize>,
) -> Result<Exit, Failure> {
    let mut changes = signal(SignalKind::window_change())
        .map_err(|error| Failure::io("watch the terminal", &error))?;
    loop {
        if let Some(size) = size()
            && let Err(error) = running.resize(size).await
        {
            tracing::debug!(%error, "the terminal of the task was not resized");
        }
        changes.recv().await;
    }
}

/// What a further signal does.
const NEXT: &str = "; one more, and this command ends at once";

/// Removes what there is. A second signal does not keep it from that; a third one does, for an engine
/// may not answer.
async fn clean_up(
    container: Option<&dyn Container>,
    driver: &dyn Driver,
    signals: &mut Signals,
    ended: &mut Ended,
) {
    if signals.are_enough() {
        note(LEFT);
        return;
    }
    let work = async {
        let removed = match container {
            Some(container) => container.close().await,
            None => Ok(()),
        };
        (removed, driver.close().await)
    };
    tokio::pin!(work);
    let (removed, closed) = loop {
        tokio::select! {
            done = &mut work => break done,
            signal = signals.next() => {
                ended.interrupted.get_or_insert(signal);
                if signals.are_enough() {
                    note(LEFT);
                    return;
                }
                note(format_args!("{signal}: still removing what the task needed{NEXT}"));
            }
        }
    };
    tracing::debug!(closed = closed.is_ok(), "everything was asked to be removed");
    // The driver goes on trying after the container gave up, so its word is the last.
    if let Err(error) = closed {
        let first = removed.err().map(|error| format!(" (at first: {error})")).unwrap_or_default();
        note(format_args!(
            "not everything could be removed: {error}{first}; `longshore reap` tries again"
        ));
    }
}

const LEFT: &str =
    "what the task needed may be left: `longshore reap` removes it, as the next command does";

fn interrupted(signal: Signal, ended: &mut Ended) -> Failure {
    ended.interrupted = Some(signal);
    engine::cancelled(signal)
}

#[cfg(test)]
mod tests;
