//! From the statistics that Docker's HTTP API gives, and Podman's copy of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::cgroup::working_set;
use super::cpu::{CpuTimes, Share, set_percentages};
use crate::{Metric, Metrics, Sample, Timestamp};

/// What engines write for a moment that is not known: Go's zero time.
const NO_MOMENT: i128 = -62_135_596_800_000_000_000;

/// One entry of an engine's statistics (`GET /containers/{id}/stats`), as far as it becomes
/// metrics.
///
/// Every field may be missing or `null`, and what is unknown is skipped.
///
/// ```
/// use longshore_stats::{EngineStats, Metric};
///
/// let json = r#"{
///     "read": "2026-01-31T12:00:01Z", "preread": "2026-01-31T12:00:00Z",
///     "cpu_stats": {"cpu_usage": {"total_usage": 900000000}, "system_cpu_usage": 104000000000, "online_cpus": 4},
///     "precpu_stats": {"cpu_usage": {"total_usage": 400000000}, "system_cpu_usage": 100000000000}
/// }"#;
/// let stats: EngineStats = serde_json::from_str(json)?;
/// let sample = EngineStats::sample(None, &stats).expect("it has a moment");
/// assert_eq!(sample.metrics.get(Metric::CpuTotal), Some(50));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EngineStats {
    /// When the figures were read. Absent, or the year 1: the container does not run.
    pub read: Option<Timestamp>,
    /// When the figures of `precpu_stats` were read. Absent, or the year 1: never.
    pub preread: Option<Timestamp>,
    /// CPU.
    pub cpu_stats: Option<EngineCpu>,
    /// CPU, in the entry before.
    pub precpu_stats: Option<EngineCpu>,
    /// Memory.
    pub memory_stats: Option<EngineMemory>,
    /// By the interface's name. Absent where the container has no network of its own.
    pub networks: Option<BTreeMap<String, EngineNetwork>>,
    /// Block devices.
    pub blkio_stats: Option<EngineBlockIo>,
    /// Processes.
    pub pids_stats: Option<EnginePids>,
}

/// CPU figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EngineCpu {
    /// The container's.
    pub cpu_usage: Option<EngineCpuUsage>,
    /// CPU time of the whole machine in nanoseconds: idle time counts in Docker's figure, not in
    /// Podman's.
    pub system_cpu_usage: Option<u64>,
    /// CPUs. Engines before 2017 do not tell.
    pub online_cpus: Option<u64>,
    /// The CPU quota at work.
    pub throttling_data: Option<EngineThrottling>,
}

/// CPU time used by a container, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EngineCpuUsage {
    /// In all.
    pub total_usage: Option<u64>,
    /// In user mode.
    pub usage_in_usermode: Option<u64>,
    /// In kernel mode.
    pub usage_in_kernelmode: Option<u64>,
    /// On each CPU; on cgroup v1 only.
    pub percpu_usage: Option<Vec<u64>>,
}

/// The CPU quota at work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EngineThrottling {
    /// Periods that passed.
    pub periods: Option<u64>,
    /// Periods in which the container was held back.
    pub throttled_periods: Option<u64>,
    /// Nanoseconds for which it was.
    pub throttled_time: Option<u64>,
}

/// Memory figures, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EngineMemory {
    /// In use, page cache included.
    pub usage: Option<u64>,
    /// The most ever in use; on cgroup v1 only.
    pub max_usage: Option<u64>,
    /// The limit, or the machine's memory.
    pub limit: Option<u64>,
    /// What the kernel tells about the parts.
    pub stats: Option<EngineMemoryDetail>,
}

/// The parts of memory that become metrics, in bytes. The names with `total_` are cgroup v1's, of
/// which those without leave the descendants out; `file` is cgroup v2's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EngineMemoryDetail {
    /// Page cache.
    pub total_cache: Option<u64>,
    /// Page cache.
    pub cache: Option<u64>,
    /// Page cache.
    pub file: Option<u64>,
    /// Page cache that has not been used lately.
    pub total_inactive_file: Option<u64>,
    /// Page cache that has not been used lately.
    pub inactive_file: Option<u64>,
    /// Swapped out.
    pub total_swap: Option<u64>,
    /// Swapped out.
    pub swap: Option<u64>,
}

/// One network interface's bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EngineNetwork {
    /// Received.
    pub rx_bytes: Option<u64>,
    /// Sent.
    pub tx_bytes: Option<u64>,
}

/// Block device figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EngineBlockIo {
    /// Bytes, by device and operation. Empty or `null` before the first access, and where the
    /// kernel keeps no account.
    pub io_service_bytes_recursive: Option<Vec<EngineBlockIoEntry>>,
}

/// Bytes of one operation on one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EngineBlockIoEntry {
    /// `read`, `write` and others, in upper or lower case.
    pub op: Option<String>,
    /// Bytes; absent for none.
    pub value: Option<u64>,
}

/// Process figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EnginePids {
    /// Processes and threads.
    pub current: Option<u64>,
}

impl EngineStats {
    /// The sample for `now`: a metric for each figure that is there, or `None` if `now` has no
    /// moment (a container that does not run).
    ///
    /// CPU percentages compare `now` with `before`; without that, with the entry before that `now`
    /// brings along; if that is empty too (an engine's first entry), they are absent. They are
    /// `Δcontainer / Δsystem × cpus × 100` with decimals cut off, where the number of CPUs is
    /// `online_cpus`, else the length of `percpu_usage`. They are `Δcontainer / Δclock × 100`
    /// instead (`Δclock` from the two moments) where one of those figures is missing, and where
    /// `Δsystem` departs by more than an eighth from `Δclock × cpus`: then it is not the time of
    /// all CPUs (Podman leaves idle time out). A counter that went back was reset and gives 0.
    ///
    /// `mem_usage` is what the engine says, page cache included; `mem_cache` and `mem_working_set`
    /// tell it apart.
    #[must_use]
    pub fn sample(before: Option<&Self>, now: &Self) -> Option<Sample> {
        let moment = known(now.read)?;
        let mut metrics = Metrics::new();
        now.set_networks(&mut metrics);
        now.set_memory(&mut metrics);
        now.set_block_io(&mut metrics);
        metrics.set_some(Metric::Pids, now.pids_stats.as_ref().and_then(|pids| pids.current));
        if let Some(cpu) = &now.cpu_stats {
            cpu.set_counters(&mut metrics);
            let before = match before {
                Some(before) => before.cpu_stats.as_ref().map(|cpu| (cpu, known(before.read))),
                None => now.precpu_stats.as_ref().map(|cpu| (cpu, known(now.preread))),
            };
            if let Some((cpu_before, moment_before)) = before {
                let clock = moment_before.and_then(|before| {
                    u64::try_from(moment.unix_nanos() - before.unix_nanos()).ok()
                });
                if let Some(share) = cpu.share_since(cpu_before, clock.filter(|&passed| passed > 0))
                {
                    set_percentages(&mut metrics, share, cpu_before.times(), cpu.times());
                }
            }
        }
        Some(Sample::new(moment, metrics))
    }

    fn set_networks(&self, metrics: &mut Metrics) {
        let Some(networks) = &self.networks else { return };
        let sum = |bytes: fn(&EngineNetwork) -> Option<u64>| {
            networks.values().filter_map(bytes).fold(0, u64::saturating_add)
        };
        metrics.set(Metric::NetRx, sum(|network| network.rx_bytes));
        metrics.set(Metric::NetTx, sum(|network| network.tx_bytes));
    }

    fn set_memory(&self, metrics: &mut Metrics) {
        let Some(memory) = &self.memory_stats else { return };
        // No container lives with a limit of 0, and a peak below the usage is a field that nobody
        // filled in.
        metrics.set_some(Metric::MemLimit, memory.limit.filter(|&limit| limit > 0));
        metrics.set_some(Metric::MemUsage, memory.usage);
        metrics.set_some(
            Metric::MemPeak,
            memory.max_usage.filter(|&peak| peak > 0 && Some(peak) >= memory.usage),
        );
        let Some(parts) = &memory.stats else { return };
        metrics.set_some(Metric::MemCache, parts.total_cache.or(parts.cache).or(parts.file));
        metrics.set_some(Metric::MemSwap, parts.total_swap.or(parts.swap));
        let inactive_file = parts.total_inactive_file.or(parts.inactive_file);
        metrics.set_some(Metric::MemWorkingSet, working_set(memory.usage, inactive_file));
    }

    fn set_block_io(&self, metrics: &mut Metrics) {
        let entries =
            self.blkio_stats.as_ref().and_then(|stats| stats.io_service_bytes_recursive.as_deref());
        let Some(entries) = entries.filter(|entries| !entries.is_empty()) else { return };
        let sum = |op: &str| {
            let is_op = |entry: &&EngineBlockIoEntry| {
                entry.op.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(op))
            };
            entries
                .iter()
                .filter(is_op)
                .filter_map(|entry| entry.value)
                .fold(0, u64::saturating_add)
        };
        metrics.set(Metric::DiskRead, sum("read"));
        metrics.set(Metric::DiskWrite, sum("write"));
    }
}

impl EngineCpu {
    fn set_counters(&self, metrics: &mut Metrics) {
        metrics.set_some(Metric::CpuTime, self.times().total);
        let Some(throttling) = &self.throttling_data else { return };
        metrics.set_some(Metric::CpuPeriods, throttling.periods);
        metrics.set_some(Metric::CpuThrottledPeriods, throttling.throttled_periods);
        metrics.set_some(Metric::CpuThrottledTime, throttling.throttled_time);
    }

    fn times(&self) -> CpuTimes {
        let usage = self.cpu_usage.as_ref();
        CpuTimes {
            total: usage.and_then(|usage| usage.total_usage),
            user: usage.and_then(|usage| usage.usage_in_usermode),
            kernel: usage.and_then(|usage| usage.usage_in_kernelmode),
        }
    }

    fn cpus(&self) -> Option<u64> {
        let listed =
            || self.cpu_usage.as_ref()?.percpu_usage.as_ref().map(|each| each.len() as u64);
        self.online_cpus.filter(|&cpus| cpus > 0).or_else(listed).filter(|&cpus| cpus > 0)
    }

    /// The CPU time that there was since `before`, by the machine's figure or by the time on the
    /// clock.
    fn share_since(&self, before: &Self, clock: Option<u64>) -> Option<Share> {
        let figures = self
            .system_cpu_usage
            .zip(before.system_cpu_usage.filter(|&system| system > 0))
            .zip(self.cpus());
        let by_clock = clock.map(Share::of_wall);
        let Some(((system, system_before), cpus)) = figures else { return by_clock };
        let Some(passed) = system.checked_sub(system_before) else {
            return Some(Share::of_system(0, cpus));
        };
        let is_all_cpus = |clock: u64| {
            let expected = u128::from(clock) * u128::from(cpus);
            u128::from(passed).abs_diff(expected) <= expected / 8
        };
        if clock.is_some_and(|clock| !is_all_cpus(clock)) {
            by_clock
        } else {
            Some(Share::of_system(passed, cpus))
        }
    }
}

fn known(moment: Option<Timestamp>) -> Option<Timestamp> {
    moment.filter(|moment| moment.unix_nanos() != NO_MOMENT)
}
