//! CPU time between two readings as a percentage of one CPU.

use crate::{Metric, Metrics};

/// CPU time used so far, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct CpuTimes {
    pub(super) total: Option<u64>,
    pub(super) user: Option<u64>,
    pub(super) kernel: Option<u64>,
}

/// How much CPU time one CPU had between two readings: `nanoseconds / cpus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    nanoseconds: u64,
    cpus: u64,
}

impl Share {
    /// Of so much time on the clock.
    pub(super) fn of_wall(nanoseconds: u64) -> Self {
        Self { nanoseconds, cpus: 1 }
    }

    /// Of so much time of all CPUs together.
    pub(super) fn of_system(nanoseconds: u64, cpus: u64) -> Self {
        Self { nanoseconds, cpus }
    }

    /// `used * cpus * 100 / nanoseconds`, decimals cut off as Fn's driver does. Where no time
    /// passed, 0.
    fn percent(self, used: u64) -> u64 {
        let hundredfold = (u128::from(used) * 100).saturating_mul(self.cpus.into());
        let percent = hundredfold.checked_div(self.nanoseconds.into()).unwrap_or(0);
        u64::try_from(percent).unwrap_or(u64::MAX)
    }
}

/// Sets the percentages that both readings allow. A counter that went back was reset: 0.
pub(super) fn set_percentages(
    metrics: &mut Metrics,
    share: Share,
    before: CpuTimes,
    now: CpuTimes,
) {
    let pairs = [
        (Metric::CpuTotal, before.total, now.total),
        (Metric::CpuUser, before.user, now.user),
        (Metric::CpuKernel, before.kernel, now.kernel),
    ];
    for (metric, before, now) in pairs {
        let used = before.zip(now).map(|(before, now)| now.saturating_sub(before));
        metrics.set_some(metric, used.map(|used| share.percent(used)));
    }
}

#[cfg(test)]
mod tests {
    //! The formula at its ends.

    use super::*;

    #[test]
    fn the_largest_counters_do_not_overflow() {
        assert_eq!(Share::of_system(1, u64::MAX).percent(u64::MAX), u64::MAX);
        assert_eq!(Share::of_wall(u64::MAX).percent(u64::MAX), 100);
        assert_eq!(Share::of_wall(0).percent(5), 0);
    }

    #[test]
    fn decimals_are_cut_off() {
        assert_eq!(Share::of_wall(1000).percent(999), 99);
        assert_eq!(Share::of_system(4000, 4).percent(2500), 250);
    }
}
