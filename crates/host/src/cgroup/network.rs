//! What went over a process's network namespace.

use std::fs;
use std::io;
use std::path::Path;

use longshore_driver_api::Result;
use longshore_stats::CgroupFigures;
use rustix::io::Errno;

use super::files::{unintelligible, unreadable};
use crate::process::Process;

/// The columns after the interface's name, as in proc_pid_net(5).
const RECEIVED: usize = 0;
const SENT: usize = 8;

/// Reads the bytes of a process's network interfaces, unless the process has ended or shares this
/// process's network, which would be the host's.
pub(crate) fn read(
    root: &Path,
    process: u32,
    start: Option<u64>,
    figures: &mut CgroupFigures,
) -> Result<()> {
    let proc = root.join("proc");
    let of_process = proc.join(process.to_string());
    let namespace = |of: &Path| fs::read_link(of.join("ns/net"));
    match (namespace(&of_process), namespace(&proc.join("self"))) {
        (Ok(theirs), Ok(ours)) if theirs != ours => {}
        // Another user's process does not show its namespaces.
        _ => return Ok(()),
    }
    let path = of_process.join("net/dev");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) if has_ended(&cause) => return Ok(()),
        Err(cause) => return Err(unreadable(&path, cause)),
    };
    // The id may be another process's by now.
    if Process::start_of(root, process) != start {
        return Ok(());
    }
    let (received, sent) = sum(&text).ok_or_else(|| unintelligible(&path))?;
    figures.net_rx = Some(received);
    figures.net_tx = Some(sent);
    Ok(())
}

fn has_ended(cause: &io::Error) -> bool {
    matches!(Errno::from_io_error(cause), Some(Errno::NOENT | Errno::SRCH | Errno::INVAL))
}

/// The bytes received and sent over all interfaces but the loopback.
fn sum(text: &str) -> Option<(u64, u64)> {
    let (mut received, mut sent) = (0_u64, 0_u64);
    // Two lines of headings.
    for line in text.lines().skip(2) {
        let (name, columns) = line.rsplit_once(':')?;
        let columns: Vec<&str> = columns.split_ascii_whitespace().collect();
        let column = |index: usize| columns.get(index)?.parse::<u64>().ok();
        let (one_received, one_sent) = (column(RECEIVED)?, column(SENT)?);
        if name.trim() != "lo" {
            received = received.saturating_add(one_received);
            sent = sent.saturating_add(one_sent);
        }
    }
    Some((received, sent))
}
