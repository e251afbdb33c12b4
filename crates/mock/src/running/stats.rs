//! Statistics of a running task.

use longshore_driver_api::Sample;
use longshore_stats::{Metric, Metrics};
use tokio::time::{Duration, Instant};

use crate::engine::Shared;
use crate::sandbox::Sandbox;

/// Turns what a container has used into samples.
#[derive(Debug)]
pub(super) struct Meter {
    cpu: Duration,
    at: Instant,
}

impl Meter {
    pub(super) fn new(sandbox: &Sandbox) -> Self {
        Self { cpu: sandbox.usage().cpu, at: Instant::now() }
    }

    pub(super) fn sample(&mut self, engine: &Shared, sandbox: &Sandbox) -> Sample {
        let usage = sandbox.usage();
        let now = Instant::now();
        let used = usage.cpu.saturating_sub(self.cpu).as_nanos();
        let passed = now.duration_since(self.at).as_nanos();
        (self.cpu, self.at) = (usage.cpu, now);
        // In hundredths of one CPU. All of it is user time: there is no kernel here.
        let percent = (used * 100).checked_div(passed).unwrap_or(0);
        let percent = u64::try_from(percent).unwrap_or(u64::MAX);
        let mut metrics = Metrics::new()
            .with(Metric::CpuTotal, percent)
            .with(Metric::CpuUser, percent)
            .with(Metric::CpuKernel, 0)
            .with(Metric::MemUsage, usage.memory)
            .with(Metric::NetRx, 0)
            .with(Metric::NetTx, 0)
            .with(Metric::DiskRead, 0)
            .with(Metric::DiskWrite, 0)
            .with(Metric::Pids, usage.processes as u64);
        metrics.set_some(Metric::MemLimit, sandbox.memory_limit());
        Sample::new(engine.timestamp(), metrics)
    }
}
