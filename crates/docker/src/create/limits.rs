//! How much a task may use.

use bollard::models::{HostConfig, ResourcesUlimits};
use longshore_driver_api::{ByteSize, Cpus, Limits};

use super::signed;

/// The usual period of the CPU quota in microseconds.
const PERIOD: i64 = 100_000;
/// The longest period: with it, a quota of one thousandth of a CPU is not below the kernel's least.
const LONG_PERIOD: i64 = 1_000_000;
/// The least quota that the kernel takes, in microseconds.
const LEAST_QUOTA: i64 = 1_000;

pub(super) fn fill(limits: &Limits, host: &mut HostConfig) {
    host.memory = limits.memory.map(signed);
    // The engine counts memory and swap together; equal numbers mean no swap.
    host.memory_swap = limits.memory.map(|memory| {
        let swap = limits.swap.map_or(0, ByteSize::bytes);
        i64::try_from(memory.bytes().saturating_add(swap)).unwrap_or(i64::MAX)
    });
    host.memory_reservation = limits.memory_reservation.map(signed);
    if let Some(cpus) = limits.cpus {
        let (quota, period) = quota(cpus);
        host.cpu_quota = Some(quota);
        host.cpu_period = Some(period);
    }
    host.cpu_shares = limits.cpu_shares.map(i64::from);
    host.cpuset_cpus.clone_from(&limits.cpuset);
    host.pids_limit = limits.pids.map(i64::from);
    host.storage_opt =
        limits.fs_size.map(|size| [("size".to_owned(), size.bytes().to_string())].into());
    host.shm_size = limits.shm_size.map(signed);
    let ulimits: Vec<ResourcesUlimits> = limits
        .ulimits
        .iter()
        .map(|(name, limit)| ResourcesUlimits {
            name: Some(name.clone()),
            soft: Some(or_unlimited(limit.soft)),
            hard: Some(or_unlimited(limit.hard)),
        })
        .collect();
    host.ulimits = (!ulimits.is_empty()).then_some(ulimits);
}

/// The CPU quota and its period, in microseconds.
fn quota(cpus: Cpus) -> (i64, i64) {
    let of = |period: i64| i64::from(cpus.as_milli()) * period / 1000;
    let usual = of(PERIOD);
    if usual < LEAST_QUOTA { (of(LONG_PERIOD), LONG_PERIOD) } else { (usual, PERIOD) }
}

/// What does not fit the engine's signed number is beyond any limit: -1 stands for none.
fn or_unlimited(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(-1)
}
