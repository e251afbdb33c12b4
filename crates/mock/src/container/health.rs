//! A start that waits until the task does well.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Exec as _, ExecSpec, Result, TaskIo};
use tokio::time::{Instant, sleep, timeout};

use super::core::Core;
use crate::Op;
use crate::exec::{ExecRun, MockExec};

/// As Docker does where nothing is said.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;

impl Core {
    pub(super) async fn wait_until_healthy(self: &Arc<Self>, bound: Duration) -> Result<()> {
        let check = self.driver.engine.health_check(&self.spec, &self.image_name());
        let Some(check) = check else {
            return Err(self.unwell(ErrorKind::InvalidInput, "has no health check to wait for"));
        };
        let run = self.life.lock().run.clone();
        let ended = async {
            match run {
                Some(run) => run.ended().await,
                None => std::future::pending().await,
            }
        };
        let told = async {
            tokio::select! {
                biased;
                () = ended => {
                    self.check_open(&self.life.lock(), Op::Start)?;
                    Err(self.unwell(ErrorKind::EndedEarly, "ended before it was healthy"))
                }
                checked = self.check_until_sure(check) => checked,
            }
        };
        timeout(bound, told).await.unwrap_or_else(|_| {
            Err(self.unwell(ErrorKind::Deadline, "did not become healthy in time"))
        })
    }

    async fn check_until_sure(self: &Arc<Self>, check: Vec<String>) -> Result<()> {
        let health = &self.spec.health;
        let began = Instant::now();
        let mut failures = 0;
        loop {
            sleep(health.interval.unwrap_or(INTERVAL)).await;
            let Some(sandbox) = self.life.lock().sandbox.clone() else { continue };
            let what = (ExecSpec::new(check.clone()), TaskIo::none());
            let image = self.image_name();
            let run = ExecRun::start(&self.driver, &sandbox, &self.handle, what, &image);
            let exec = MockExec::new(run);
            let exit = timeout(health.timeout.unwrap_or(TIMEOUT), exec.wait()).await;
            if exit.is_ok_and(|exit| exit.is_success()) {
                return Ok(());
            }
            if began.elapsed() >= health.start_period.unwrap_or_default() {
                failures += 1;
            }
            if failures >= health.retries.unwrap_or(RETRIES) {
                return Err(self.unwell(ErrorKind::Unhealthy, "is unhealthy"));
            }
        }
    }

    fn unwell(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, Op::Start.name())
            .message(format!("the container of task {:?} {what}", self.spec.id))
    }
}
