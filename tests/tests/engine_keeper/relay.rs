//! A port that leads to a local engine, as if it were another host's, and can be cut.

use std::io;
use std::path::PathBuf;

use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Dropping it cuts everything.
pub(crate) struct Relay {
    address: String,
    open: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn start(engine: impl Into<PathBuf>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("tcp://{}", listener.local_addr()?);
        let (open, engine) = (watch::Sender::new(true), engine.into());
        let is_open = open.subscribe();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                let (engine, mut is_open) = (engine.clone(), is_open.clone());
                connections.spawn(async move {
                    let passed = async {
                        let mut to = UnixStream::connect(&engine).await?;
                        tokio::io::copy_bidirectional(&mut from, &mut to).await
                    };
                    tokio::select! {
                        // Whoever is cut off sees it for himself.
                        _ = is_open.wait_for(|open| !open) => {}
                        _ = passed => {}
                    }
                });
            }
        });
        Ok(Self { address, open, accepting })
    }

    /// Where it listens, as a driver wants to be told.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends every connection, and each that is opened.
    pub(crate) fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Lets connections through again.
    pub(crate) fn heal(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
