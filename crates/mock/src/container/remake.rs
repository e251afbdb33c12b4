//! A container made anew, because what it was to join is no more.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::Result;
use tokio::time::timeout;

use super::core::Core;
use crate::Op;
use crate::sandbox::{Phase, Sandbox};

/// With how many borrowed networks a start is tried.
const TRIES: u32 = 3;
/// How long whoever has lent a network has to learn that it is lost. Before, he would lend it again.
const LEARNS: Duration = Duration::from_secs(2);

impl Core {
    /// The container that holds namespaces, if it runs.
    pub(super) fn holder(&self, id: &str) -> Option<Arc<Sandbox>> {
        let found = self.driver.engine.get(id);
        found.filter(|found| found.life().phase == Phase::Running)
    }

    /// Makes a container anew that was not started because what it joins is no more, with the stage
    /// held. False: it is as it was.
    pub(super) async fn remake(&self, sandbox: &Arc<Sandbox>) -> Result<bool> {
        let Some(loan) = sandbox.loan() else { return Ok(false) };
        let is_gone = sandbox.joins().is_some_and(|holder| self.holder(&holder).is_none());
        let may = is_gone && self.life.lock().loans < TRIES;
        if !may || timeout(LEARNS, loan.until_lost()).await.is_err() {
            return Ok(false);
        }
        let effect = || {
            // What somebody has copied into it would be lost.
            let is_new = sandbox.life().phase == Phase::Created && !sandbox.files.lock().has_more();
            if is_new {
                self.driver.engine.remove(sandbox);
            }
            Ok(is_new)
        };
        match self.driver.ask(Op::Remove, Some(&self.spec), effect).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return Ok(false),
        }
        drop(loan);
        self.life.lock().sandbox = None;
        self.make_one().await?;
        Ok(true)
    }
}
