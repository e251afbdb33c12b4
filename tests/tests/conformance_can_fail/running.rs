//! A running task with a defect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use longshore_driver_api::{
    Exit, Handle, NetworkInfo, OomEvidence, Outcome, Result, Running, Signal, TtySize,
};

use crate::Defect;

/// The mock's running task with a defect.
#[derive(Debug)]
pub(crate) struct BrokenRunning {
    inner: Arc<dyn Running>,
    defect: Defect,
    waited: AtomicBool,
}

impl BrokenRunning {
    pub(crate) fn new(inner: Arc<dyn Running>, defect: Defect) -> Self {
        Self { inner, defect, waited: AtomicBool::new(false) }
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is a defect nobody chose"
)]
impl Running for BrokenRunning {
    async fn wait(&self) -> Exit {
        if self.waited.swap(true, Ordering::SeqCst) && self.defect == Defect::WaitsOnce {
            std::future::pending::<()>().await;
        }
        let mut exit = self.inner.wait().await;
        match (self.defect, exit.outcome, exit.code) {
            (Defect::TakesKillsForWantOfMemory, _, Some(137)) => {
                exit.outcome = Outcome::OutOfMemory;
                exit.alternatives.clear();
            }
            (Defect::TakesAChildsDeathForTheTasks, _, Some(137))
                if exit.oom != OomEvidence::None =>
            {
                exit.outcome = Outcome::OutOfMemory;
                exit.alternatives = vec![Outcome::Signal(Signal::KILL)];
            }
            (Defect::TakesLossForSuccess, Outcome::Cancelled, _)
            | (Defect::PrefersTheCodeToTheTimeout, Outcome::TimedOut, Some(0)) => {
                exit.outcome = Outcome::Code(0);
            }
            _ => {}
        }
        exit
    }

    fn cancel(&self) {
        if self.defect != Defect::IgnoresCancel {
            self.inner.cancel();
        }
    }

    async fn stop(&self, grace: Option<Duration>) -> Result<()> {
        self.inner.stop(grace).await
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        self.inner.signal(signal).await
    }

    async fn network(&self) -> Result<NetworkInfo> {
        self.inner.network().await
    }

    fn handle(&self) -> Result<Handle> {
        self.inner.handle()
    }

    async fn resize(&self, size: TtySize) -> Result<()> {
        let TtySize { rows, columns } = size;
        match self.defect {
            Defect::SwapsRowsAndColumns => {
                self.inner.resize(TtySize { rows: columns, columns: rows }).await
            }
            _ => self.inner.resize(size).await,
        }
    }
}
