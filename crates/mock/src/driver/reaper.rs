//! Removes what is left: of this driver's containers, and of dead owners.

use std::sync::Arc;

use longshore_driver_api::{
    LABEL_RECOVERABLE_UNTIL, LABEL_TASK, ReapOptions, ReapReport, Reaped, ResourceKind, Result,
};
use longshore_stats::Timestamp;
use tokio::runtime::Handle;
use tokio::time::{Duration, sleep};

use super::Inner;
use crate::Op;
use crate::sandbox::Sandbox;

impl Inner {
    /// Leaves a container to the reaper, which tries to remove it some more times.
    pub(crate) fn leave(self: &Arc<Self>, sandbox: Arc<Sandbox>, on: &Handle) {
        const TRIES: u32 = 8;
        self.leftovers.lock().insert(sandbox.id.clone(), Arc::clone(&sandbox));
        let driver = Arc::clone(self);
        let trying = async move {
            for n in 0..TRIES {
                sleep(Duration::from_millis(100) * 2_u32.pow(n)).await;
                driver.engine.up().await;
                if driver.remove_leftover(&sandbox).await.is_ok() {
                    return;
                }
            }
            tracing::warn!(container = sandbox.id, "gave up removing a container until close");
        };
        self.spawn(trying, on);
    }

    pub(crate) async fn remove_leftover(&self, sandbox: &Sandbox) -> Result<()> {
        if self.engine.get(&sandbox.id).is_some() {
            self.remove(sandbox).await?;
        }
        self.leftovers.lock().remove(&sandbox.id);
        Ok(())
    }

    async fn remove(&self, sandbox: &Sandbox) -> Result<()> {
        let effect = || {
            self.engine.remove(sandbox);
            Ok(())
        };
        self.ask(Op::Remove, Some(&sandbox.spec), effect).await
    }

    pub(super) async fn reap(&self, options: ReapOptions) -> Result<ReapReport> {
        let application = &self.config.application;
        let list = || Ok(self.engine.all());
        let mut found = self.ask(Op::Reap, None, list).await?;
        found.retain(|sandbox| sandbox.application == *application);
        let mut report = ReapReport::default();
        for sandbox in found {
            if !self.may_reap(&sandbox) {
                report.kept += 1;
                continue;
            }
            let mut reaped =
                Reaped::new(ResourceKind::Container, sandbox.id.as_str(), sandbox.owner.as_str());
            reaped.task = sandbox.labels.get(LABEL_TASK).cloned();
            let removed = if options.dry_run { Ok(()) } else { self.remove(&sandbox).await };
            match removed {
                Ok(()) => report.removed.push(reaped),
                Err(error) => {
                    reaped.error = Some(error.to_string());
                    report.failed.push(reaped);
                }
            }
        }
        Ok(report)
    }

    fn may_reap(&self, sandbox: &Sandbox) -> bool {
        self.engine.state().owners.left(sandbox) && !self.is_recoverable(sandbox)
    }

    /// Whether a container is within the time in which it may be recovered.
    pub(super) fn is_recoverable(&self, sandbox: &Sandbox) -> bool {
        match sandbox.labels.get(LABEL_RECOVERABLE_UNTIL).map(|until| until.parse::<Timestamp>()) {
            None => false,
            Some(Ok(until)) => until > self.engine.timestamp(),
            // What cannot be read may say that it is still wanted.
            Some(Err(_)) => true,
        }
    }
}
