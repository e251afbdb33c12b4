//! cgroup v2: one group with all controllers. Beside v1 it fills in what v1 has not.

use std::path::Path;

use longshore_driver_api::Result;
use longshore_stats::{CgroupFigures, Pressure};

use super::files::{Files, unintelligible};

/// Reads what the process's v2 group says, for the figures that are not there yet.
pub(crate) fn read(group: &Path, figures: &mut CgroupFigures) -> Result<()> {
    let files = Files(group);
    if let Some(stat) = files.keyed("cpu.stat")? {
        let nanoseconds = |key: &str| -> Result<Option<u64>> {
            Ok(stat.get(key)?.map(|microseconds| microseconds.saturating_mul(1000)))
        };
        if figures.cpu_usage_ns.is_none() {
            figures.cpu_usage_ns = nanoseconds("usage_usec")?;
            figures.cpu_user_ns = nanoseconds("user_usec")?;
            figures.cpu_kernel_ns = nanoseconds("system_usec")?;
        }
        if figures.cpu_periods.is_none() {
            figures.cpu_periods = stat.get("nr_periods")?;
            figures.cpu_throttled_periods = stat.get("nr_throttled")?;
            figures.cpu_throttled_ns = nanoseconds("throttled_usec")?;
        }
    }
    if figures.memory_usage.is_none() {
        memory(files, figures)?;
    }
    if figures.pids.is_none() {
        figures.pids = files.number("pids.current")?;
    }
    if figures.disk_read.is_none() {
        block_io(group, figures)?;
    }
    figures.cpu_pressure = pressure(group, "cpu.pressure")?;
    figures.memory_pressure = pressure(group, "memory.pressure")?;
    figures.io_pressure = pressure(group, "io.pressure")?;
    Ok(())
}

fn memory(files: Files<'_>, figures: &mut CgroupFigures) -> Result<()> {
    figures.memory_usage = files.number("memory.current")?;
    figures.memory_limit = files.number("memory.max")?;
    figures.memory_peak = files.number("memory.peak")?;
    figures.memory_swap = files.number("memory.swap.current")?;
    if let Some(stat) = files.keyed("memory.stat")? {
        figures.memory_cache = stat.get("file")?;
        figures.memory_inactive_file = stat.get("inactive_file")?;
    }
    Ok(())
}

/// Lines `major:minor rbytes=… wbytes=… …`, one for each device that was used.
fn block_io(group: &Path, figures: &mut CgroupFigures) -> Result<()> {
    const NAME: &str = "io.stat";
    let Some(text) = Files(group).text(NAME)? else { return Ok(()) };
    let (mut read, mut written) = (0_u64, 0_u64);
    for word in text.split_ascii_whitespace() {
        let (total, bytes) = match word.split_once('=') {
            Some(("rbytes", bytes)) => (&mut read, bytes),
            Some(("wbytes", bytes)) => (&mut written, bytes),
            _ => continue,
        };
        let bytes: u64 = bytes.parse().map_err(|_| unintelligible(&group.join(NAME)))?;
        *total = total.saturating_add(bytes);
    }
    figures.disk_read = Some(read);
    figures.disk_write = Some(written);
    Ok(())
}

/// Lines `some avg10=… avg60=… avg300=… total=…` and, for the same, `full`.
fn pressure(group: &Path, name: &str) -> Result<Pressure> {
    let mut pressure = Pressure::default();
    let Some(text) = Files(group).text(name)? else { return Ok(pressure) };
    for line in text.lines() {
        let place = match line.split_ascii_whitespace().next() {
            Some("some") => &mut pressure.some_us,
            Some("full") => &mut pressure.full_us,
            _ => continue,
        };
        let total = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="));
        let total = total.and_then(|digits| digits.parse().ok());
        *place = Some(total.ok_or_else(|| unintelligible(&group.join(name)))?);
    }
    Ok(pressure)
}
