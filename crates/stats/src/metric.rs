//! The metrics that have a name of their own, with their units.

use std::fmt;

/// What a metric's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Hundredths of one CPU: 250 is two and a half CPUs.
    Percent,
    /// Nanoseconds.
    Nanoseconds,
    /// A plain number.
    Count,
}

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $unit:ident, $cumulative:literal;)+) => {
        /// A metric that is known here: it has a name and a unit.
        ///
        /// The first nine are those of Fn's driver; their names in JSON are its names too.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Metric {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Metric {
            /// Every metric.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The metric with this name in JSON, if it is one of these.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// What the number counts.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)+ }
            }

            /// Whether the number counts from the container's start (and so only grows), rather
            /// than being the state of the moment.
            #[must_use]
            pub const fn is_cumulative(self) -> bool {
                match self { $(Self::$variant => $cumulative,)+ }
            }
        }
    };
}

metrics! {
    /// Bytes received, over all network interfaces.
    NetRx = "net_rx", Bytes, true;
    /// Bytes sent, over all network interfaces.
    NetTx = "net_tx", Bytes, true;
    /// The memory limit.
    MemLimit = "mem_limit", Bytes, false;
    /// Memory in use as the engine reports it: the page cache counts.
    MemUsage = "mem_usage", Bytes, false;
    /// Bytes read from block devices.
    DiskRead = "disk_read", Bytes, true;
    /// Bytes written to block devices.
    DiskWrite = "disk_write", Bytes, true;
    /// CPU used in user mode since the sample before.
    CpuUser = "cpu_user", Percent, false;
    /// CPU used since the sample before.
    CpuTotal = "cpu_total", Percent, false;
    /// CPU used in kernel mode since the sample before.
    CpuKernel = "cpu_kernel", Percent, false;
    /// Processes and threads.
    Pids = "pids", Count, false;
    /// CPU time used.
    CpuTime = "cpu_time", Nanoseconds, true;
    /// Periods of the CPU quota that passed while the container wanted to run.
    CpuPeriods = "cpu_periods", Count, true;
    /// Periods of the CPU quota in which the container was held back.
    CpuThrottledPeriods = "cpu_throttled_periods", Count, true;
    /// Time for which the CPU quota held the container back.
    CpuThrottledTime = "cpu_throttled_time", Nanoseconds, true;
    /// Page cache (on cgroup v2 also what tmpfs holds); a part of `mem_usage`.
    MemCache = "mem_cache", Bytes, false;
    /// `mem_usage` without the page cache that the kernel would give back first.
    MemWorkingSet = "mem_working_set", Bytes, false;
    /// Swap in use.
    MemSwap = "mem_swap", Bytes, false;
    /// The largest `mem_usage` so far.
    MemPeak = "mem_peak", Bytes, true;
    /// Time in which at least one process waited for a CPU (pressure stall information).
    PsiCpuSome = "psi_cpu_some", Nanoseconds, true;
    /// Time in which all processes waited for a CPU.
    PsiCpuFull = "psi_cpu_full", Nanoseconds, true;
    /// Time in which at least one process waited for memory.
    PsiMemSome = "psi_mem_some", Nanoseconds, true;
    /// Time in which all processes waited for memory.
    PsiMemFull = "psi_mem_full", Nanoseconds, true;
    /// Time in which at least one process waited for block devices.
    PsiIoSome = "psi_io_some", Nanoseconds, true;
    /// Time in which all processes waited for block devices.
    PsiIoFull = "psi_io_full", Nanoseconds, true;
}

impl Metric {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// Every metric, in the order of its name.
    pub(crate) const BY_NAME: [Self; Self::COUNT] = by_name();

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    pub(crate) const fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const _: () = assert!(Metric::COUNT <= 32, "the mask of present metrics has 32 bits");

/// Insertion sort, at compile time.
const fn by_name() -> [Metric; Metric::COUNT] {
    let mut sorted = [Metric::NetRx; Metric::COUNT];
    let mut taken = 0;
    while taken < Metric::COUNT {
        let metric = Metric::ALL[taken];
        let mut place = taken;
        while place > 0 && is_less(metric.name(), sorted[place - 1].name()) {
            sorted[place] = sorted[place - 1];
            place -= 1;
        }
        sorted[place] = metric;
        taken += 1;
    }
    sorted
}

const fn is_less(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] < right[at];
        }
        at += 1;
    }
    left.len() < right.len()
}

#[cfg(test)]
mod tests {
    //! The table's own consistency.

    use super::*;

    #[test]
    fn a_name_finds_its_metric_again() {
        for &metric in Metric::ALL {
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
        assert_eq!(Metric::from_name("CPU_TOTAL"), None);
    }

    #[test]
    fn the_order_by_name_is_the_order_of_the_names() {
        let mut names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        names.sort_unstable();
        assert_eq!(Metric::BY_NAME.map(Metric::name).to_vec(), names);
    }

    #[test]
    fn the_nine_names_of_fn_come_first() {
        let names: Vec<_> = Metric::ALL[..9].iter().map(|metric| metric.name()).collect();
        assert_eq!(
            names,
            [
                "net_rx",
                "net_tx",
                "mem_limit",
                "mem_usage",
                "disk_read",
                "disk_write",
                "cpu_user",
                "cpu_total",
                "cpu_kernel"
            ]
        );
    }
}
