//! From what a control group's files say.

use super::cpu::{CpuTimes, Share, set_percentages};
use crate::{Metric, Metrics, Sample, Timestamp};

/// The figures of one control group at one moment, as numbers. A file that is not there is a
/// `None`.
///
/// | field | cgroup v2 | cgroup v1 |
/// | --- | --- | --- |
/// | `cpu_*_ns` | `cpu.stat`: `usage_usec`, `user_usec`, `system_usec` × 1000 | `cpuacct.usage`, `cpuacct.usage_user`, `cpuacct.usage_sys` |
/// | `cpu_periods`, `cpu_throttled_*` | `cpu.stat`: `nr_periods`, `nr_throttled`, `throttled_usec` × 1000 | `cpu.stat`: `nr_periods`, `nr_throttled`, `throttled_time` |
/// | `memory_usage`, `memory_peak` | `memory.current`, `memory.peak` | `memory.usage_in_bytes`, `memory.max_usage_in_bytes` |
/// | `memory_limit` | `memory.max` (`max` is `None`) | `memory.limit_in_bytes` |
/// | `memory_cache`, `memory_inactive_file` | `memory.stat`: `file`, `inactive_file` | `memory.stat`: `total_cache`, `total_inactive_file` |
/// | `memory_swap` | `memory.swap.current` | `memory.stat`: `total_swap` |
/// | `pids` | `pids.current` | `pids.current` |
/// | `disk_*` | `io.stat`: `rbytes`, `wbytes` | `blkio.throttle.io_service_bytes_recursive`, else `blkio.bfq.io_service_bytes_recursive`; no line of a device is `None` |
/// | `*_pressure` | `cpu.pressure`, `memory.pressure`, `io.pressure` | |
///
/// ```
/// use longshore_stats::{CgroupFigures, Metric, Timestamp};
///
/// let start = CgroupFigures { cpu_usage_ns: Some(0), ..CgroupFigures::new(Timestamp::UNIX_EPOCH) };
/// let second_later = Timestamp::from_unix_nanos(1_000_000_000);
/// let now = CgroupFigures { cpu_usage_ns: Some(250_000_000), ..CgroupFigures::new(second_later) };
/// let sample = CgroupFigures::sample(Some(&start), &now);
/// assert_eq!(sample.metrics.get(Metric::CpuTotal), Some(25));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupFigures {
    /// When they were read.
    pub timestamp: Timestamp,
    /// The same on a clock that nobody sets, in nanoseconds from any origin. Without it the time
    /// between two readings is that between their timestamps.
    pub monotonic_ns: Option<u64>,
    /// CPU time used.
    pub cpu_usage_ns: Option<u64>,
    /// CPU time used in user mode.
    pub cpu_user_ns: Option<u64>,
    /// CPU time used in kernel mode.
    pub cpu_kernel_ns: Option<u64>,
    /// Periods of the CPU quota that passed.
    pub cpu_periods: Option<u64>,
    /// Periods in which the group was held back.
    pub cpu_throttled_periods: Option<u64>,
    /// Time for which the group was held back.
    pub cpu_throttled_ns: Option<u64>,
    /// Bytes in use, page cache included.
    pub memory_usage: Option<u64>,
    /// Bytes; `None` where there is no limit.
    pub memory_limit: Option<u64>,
    /// The most bytes ever in use.
    pub memory_peak: Option<u64>,
    /// Bytes of page cache.
    pub memory_cache: Option<u64>,
    /// Bytes of page cache that the kernel would give back first.
    pub memory_inactive_file: Option<u64>,
    /// Bytes swapped out.
    pub memory_swap: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Bytes read, over all block devices.
    pub disk_read: Option<u64>,
    /// Bytes written, over all block devices.
    pub disk_write: Option<u64>,
    /// Bytes received, over all interfaces of the network namespace but the loopback.
    pub net_rx: Option<u64>,
    /// Bytes sent, over the same.
    pub net_tx: Option<u64>,
    /// Waiting for a CPU.
    pub cpu_pressure: Pressure,
    /// Waiting for memory.
    pub memory_pressure: Pressure,
    /// Waiting for block devices.
    pub io_pressure: Pressure,
}

/// The totals of one pressure file, in microseconds as the kernel writes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// `total` of the line `some`.
    pub some_us: Option<u64>,
    /// `total` of the line `full`.
    pub full_us: Option<u64>,
}

impl CgroupFigures {
    /// No figure yet, of this moment.
    #[must_use]
    pub fn new(timestamp: Timestamp) -> Self {
        Self {
            timestamp,
            monotonic_ns: None,
            cpu_usage_ns: None,
            cpu_user_ns: None,
            cpu_kernel_ns: None,
            cpu_periods: None,
            cpu_throttled_periods: None,
            cpu_throttled_ns: None,
            memory_usage: None,
            memory_limit: None,
            memory_peak: None,
            memory_cache: None,
            memory_inactive_file: None,
            memory_swap: None,
            pids: None,
            disk_read: None,
            disk_write: None,
            net_rx: None,
            net_tx: None,
            cpu_pressure: Pressure::default(),
            memory_pressure: Pressure::default(),
            io_pressure: Pressure::default(),
        }
    }

    /// The sample for `now`: a metric for each figure that is there.
    ///
    /// CPU percentages are CPU time over time on the clock, decimals cut off, and need the reading
    /// `before`: without it, or where no time passed since, they are absent. A counter that went
    /// back was reset and gives 0.
    #[must_use]
    pub fn sample(before: Option<&Self>, now: &Self) -> Sample {
        let mut metrics = Metrics::new();
        let nanoseconds = |us: Option<u64>| us.map(|us| us.saturating_mul(1000));
        for (metric, value) in [
            (Metric::NetRx, now.net_rx),
            (Metric::NetTx, now.net_tx),
            (Metric::MemLimit, now.memory_limit),
            (Metric::MemUsage, now.memory_usage),
            (Metric::DiskRead, now.disk_read),
            (Metric::DiskWrite, now.disk_write),
            (Metric::Pids, now.pids),
            (Metric::CpuTime, now.cpu_usage_ns),
            (Metric::CpuPeriods, now.cpu_periods),
            (Metric::CpuThrottledPeriods, now.cpu_throttled_periods),
            (Metric::CpuThrottledTime, now.cpu_throttled_ns),
            (Metric::MemCache, now.memory_cache),
            (Metric::MemWorkingSet, working_set(now.memory_usage, now.memory_inactive_file)),
            (Metric::MemSwap, now.memory_swap),
            (Metric::MemPeak, now.memory_peak),
            (Metric::PsiCpuSome, nanoseconds(now.cpu_pressure.some_us)),
            (Metric::PsiCpuFull, nanoseconds(now.cpu_pressure.full_us)),
            (Metric::PsiMemSome, nanoseconds(now.memory_pressure.some_us)),
            (Metric::PsiMemFull, nanoseconds(now.memory_pressure.full_us)),
            (Metric::PsiIoSome, nanoseconds(now.io_pressure.some_us)),
            (Metric::PsiIoFull, nanoseconds(now.io_pressure.full_us)),
        ] {
            metrics.set_some(metric, value);
        }
        if let Some(before) = before
            && let Some(passed) = now.nanoseconds_since(before)
        {
            set_percentages(
                &mut metrics,
                Share::of_wall(passed),
                before.cpu_times(),
                now.cpu_times(),
            );
        }
        Sample::new(now.timestamp, metrics)
    }

    fn cpu_times(&self) -> CpuTimes {
        CpuTimes { total: self.cpu_usage_ns, user: self.cpu_user_ns, kernel: self.cpu_kernel_ns }
    }

    fn nanoseconds_since(&self, before: &Self) -> Option<u64> {
        match self.monotonic_ns.zip(before.monotonic_ns) {
            Some((now, before)) => now.checked_sub(before),
            None => u64::try_from(self.timestamp.unix_nanos() - before.timestamp.unix_nanos()).ok(),
        }
        .filter(|&passed| passed > 0)
    }
}

/// What a process could not do without: usage less the page cache that has not been used lately
/// (Kubernetes' definition).
pub(super) fn working_set(usage: Option<u64>, inactive_file: Option<u64>) -> Option<u64> {
    // The two are read one after the other, so the second can be the larger.
    Some(usage?.saturating_sub(inactive_file?))
}
