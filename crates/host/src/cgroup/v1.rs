//! cgroup v1: a hierarchy per controller, each file with its own unit.

use std::path::Path;

use longshore_driver_api::Result;
use longshore_stats::CgroupFigures;

use super::files::{Files, unintelligible};
use super::locate::Groups;

/// The kernel writes the largest number of pages for no limit; no machine comes near.
const NO_LIMIT: u64 = 1 << 62;
/// The first counts descendants, too; older kernels have the second alone. Newer ones count there only
/// where something is throttled, and else only what goes through the scheduler of the third.
const BLOCK_IO: [&str; 3] = [
    "blkio.throttle.io_service_bytes_recursive",
    "blkio.throttle.io_service_bytes",
    "blkio.bfq.io_service_bytes_recursive",
];

/// Reads what the process's v1 groups say.
pub(crate) fn read(groups: &Groups, figures: &mut CgroupFigures) -> Result<()> {
    if let Some(group) = &groups.cpuacct {
        let files = Files(group);
        figures.cpu_usage_ns = files.number("cpuacct.usage")?;
        figures.cpu_user_ns = files.number("cpuacct.usage_user")?;
        figures.cpu_kernel_ns = files.number("cpuacct.usage_sys")?;
    }
    if let Some(group) = &groups.cpu
        && let Some(stat) = Files(group).keyed("cpu.stat")?
    {
        figures.cpu_periods = stat.get("nr_periods")?;
        figures.cpu_throttled_periods = stat.get("nr_throttled")?;
        figures.cpu_throttled_ns = stat.get("throttled_time")?;
    }
    if let Some(group) = &groups.memory {
        let files = Files(group);
        figures.memory_usage = files.number("memory.usage_in_bytes")?;
        figures.memory_peak = files.number("memory.max_usage_in_bytes")?;
        let limit = files.number("memory.limit_in_bytes")?;
        figures.memory_limit = limit.filter(|limit| *limit < NO_LIMIT);
        if let Some(stat) = files.keyed("memory.stat")? {
            figures.memory_cache = stat.get("total_cache")?;
            figures.memory_inactive_file = stat.get("total_inactive_file")?;
            figures.memory_swap = stat.get("total_swap")?;
        }
    }
    if let Some(group) = &groups.pids {
        figures.pids = Files(group).number("pids.current")?;
    }
    if let Some(group) = &groups.blkio {
        block_io(group, figures)?;
    }
    Ok(())
}

/// Lines `major:minor operation bytes`, then a line `Total bytes`. That alone tells nothing: a kernel
/// that keeps no account writes it too.
fn block_io(group: &Path, figures: &mut CgroupFigures) -> Result<()> {
    for name in BLOCK_IO {
        let Some(text) = Files(group).text(name)? else { continue };
        let (mut read, mut written, mut is_counted) = (0_u64, 0_u64, false);
        for line in text.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, operation, bytes] = words[..] else { continue };
            let total = match operation {
                "Read" => &mut read,
                "Write" => &mut written,
                _ => continue,
            };
            let bytes: u64 = bytes.parse().map_err(|_| unintelligible(&group.join(name)))?;
            *total = total.saturating_add(bytes);
            is_counted = true;
        }
        if is_counted {
            figures.disk_read = Some(read);
            figures.disk_write = Some(written);
            return Ok(());
        }
    }
    Ok(())
}
