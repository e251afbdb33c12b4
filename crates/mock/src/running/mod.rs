//! A task of the mock whose process was started.

mod drain;
mod facts;
mod launch;
pub(crate) mod pump;
mod recover;
mod run;
mod stats;
mod supervise;

pub(crate) use recover::Kept;
pub(crate) use run::Run;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use longshore_driver_api::{
    Error, ErrorKind, Exit, Handle, NetworkInfo, Result, Running, SentFor, Signal, TtySize,
};
use tokio::sync::{OnceCell, oneshot};

use crate::Op;
use crate::container::Token;
use run::Wish;

/// A task of the mock whose process was started.
pub(crate) struct MockRunning {
    run: Arc<Run>,
    network: OnceCell<NetworkInfo>,
    /// Hands the container over when the last handle is dropped.
    _token: Arc<Token>,
}

impl MockRunning {
    pub(crate) fn new(run: Arc<Run>, token: Arc<Token>) -> Self {
        Self { run, network: OnceCell::new(), _token: token }
    }
}

#[async_trait]
impl Running for MockRunning {
    async fn wait(&self) -> Exit {
        self.run.over().await
    }

    fn cancel(&self) {
        self.run.cancel();
    }

    async fn stop(&self, grace: Option<Duration>) -> Result<()> {
        let run = &self.run;
        if run.has_ended() {
            return Ok(());
        }
        run.driver.check_alive(Op::Stop)?;
        let grace = grace.unwrap_or(run.spec().stop.grace);
        let (sender, mut failed) = oneshot::channel();
        run.wish(|will| will.wishes.push(Wish::Stop(grace, sender)));
        tokio::select! {
            biased;
            () = run.ended() => Ok(()),
            Ok(error) = &mut failed => Err(error),
        }
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        let run = &self.run;
        if run.has_ended() {
            return Ok(());
        }
        let effect = || {
            run.note(signal, SentFor::Signal);
            run.sandbox.signal(signal);
            Ok(())
        };
        run.driver.ask(Op::Signal, Some(run.spec()), effect).await
    }

    async fn network(&self) -> Result<NetworkInfo> {
        let run = &self.run;
        let effect = || {
            if run.has_ended() {
                return Err(Error::new(ErrorKind::InvalidState, Op::Network.name())
                    .message(format!("task {:?} has ended: ask while it runs", run.spec().id)));
            }
            Ok(run.sandbox.network())
        };
        let asked =
            self.network.get_or_try_init(|| run.driver.ask(Op::Network, Some(run.spec()), effect));
        asked.await.cloned()
    }

    fn handle(&self) -> Result<Handle> {
        self.run.handle()
    }

    async fn resize(&self, size: TtySize) -> Result<()> {
        let run = &self.run;
        if !run.spec().tty {
            return Err(Error::new(ErrorKind::InvalidState, Op::Resize.name())
                .message(format!("task {:?} has no terminal", run.spec().id)));
        }
        if run.has_ended() {
            return Ok(());
        }
        let effect = || {
            run.sandbox.resize(size);
            Ok(())
        };
        run.driver.ask(Op::Resize, Some(run.spec()), effect).await
    }
}

impl fmt::Debug for MockRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockRunning")
            .field("task", &self.run.spec().id)
            .field("ended", &self.run.has_ended())
            .finish_non_exhaustive()
    }
}
