//! Processes of this machine, from `/proc`.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) state: char,
    /// The arguments, with spaces between them; the bare name where there are none.
    pub(crate) command: String,
}

/// All processes that can be seen; one that ends meanwhile is left out.
pub(crate) fn all() -> Result<Vec<Process>> {
    let entries = fs::read_dir("/proc").context("read /proc")?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(one).collect())
}

pub(crate) fn one(pid: i32) -> Option<Process> {
    let dir = Path::new("/proc").join(pid.to_string());
    let arguments = fs::read(dir.join("cmdline")).ok()?;
    parse(&fs::read_to_string(dir.join("stat")).ok()?, &arguments)
}

fn parse(stat: &str, arguments: &[u8]) -> Option<Process> {
    // The name stands in brackets and may itself hold brackets and spaces.
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let arguments = String::from_utf8_lossy(arguments);
    let arguments = arguments.trim_end_matches('\0').replace('\0', " ");
    Some(Process {
        pid: pid.parse().ok()?,
        parent: fields.next()?.parse().ok()?,
        state,
        command: if arguments.is_empty() { name.to_owned() } else { arguments },
    })
}

/// Ends the process: politely, then after `grace` by force; without any grace by force alone, since an
/// engine that is asked begins at once to end its containers. Returns when it is gone.
pub(crate) fn end(pid: i32, grace: Duration) -> Result<()> {
    let Some(target) = Pid::from_raw(pid) else {
        return Ok(());
    };
    // The errors are those of a process that has just ended.
    if !grace.is_zero() {
        let _ = kill_process(target, Signal::TERM);
    }
    if grace.is_zero() || !wait_gone(pid, grace) {
        let _ = kill_process(target, Signal::KILL);
        let gone = wait_gone(pid, Duration::from_secs(10));
        anyhow::ensure!(gone, "process {pid} survives SIGKILL");
    }
    Ok(())
}

/// A zombie is gone: only its parent still has to notice.
fn wait_gone(pid: i32, bound: Duration) -> bool {
    let start = Instant::now();
    loop {
        if one(pid).is_none_or(|process| process.state == 'Z') {
            return true;
        }
        if start.elapsed() > bound {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_is_read() {
        let process = parse("12 (a) (b c) S 3 12 12 0", b"/bin/a\0--x\0").unwrap();
        assert_eq!((process.pid, process.parent, process.state), (12, 3, 'S'));
        assert_eq!(process.command, "/bin/a --x");
        assert_eq!(parse("2 (kthreadd) S 0 0", b"").unwrap().command, "kthreadd");
        assert_eq!(parse("", b""), None);
    }

    /// A shell that has set this trap for `SIGTERM`; what it writes then comes after "ready".
    fn trapping(what: &str) -> std::process::Child {
        let script = format!("trap '{what}' TERM; echo ready; while :; do :; done");
        let mut child = std::process::Command::new("sh")
            .args(["-c", &script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        child
    }

    #[test]
    fn a_process_that_ignores_sigterm_is_ended_by_force() {
        let mut child = trapping("");
        end(i32::try_from(child.id()).unwrap(), Duration::from_millis(100)).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }

    #[test]
    fn without_grace_a_process_is_not_asked() {
        // It would end at once, of itself.
        let mut child = trapping("exit 3");
        end(i32::try_from(child.id()).unwrap(), Duration::ZERO).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }
}
