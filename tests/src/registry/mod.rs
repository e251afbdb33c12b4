//! A proxy before a registry, which breaks what passes as it is told; and images to put into the
//! registry.
//!
//! The proxy before the engine's socket knows one request for each connection and the engine's own
//! calls. This one stands on the other side of the engine: it speaks TCP, and its client is the
//! engine.

mod push;
mod serve;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use push::{Pushed, push};

/// What an engine asks a registry for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// Which version it speaks, and whether it wants a credential.
    Version,
    /// A manifest.
    Manifest,
    /// A blob of less than 64 KiB: an image's configuration.
    Small,
    /// A larger blob: a layer.
    Layer,
    /// Anything else.
    Other,
}

/// What is done to an answer of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryFault {
    /// It is replaced by this status, with this text in the place of the registry's reason.
    Status(u16, &'static str),
    /// The connection ends after so many bytes of the body.
    CutAfter(u64),
    /// Nothing comes any more after so many bytes of the body.
    StallAfter(u64),
    /// A byte is added to the body.
    Spoil,
}

/// A request that came to the proxy.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it asks for.
    pub asked: Asked,
    /// Its first line.
    pub line: String,
    /// The credential that it carries.
    pub authorization: Option<String>,
    /// What was done to its answer.
    pub fault: Option<RegistryFault>,
}

/// Listens on a port of its own and passes each request on to a registry, but for what it is told to
/// break. Dropping it cuts every connection.
#[derive(Debug)]
pub struct RegistryProxy {
    address: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    registry: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<(Asked, usize, RegistryFault)>,
    requests: Vec<Request>,
}

impl RegistryProxy {
    /// Begins to listen, in the runtime that it is called in.
    ///
    /// # Errors
    ///
    /// There is no port.
    pub async fn start(registry: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared { registry: registry.to_owned(), state: Mutex::default() });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                connections.spawn(async move {
                    // Either side may go at any time: that is what it is for.
                    let _ = serve::serve(stream, &shared).await;
                });
            }
        });
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens: `127.0.0.1:port`, as a part of an image's name.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Breaks the next `count` answers to what is asked for. What was said before of the same kind
    /// comes first.
    pub fn fault(&self, asked: Asked, count: usize, fault: RegistryFault) {
        self.shared.lock().faults.push((asked, count, fault));
    }

    /// Breaks nothing any more.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
    }

    /// The requests that came, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// How many requests of a kind came.
    #[must_use]
    pub fn count(&self, asked: Asked) -> usize {
        self.shared.lock().requests.iter().filter(|request| request.asked == asked).count()
    }
}

impl Drop for RegistryProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request down, and takes the fault that is meant for it.
    fn passes(&self, mut request: Request) -> Option<RegistryFault> {
        let mut state = self.lock();
        let planned =
            state.faults.iter_mut().find(|(asked, count, _)| *asked == request.asked && *count > 0);
        let fault = planned.map(|(_, count, fault)| {
            *count -= 1;
            fault.clone()
        });
        request.fault.clone_from(&fault);
        state.requests.push(request);
        fault
    }
}
