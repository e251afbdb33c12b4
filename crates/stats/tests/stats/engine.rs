//! Engines' statistics: Docker 20.10 on cgroup v1 (recorded), Docker 26 on cgroup v2 and Podman (in
//! their shape).

use longshore_stats::{EngineStats, Metrics, Sample};

fn entries(lines: &str) -> Vec<EngineStats> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn docker_v1() -> Vec<EngineStats> {
    entries(include_str!("../data/engine/docker-20.10-cgroup-v1.jsonl"))
}

fn docker_v2() -> Vec<EngineStats> {
    entries(include_str!("../data/engine/docker-26-cgroup-v2.jsonl"))
}

fn podman() -> Vec<EngineStats> {
    entries(include_str!("../data/engine/podman-4-cgroup-v2.jsonl"))
}

fn alone(stats: &EngineStats) -> Sample {
    EngineStats::sample(None, stats).unwrap()
}

fn metrics<const N: usize>(named: [(&str, u64); N]) -> Metrics {
    named.into_iter().collect()
}

/// Total, user, kernel.
fn cpu(sample: &Sample) -> [Option<u64>; 3] {
    ["cpu_total", "cpu_user", "cpu_kernel"].map(|name| sample.metrics.get_named(name))
}

#[test]
fn docker_on_cgroup_v1() {
    let sample = alone(&docker_v1()[1]);
    assert_eq!(sample.timestamp.to_string(), "2026-11-20T19:35:34.059Z");
    let expected = metrics([
        ("cpu_kernel", 1),
        ("cpu_periods", 23),
        ("cpu_throttled_periods", 0),
        ("cpu_throttled_time", 0),
        ("cpu_time", 400_196_908),
        ("cpu_total", 18),
        ("cpu_user", 17),
        ("mem_cache", 9_125_888),
        ("mem_limit", 67_108_864),
        ("mem_peak", 9_551_872),
        ("mem_usage", 9_502_720),
        ("mem_working_set", 376_832),
        ("net_rx", 2138),
        ("net_tx", 4870),
        ("pids", 1),
    ]);
    assert_eq!(sample.metrics, expected);
}

#[test]
fn docker_on_cgroup_v2() {
    let sample = alone(&docker_v2()[1]);
    let expected = metrics([
        ("cpu_kernel", 29),
        ("cpu_periods", 50),
        ("cpu_throttled_periods", 5),
        ("cpu_throttled_time", 131_000_000),
        ("cpu_time", 2_500_000_000),
        ("cpu_total", 149),
        ("cpu_user", 119),
        ("disk_read", 16_384),
        ("disk_write", 1_048_576),
        ("mem_cache", 58_720_256),
        ("mem_limit", 268_435_456),
        ("mem_usage", 88_080_384),
        ("mem_working_set", 35_651_584),
        ("net_rx", 1031),
        ("net_tx", 507),
        ("pids", 7),
    ]);
    assert_eq!(sample.metrics, expected);
}

#[test]
fn podman_counts_only_busy_time_so_the_clock_decides() {
    for stats in podman() {
        // 2.5 s in 5 s. By the formula for Docker it would be 666.
        assert_eq!(cpu(&alone(&stats)), [Some(50), Some(40), Some(10)]);
    }
    let sample = alone(&podman()[0]);
    let expected = metrics([
        ("disk_read", 122_880),
        ("disk_write", 4096),
        ("mem_usage", 12_582_912),
        ("net_rx", 1234),
        ("net_tx", 567),
    ]);
    for (name, value) in expected.iter() {
        assert_eq!(sample.metrics.get_named(name), Some(value), "{name}");
    }
    for name in ["mem_peak", "mem_cache", "mem_working_set"] {
        assert_eq!(sample.metrics.get_named(name), None, "{name}: the engine does not tell");
    }
}

#[test]
fn the_first_entry_has_no_percentages() {
    for first in [&docker_v1()[0], &docker_v2()[0]] {
        let sample = alone(first);
        assert_eq!(cpu(&sample), [None; 3]);
        assert!(sample.metrics.get_named("cpu_time").is_some());
    }
}

#[test]
fn the_entry_that_is_handed_in_is_compared_with_rather_than_the_one_brought_along() {
    let entries = docker_v1();
    let over_both = EngineStats::sample(Some(&entries[0]), &entries[2]).unwrap();
    // 361 867 721 ns of 3 990 000 000 on two CPUs.
    assert_eq!(cpu(&over_both), [Some(18), Some(16), Some(1)]);
    assert_eq!(
        EngineStats::sample(Some(&entries[1]), &entries[2]),
        EngineStats::sample(None, &entries[2])
    );
}

#[test]
fn a_container_that_does_not_run_gives_no_sample() {
    assert_eq!(EngineStats::sample(None, &docker_v1()[3]), None);
    assert_eq!(EngineStats::sample(None, &EngineStats::default()), None);
}

#[test]
fn without_a_network_of_its_own_there_are_no_network_metrics() {
    let stats: EngineStats =
        serde_json::from_str(include_str!("../data/engine/docker-20.10-no-network.json")).unwrap();
    assert_eq!(alone(&stats).metrics.get_named("net_rx"), None);
    assert_eq!(alone(&stats).metrics.get_named("mem_limit"), Some(25_276_502_016));
}

#[test]
fn an_empty_list_of_block_devices_is_not_taken_for_zero() {
    // Recorded while the container wrote 8 MiB to disk: the kernel kept no account.
    assert_eq!(alone(&docker_v1()[0]).metrics.get_named("disk_write"), None);
    assert_eq!(alone(&docker_v2()[0]).metrics.get_named("disk_write"), None);
}

#[test]
fn the_number_of_cpus_is_told_or_counted_or_not_needed() {
    let with = |change: fn(&mut EngineStats)| {
        let mut stats = docker_v1()[1].clone();
        change(&mut stats);
        cpu(&alone(&stats))[0]
    };
    let counted = with(|stats| stats.cpu_stats.as_mut().unwrap().online_cpus = None);
    let zero = with(|stats| stats.cpu_stats.as_mut().unwrap().online_cpus = Some(0));
    let by_clock = with(|stats| {
        let cpu = stats.cpu_stats.as_mut().unwrap();
        cpu.online_cpus = None;
        cpu.cpu_usage.as_mut().unwrap().percpu_usage = None;
    });
    let no_system = with(|stats| stats.cpu_stats.as_mut().unwrap().system_cpu_usage = None);
    assert_eq!([counted, zero, by_clock, no_system], [Some(18); 4]);
    let nothing = with(|stats| {
        stats.cpu_stats.as_mut().unwrap().system_cpu_usage = None;
        stats.preread = None;
    });
    assert_eq!(nothing, None);
}

#[test]
fn without_moments_the_system_figure_alone_is_used() {
    let mut stats = podman()[0].clone();
    stats.preread = None;
    assert_eq!(cpu(&alone(&stats))[0], Some(666));
}

#[test]
fn counters_that_go_back_give_zero() {
    let restarted = |change: fn(&mut EngineStats)| {
        let mut stats = docker_v2()[1].clone();
        change(&mut stats);
        cpu(&alone(&stats))
    };
    let container = restarted(|stats| {
        let usage = stats.cpu_stats.as_mut().unwrap().cpu_usage.as_mut().unwrap();
        (usage.total_usage, usage.usage_in_usermode, usage.usage_in_kernelmode) =
            (Some(5), Some(3), Some(2));
    });
    assert_eq!(container, [Some(0); 3]);
    let system = restarted(|stats| stats.cpu_stats.as_mut().unwrap().system_cpu_usage = Some(1));
    assert_eq!(system, [Some(0); 3]);
}

#[test]
fn a_clock_that_is_set_back_changes_nothing_where_the_system_figure_is_there() {
    let mut stats = docker_v2()[1].clone();
    stats.preread = stats.read;
    assert_eq!(cpu(&alone(&stats))[0], Some(149));
    stats.preread = Some("2027-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(cpu(&alone(&stats))[0], Some(149));
}

#[test]
fn missing_null_and_unknown_fields_are_no_error() {
    let nulls = r#"{"read":"2026-01-01T00:00:00Z","preread":null,"cpu_stats":null,"precpu_stats":null,"memory_stats":null,
        "networks":null,"blkio_stats":null,"pids_stats":null,"gpu_stats":[1]}"#;
    let inner = r#"{"read":"2026-01-01T00:00:00Z","cpu_stats":{"cpu_usage":null,"throttling_data":null},"precpu_stats":{},
        "memory_stats":{"stats":null,"limit":0},"networks":{"eth0":{"rx_bytes":null}},"blkio_stats":{},"pids_stats":{}}"#;
    for (json, expected) in [(nulls, metrics([])), (inner, metrics([("net_rx", 0), ("net_tx", 0)]))]
    {
        assert_eq!(alone(&serde_json::from_str(json).unwrap()).metrics, expected);
    }
}

#[test]
fn sums_stop_at_the_largest_number() {
    let json = r#"{"read":"2026-01-01T00:00:00Z",
        "networks":{"a":{"rx_bytes":18446744073709551615,"tx_bytes":1},"b":{"rx_bytes":1,"tx_bytes":2}},
        "blkio_stats":{"io_service_bytes_recursive":[{"op":"READ","value":18446744073709551615},{"op":"Read","value":9},{"op":"Sync","value":3},{"op":"write"}]},
        "memory_stats":{"usage":5,"max_usage":4,"stats":{"inactive_file":6,"cache":6}}}"#;
    let expected = metrics([
        ("disk_read", u64::MAX),
        ("disk_write", 0),
        ("mem_cache", 6),
        ("mem_usage", 5),
        ("mem_working_set", 0),
        ("net_rx", u64::MAX),
        ("net_tx", 3),
    ]);
    assert_eq!(alone(&serde_json::from_str(json).unwrap()).metrics, expected);
}
