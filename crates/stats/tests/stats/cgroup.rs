//! Control groups' figures.

use longshore_stats::{CgroupFigures, Metric, Pressure, Timestamp};

fn at(nanos: i64) -> CgroupFigures {
    CgroupFigures::new(Timestamp::from_unix_nanos(nanos))
}

fn cpu(before: Option<&CgroupFigures>, now: &CgroupFigures) -> Option<u64> {
    CgroupFigures::sample(before, now).metrics.get(Metric::CpuTotal)
}

#[test]
fn each_figure_is_a_metric_and_nothing_else_is() {
    assert!(CgroupFigures::sample(None, &at(5)).metrics.is_empty());
    let figures = CgroupFigures {
        monotonic_ns: Some(1),
        cpu_usage_ns: Some(2),
        cpu_user_ns: Some(3),
        cpu_kernel_ns: Some(4),
        cpu_periods: Some(5),
        cpu_throttled_periods: Some(6),
        cpu_throttled_ns: Some(7),
        memory_usage: Some(800),
        memory_limit: Some(900),
        memory_peak: Some(850),
        memory_cache: Some(300),
        memory_inactive_file: Some(200),
        memory_swap: Some(10),
        pids: Some(11),
        disk_read: Some(12),
        disk_write: Some(13),
        net_rx: Some(14),
        net_tx: Some(15),
        cpu_pressure: Pressure { some_us: Some(16), full_us: Some(17) },
        memory_pressure: Pressure { some_us: Some(18), full_us: Some(19) },
        io_pressure: Pressure { some_us: Some(20), full_us: Some(u64::MAX) },
        ..at(5)
    };
    let sample = CgroupFigures::sample(None, &figures);
    assert_eq!(sample.timestamp.unix_nanos(), 5);
    let expected = [
        ("cpu_periods", 5),
        ("cpu_throttled_periods", 6),
        ("cpu_throttled_time", 7),
        ("cpu_time", 2),
        ("disk_read", 12),
        ("disk_write", 13),
        ("mem_cache", 300),
        ("mem_limit", 900),
        ("mem_peak", 850),
        ("mem_swap", 10),
        ("mem_usage", 800),
        ("mem_working_set", 600),
        ("net_rx", 14),
        ("net_tx", 15),
        ("pids", 11),
        ("psi_cpu_full", 17_000),
        ("psi_cpu_some", 16_000),
        ("psi_io_full", u64::MAX),
        ("psi_io_some", 20_000),
        ("psi_mem_full", 19_000),
        ("psi_mem_some", 18_000),
    ];
    assert_eq!(sample.metrics.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn percentages_are_cpu_time_over_time_on_the_clock() {
    let before = CgroupFigures {
        cpu_usage_ns: Some(100),
        cpu_user_ns: Some(70),
        cpu_kernel_ns: Some(30),
        ..at(1000)
    };
    let now = CgroupFigures {
        cpu_usage_ns: Some(3100),
        cpu_user_ns: Some(2070),
        cpu_kernel_ns: None,
        ..at(3000)
    };
    let sample = CgroupFigures::sample(Some(&before), &now);
    assert_eq!(sample.metrics.get(Metric::CpuTotal), Some(150));
    assert_eq!(sample.metrics.get(Metric::CpuUser), Some(100));
    assert_eq!(sample.metrics.get(Metric::CpuKernel), None);
}

#[test]
fn a_clock_that_nobody_sets_goes_first() {
    let before = CgroupFigures { monotonic_ns: Some(10), cpu_usage_ns: Some(0), ..at(1_000_000) };
    let now = CgroupFigures { monotonic_ns: Some(110), cpu_usage_ns: Some(50), ..at(0) };
    assert_eq!(cpu(Some(&before), &now), Some(50));
}

#[test]
fn without_a_reading_before_or_time_in_between_there_is_no_percentage() {
    let now = CgroupFigures { cpu_usage_ns: Some(50), ..at(1000) };
    let no_cpu = at(0);
    let later = CgroupFigures { cpu_usage_ns: Some(10), ..at(2000) };
    for before in [None, Some(&now), Some(&no_cpu), Some(&later)] {
        assert_eq!(cpu(before, &now), None, "{before:?}");
    }
}

#[test]
fn a_counter_that_went_back_gives_zero() {
    let before = CgroupFigures { cpu_usage_ns: Some(5000), ..at(0) };
    let now = CgroupFigures { cpu_usage_ns: Some(50), ..at(1000) };
    assert_eq!(cpu(Some(&before), &now), Some(0));
}
