//! A proxy between a driver and an engine, which breaks what passes as a script says.

mod answer;
mod connection;
mod fault;
mod reply;
mod request;
mod script;
mod step;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

pub use fault::{Fault, Place};
pub use script::Script;
pub use step::Step;

use script::Counts;

/// A request that came to the proxy.
#[derive(Debug, Clone)]
pub struct Passed {
    /// What it asks for.
    pub step: Step,
    /// The how-manieth of its kind it is, from 1.
    pub nth: u32,
    /// Its first line.
    pub line: String,
    /// What was to be done to it.
    pub fault: Option<Fault>,
    /// Whether that was done: an answer may end before the place where it was to break.
    pub met: bool,
    /// The engine's status, if the engine got the request and its answer came this far.
    pub status: Option<u16>,
    /// When it came.
    pub at: Instant,
}

/// Listens on a unix socket of its own and passes each connection on to an engine's, but for what
/// its script breaks.
///
/// It knows one request for each connection: what a client sends after the first is passed on as it
/// is. Dropping it cuts every connection.
#[derive(Debug)]
pub struct FaultProxy {
    folder: TempDir,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    engine: PathBuf,
    state: Mutex<State>,
    /// Told of each change of the state.
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    script: Script,
    counts: Counts,
    log: Vec<Passed>,
    is_released: bool,
}

impl FaultProxy {
    /// Begins to listen. It has to be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The socket could not be made.
    pub fn start(engine: impl Into<PathBuf>, script: Script) -> io::Result<Self> {
        let state =
            State { script, counts: Counts::default(), log: Vec::new(), is_released: false };
        let proxy = Self {
            folder: tempfile::Builder::new().prefix("longshore-proxy-").tempdir()?,
            shared: Arc::new(Shared {
                engine: engine.into(),
                state: Mutex::new(state),
                changes: watch::Sender::new(()),
            }),
            accepting: Mutex::new(None),
        };
        proxy.up()?;
        Ok(proxy)
    }

    /// Where it listens, as a driver wants to be told.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Breaks what another script says from now on. The counts of requests go on.
    pub fn set_script(&self, script: Script) {
        self.shared.state().script = script;
    }

    /// Breaks nothing any more. What hangs already goes on hanging.
    pub fn heal(&self) {
        self.set_script(Script::new());
    }

    /// Every request so far, in the order of their coming.
    #[must_use]
    pub fn log(&self) -> Vec<Passed> {
        self.shared.state().log.clone()
    }

    /// How many requests of a kind have come so far.
    #[must_use]
    pub fn count(&self, step: Step) -> u32 {
        self.shared.state().counts.of(step)
    }

    /// Waits until the `nth` request of a kind has come, from 1.
    pub async fn reached(&self, step: Step, nth: u32) {
        self.shared.until(|state| state.counts.of(step) >= nth).await;
    }

    /// Waits until the engine has answered the first request of a kind, whoever hears it.
    pub async fn answered(&self, step: Step) {
        let is_it = |passed: &Passed| passed.step == step && passed.status.is_some();
        self.shared.until(|state| state.log.iter().any(is_it)).await;
    }

    /// Lets the engine have what was kept from it for the time being.
    pub fn release(&self) {
        self.shared.state().is_released = true;
        self.shared.changed();
    }

    /// Waits until a fault was done to a request of a kind.
    pub async fn met(&self, step: Step) {
        self.shared.until(|state| state.log.iter().any(|it| it.step == step && it.met)).await;
    }

    /// Goes away as an engine does that is killed: connections are cut, and nobody listens.
    pub async fn down(&self) {
        let accepting = lock(&self.accepting).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // The listener and all connections are gone once the task is.
            let _ = accepting.await;
        }
    }

    /// Listens again, after [`down`](Self::down).
    ///
    /// # Errors
    ///
    /// The socket could not be made.
    pub fn up(&self) -> io::Result<()> {
        let mut accepting = lock(&self.accepting);
        if accepting.is_some() {
            return Ok(());
        }
        let path = self.socket();
        if path.exists() {
            std::fs::remove_file(&path)?;
        }
        let listener = UnixListener::bind(&path)?;
        *accepting = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        Path::join(self.folder.path(), "engine.sock")
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(accepting) = lock(&self.accepting).take() {
            accepting.abort();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Writes a request down and looks up what to do to it; the number is its place in the log.
    fn enter(&self, line: &str) -> (usize, Option<Fault>) {
        let step = Step::of(line);
        let mut state = self.state();
        let nth = state.counts.next(step);
        let fault = state.script.fault(step, nth);
        let line = line.to_owned();
        state.log.push(Passed {
            step,
            nth,
            line,
            fault,
            met: false,
            status: None,
            at: Instant::now(),
        });
        let number = state.log.len() - 1;
        drop(state);
        self.changed();
        (number, fault)
    }

    fn met(&self, number: usize) {
        self.state().log[number].met = true;
        self.changed();
    }

    fn answered(&self, number: usize, status: u16) {
        let before = self.state().log[number].status.replace(status);
        if before.is_none() {
            self.changed();
        }
    }

    async fn released(&self) {
        self.until(|state| state.is_released).await;
    }

    fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Waits until the state is so.
    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let mut changes = self.changes.subscribe();
        while !is_so(&self.state()) {
            // The sender lives as long as this does, so waiting cannot fail.
            let _ = changes.changed().await;
        }
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // Either side may go at any time; the other one then sees its connection end.
                    let _ = connection::serve(client, &shared).await;
                });
            }
            // What has ended is forgotten, so that a long run does not gather it.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Nothing is left half done under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
