//! Killing a process of a container from the host: one that the engine started and offers no way
//! to kill.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use longshore_driver_api::{Error, ErrorKind, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How often a session is looked at again for processes that were being started meanwhile.
const ROUNDS: u32 = 20;
/// How long a process that ends takes from leaving its control groups to being dead, at the most.
const ENDING: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// The capability to send signals to any process, by its number in capability sets.
const CAP_KILL: u32 = 5;

/// Whether a process is one of a container.
type Belongs = fn(Pid, &str) -> io::Result<bool>;

/// Whether this process can kill those of an engine's containers: it may signal any process, and
/// process ids mean the same to it and to the process `peer` that listens at the engine's socket.
///
/// A socket that somebody forwards from another host passes too. Therefore a process is always
/// looked at before it is killed: see [`ContainerProcess::open`].
#[must_use]
pub fn can_kill(peer: i32) -> bool {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let ours = namespace("self");
    peer > 0 && ours.is_some() && ours == namespace(&peer.to_string()) && may_signal()
}

/// Whether process ids may mean the same to this process and to the process `peer` that listens at
/// an engine's socket: not if it is in another pid namespace, as far as that can be seen.
#[must_use]
pub fn may_share_processes(peer: i32) -> bool {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let theirs = namespace(&peer.to_string());
    peer > 0 && theirs.is_none_or(|theirs| namespace("self") == Some(theirs))
}

fn may_signal() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    effective.is_some_and(|set| set >> CAP_KILL & 1 == 1)
}

/// A process of a container, held so that its id cannot come to mean another one.
#[derive(Debug)]
pub struct ContainerProcess {
    id: Pid,
    container: String,
    belongs: Belongs,
    // Held so that a signal reaches this process or none.
    file: OwnedFd,
}

impl ContainerProcess {
    /// Takes hold of a process, by its id on this host. `None`: there is none any more. One that has
    /// just died, and that nobody has noticed yet, is still held for what lives in its session.
    ///
    /// # Errors
    ///
    /// `NotFound` if the process is none of the container whose engine id is `container`: its
    /// control group does not have the id in its path. Then ids mean something else here than to
    /// the engine. `PermissionDenied` and `Io` if it cannot be looked at.
    pub fn open(process: u32, container: &str) -> Result<Option<Self>> {
        Self::open_if(process, container, belongs)
    }

    fn open_if(process: u32, container: &str, belongs: Belongs) -> Result<Option<Self>> {
        let id = i32::try_from(process).ok().and_then(Pid::from_raw);
        let Some(id) = id else { return Ok(None) };
        let file = match pidfd_open(id, PidfdFlags::empty()) {
            Ok(file) => file,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(failed(id, error.into())),
        };
        let found = belongs(id, container);
        if !matches!(found, Ok(true)) && has_ended(&file).map_err(|error| failed(id, error))? {
            // It has left its container's control group. What is in its session may live, and each of
            // that is looked at by itself.
            return Ok(Some(Self { id, container: container.to_owned(), belongs, file }));
        }
        match found {
            Ok(true) => Ok(Some(Self { id, container: container.to_owned(), belongs, file })),
            Ok(false) => Err(Error::new(ErrorKind::NotFound, "kill").message(format!(
                "process {process} is none of container {container} on this host"
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(id, error)),
        }
    }

    /// Kills the process, and those of its container that are in the session that it leads. One
    /// that has ended is no error. What has left the session is not found.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the process may not be signalled; `Busy` if its session starts new
    /// processes faster than they are found.
    pub fn kill_session(&self) -> Result<()> {
        signal(&self.file).map_err(|error| failed(self.id, error))?;
        // One that was killed starts nothing more, and may take its time to go: in a frozen container
        // until that goes on.
        let mut killed = BTreeSet::new();
        for _ in 0..ROUNDS {
            let members = self.members().map_err(|error| failed(self.id, error))?;
            let mut is_new = false;
            for (id, file) in members {
                signal(&file).map_err(|error| failed(id, error))?;
                is_new |= killed.insert(id.as_raw_nonzero());
            }
            if !is_new {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Busy, "kill").message(format!(
            "the session of process {} starts processes faster than they can be killed",
            self.id.as_raw_nonzero()
        )))
    }

    /// What lives in the session, the leader aside.
    fn members(&self) -> io::Result<Vec<(Pid, OwnedFd)>> {
        let mut members = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let Some(id) = id.filter(|id| *id != self.id && self.has(*id)) else { continue };
            let Ok(file) = pidfd_open(id, PidfdFlags::empty()) else { continue };
            // Asked again: now the id cannot come to mean another process.
            if self.has(id) && (self.belongs)(id, &self.container).unwrap_or(false) {
                members.push((id, file));
            }
        }
        Ok(members)
    }

    /// Whether a process lives in the session.
    fn has(&self, id: Pid) -> bool {
        session(id) == Some(self.id.as_raw_nonzero().get())
    }
}

/// The session of a process that lives; the fields are described in proc_pid_stat(5).
fn session(id: Pid) -> Option<i32> {
    let text = fs::read(format!("/proc/{}/stat", id.as_raw_nonzero())).ok()?;
    let text = String::from_utf8_lossy(&text);
    // The program's name is in parentheses and may hold anything, parentheses too.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let session = fields.nth(2)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(session)
}

fn belongs(id: Pid, container: &str) -> io::Result<bool> {
    let path = format!("/proc/{}/cgroup", id.as_raw_nonzero());
    let groups = fs::read_to_string(Path::new(&path))?;
    // A part of a name would do for an engine that wraps the id, as in `docker-ID.scope`.
    Ok(container.len() >= 12 && groups.contains(container))
}

/// Whether the process is dead, or is so in a moment: one that ends is in no control group of its
/// container's any more before it is dead.
fn has_ended(file: &OwnedFd) -> io::Result<bool> {
    let mut ends = [PollFd::new(file, PollFlags::IN)];
    // A signal that this process handles interrupts it.
    Ok(retry_on_intr(|| poll(&mut ends, Some(&ENDING)))? > 0)
}

fn signal(file: &OwnedFd) -> io::Result<()> {
    match pidfd_send_signal(file, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn failed(id: Pid, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Io,
    };
    Error::new(kind, "kill")
        .message(format!("process {}: {error}", id.as_raw_nonzero()))
        .because(error)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn child(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        command.process_group(0);
        command.spawn().unwrap()
    }

    /// A shell that leads a session of its own, and its child, whose id it has written. Nothing of them
    /// holds this test's stderr.
    fn session_of(script: &str) -> (Child, Pid) {
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (child, Pid::from_raw(line.trim().parse().unwrap()).unwrap())
    }

    /// Waits until a process lives no more, whether or not its parent has noticed.
    fn ends(id: Pid) {
        let begun = std::time::Instant::now();
        while session(id).is_some() {
            assert!(begun.elapsed().as_secs() < 60, "{id:?} lives");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    #[test]
    fn a_process_of_another_container_is_not_touched() {
        // In the shell's place, so that nothing is left when it is killed.
        let mut child = child("exec sleep 60");
        let error = ContainerProcess::open(child.id(), &"f".repeat(64)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        // Nor one whose container's id is too short to prove anything.
        assert!(ContainerProcess::open(child.id(), "").is_err());
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_has_ended_is_none() {
        let mut child = child("exit 0");
        child.wait().unwrap();
        assert!(ContainerProcess::open(child.id(), &"f".repeat(64)).unwrap().is_none());
        assert!(ContainerProcess::open(0, &"f".repeat(64)).unwrap().is_none());
    }

    #[test]
    fn what_a_dead_process_leaves_in_its_session_is_killed() {
        let (mut child, left) = session_of("sleep 600 & echo $!");
        // Dead, and its parent has not noticed: the kernel says of it that it is in no container.
        let leader = i32::try_from(child.id()).unwrap();
        ends(Pid::from_raw(leader).unwrap());
        let others: Belongs = |id, leader| Ok(id.as_raw_nonzero().to_string() != leader);
        let process = ContainerProcess::open_if(child.id(), &leader.to_string(), others);
        process.unwrap().unwrap().kill_session().unwrap();
        ends(left);
        child.wait().unwrap();
    }

    #[test]
    fn a_process_is_killed_with_its_session() {
        let (mut child, grandchild) = session_of("sleep 600 & echo $!; wait");
        assert_eq!(session(grandchild), i32::try_from(child.id()).ok());
        let process =
            ContainerProcess::open_if(child.id(), "any", |_, _| Ok(true)).unwrap().unwrap();
        process.kill_session().unwrap();
        assert!(!child.wait().unwrap().success());
        // It was killed; that it has gone is not waited for.
        ends(grandchild);
        process.kill_session().unwrap();
    }

    #[test]
    fn another_pid_namespace_or_nobody_cannot_be_killed_in() {
        assert!(!can_kill(0));
        assert!(!can_kill(-1));
        assert!(!may_share_processes(0) && !may_share_processes(-1));
        assert!(may_share_processes(i32::try_from(std::process::id()).unwrap()));
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(can_kill(own), may_signal());
    }
}
