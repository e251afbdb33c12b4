//! A process, told from a later one with the same id by its start time.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, getpid, test_kill_process};
use rustix::time::{ClockId, clock_gettime};

use crate::domain::UnknownLeaseDomain;

const ABSENT: &str = "none";
/// The host's first process, which listens for those that it starts when they are asked for.
const FIRST: i32 = 1;

/// A process id and when that process started, in the kernel's ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: i32,
    pub(crate) start: Option<u64>,
}

/// A word for the process with this id on this host if it runs `program` (as `/proc/ID/comm` tells,
/// at most 15 bytes of its name): no other process has the same word until the machine is started
/// anew. `None`: it runs something else, or cannot be seen.
#[must_use]
pub fn running_program(process: i32, program: &str) -> Option<String> {
    let root = Path::new("/");
    let name = fs::read_to_string(root.join(format!("proc/{process}/comm"))).ok()?;
    let start = stat(root, &process.to_string())?.start;
    (name.trim_end() == program).then(|| format!("{process}-{start}"))
}

/// A moment on the clock by which the kernel dates the begin of processes: it goes on while the
/// machine is suspended, and nobody sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        // The clock begins at zero.
        Self(Duration::try_from(now).unwrap_or_default())
    }

    /// The moment that was so long before this one.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by))
    }

    /// How long ago it was, time that the machine slept included; nothing if it is yet to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// Whether the process with this id on this host runs `program` (as [`running_program`] has it) and
/// has begun after `moment`, so that it cannot have been asked for anything before. `false` too
/// where that cannot be seen, or is less than a tick of the kernel's ago (10 ms).
#[must_use]
pub fn began_after(process: i32, program: &str, moment: Moment) -> bool {
    let root = Path::new("/");
    let Some(start) = Process::start_of(root, process.unsigned_abs()) else { return false };
    // It is rounded down: the process began then or later.
    let began = Duration::from_millis(start.saturating_mul(1000) / clock_ticks_per_second());
    process > 0 && running_program(process, program).is_some() && began > moment.0
}

/// Whether the process with this id on this host runs `program` (as [`running_program`] has it) and
/// began before `moment`. Where it is the host's first process, which may listen for another, that is
/// said of all processes that run `program`. `false` too where that cannot be seen, or is less than a
/// tick of the kernel's (10 ms) apart.
#[must_use]
pub fn began_before(process: i32, program: &str, moment: Moment) -> bool {
    let root = Path::new("/");
    let runs = |process: &i32| running_program(*process, program).is_some();
    let began = |process: i32| {
        let Some(start) = Process::start_of(root, process.unsigned_abs()) else { return false };
        // It is rounded down: the process had begun by the next.
        let ticks = start.saturating_add(1).saturating_mul(1000);
        Duration::from_millis(ticks.div_ceil(clock_ticks_per_second())) < moment.0
    };
    if process == FIRST && !runs(&process) {
        let all: Vec<i32> = all_processes(root).into_iter().filter(runs).collect();
        return !all.is_empty() && all.into_iter().all(began);
    }
    process > 0 && runs(&process) && began(process)
}

fn all_processes(root: &Path) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(root.join("proc")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Alive,
    Gone,
    Unknown,
}

impl Process {
    /// This process.
    pub(crate) fn current(root: &Path) -> Self {
        let start = stat(root, "self").map(|stat| stat.start);
        Self { id: getpid().as_raw_nonzero().get(), start }
    }

    /// When the process with this id started; none if there is none.
    pub(crate) fn start_of(root: &Path, process: u32) -> Option<u64> {
        stat(root, &process.to_string()).map(|stat| stat.start)
    }

    /// Whether the process lives; its id must mean the same here as where it was read.
    pub(crate) fn state(&self, root: &Path) -> State {
        // Zero and less do not name one process.
        let Some(id) = (self.id > 0).then(|| Pid::from_raw(self.id)).flatten() else {
            return State::Unknown;
        };
        // Another user's process is found by this as well, though /proc may hide it.
        if test_kill_process(id) == Err(Errno::SRCH) {
            return State::Gone;
        }
        match (stat(root, &self.id.to_string()), self.start) {
            (Some(now), Some(start)) if now.start != start => State::Gone,
            (Some(now), Some(_)) if now.is_dead => State::Gone,
            (Some(_), Some(_)) => State::Alive,
            _ => State::Unknown,
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start {
            Some(start) => write!(f, "{}-{start}", self.id),
            None => write!(f, "{}-{ABSENT}", self.id),
        }
    }
}

impl FromStr for Process {
    type Err = UnknownLeaseDomain;

    fn from_str(text: &str) -> Result<Self, UnknownLeaseDomain> {
        let (id, start) = text.split_once('-').ok_or(UnknownLeaseDomain)?;
        let start = match start {
            ABSENT => None,
            digits => Some(digits.parse().map_err(|_| UnknownLeaseDomain)?),
        };
        Ok(Self { id: id.parse().map_err(|_| UnknownLeaseDomain)?, start })
    }
}

struct Stat {
    start: u64,
    is_dead: bool,
}

/// Reads `/proc/<pid>/stat`, whose fields are described in proc_pid_stat(5).
fn stat(root: &Path, process: &str) -> Option<Stat> {
    let text = fs::read(root.join("proc").join(process).join("stat")).ok()?;
    parse(&String::from_utf8_lossy(&text))
}

fn parse(text: &str) -> Option<Stat> {
    // The program's name is in parentheses and may hold anything, parentheses too.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // After the name come field 3, the state; field 20, the threads; field 22, the start time.
    let (state, threads, start) = (*fields.first()?, *fields.get(17)?, *fields.get(19)?);
    // A zombie whose threads are all gone only waits for its parent.
    let is_dead = matches!(state, "Z" | "X") && threads.parse::<u64>().ok()? <= 1;
    Some(Stat { start: start.parse().ok()?, is_dead })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    const ROOT: &str = "/";

    fn child() -> (std::process::Child, Process) {
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let child = child.unwrap();
        let id = i32::try_from(child.id()).unwrap();
        let start = stat(Path::new(ROOT), &id.to_string()).unwrap().start;
        (child, Process { id, start: Some(start) })
    }

    #[test]
    fn a_program_is_known_again_and_not_taken_for_another() {
        let (mut cat, process) = child();
        // Until it has become the program, it goes by the name of this one.
        let word = loop {
            if let Some(word) = running_program(process.id, "cat") {
                break word;
            }
            std::thread::yield_now();
        };
        assert_eq!(word, process.to_string());
        assert_eq!(running_program(process.id, "dockerd"), None);
        cat.kill().unwrap();
        cat.wait().unwrap();
        assert_eq!(running_program(process.id, "cat"), None);
    }

    #[test]
    fn a_process_has_begun_after_a_moment_that_it_could_not_see() {
        let before = Moment::now();
        // Ticks of the kernel's are coarse.
        std::thread::sleep(Duration::from_millis(30));
        let (mut cat, process) = child();
        while running_program(process.id, "cat").is_none() {
            std::thread::yield_now();
        }
        assert!(began_after(process.id, "cat", before));
        assert!(!began_after(process.id, "cat", Moment::now()));
        assert!(!began_after(process.id, "dockerd", before));
        assert!(!began_after(-process.id, "cat", before));
        let after = Moment::now().before(Duration::ZERO);
        std::thread::sleep(Duration::from_millis(30));
        let later = Moment::now();
        assert!(began_before(process.id, "cat", later));
        assert!(!began_before(process.id, "cat", before));
        assert!(!began_before(process.id, "cat", after.before(Duration::from_secs(1))));
        assert!(!began_before(process.id, "dockerd", later));
        assert!(!began_before(-process.id, "cat", later));
        // Whoever the first process listens for is among all who run that.
        assert!(!began_before(FIRST, "cat", before));
        assert!(!began_before(FIRST, "no such program", later));
        cat.kill().unwrap();
        cat.wait().unwrap();
        assert!(!began_after(process.id, "cat", before));
    }

    #[test]
    fn this_process_is_alive() {
        let current = Process::current(Path::new(ROOT));
        assert!(current.start.is_some());
        assert_eq!(current.state(Path::new(ROOT)), State::Alive);
    }

    #[test]
    fn a_child_is_alive_then_a_zombie_then_gone() {
        let (mut child, process) = child();
        assert_eq!(process.state(Path::new(ROOT)), State::Alive);
        child.kill().unwrap();
        // The child is not waited for: it becomes a zombie, which is gone as an owner.
        while process.state(Path::new(ROOT)) != State::Gone {
            std::thread::yield_now();
        }
        assert!(Path::new(&format!("/proc/{}", process.id)).exists());
        child.wait().unwrap();
        assert_eq!(process.state(Path::new(ROOT)), State::Gone);
    }

    #[test]
    fn a_later_process_with_the_same_id_is_not_taken_for_the_former() {
        let mut process = Process::current(Path::new(ROOT));
        process.start = process.start.map(|start| start + 1);
        assert_eq!(process.state(Path::new(ROOT)), State::Gone);
    }

    #[test]
    fn without_a_start_time_a_living_process_proves_nothing() {
        let mut process = Process::current(Path::new(ROOT));
        process.start = None;
        assert_eq!(process.state(Path::new(ROOT)), State::Unknown);
        assert_eq!(Process { id: -1, start: Some(1) }.state(Path::new(ROOT)), State::Unknown);
        let nowhere = tempfile::tempdir().unwrap();
        assert_eq!(Process::current(Path::new(ROOT)).state(nowhere.path()), State::Unknown);
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_is_no_trouble() {
        let text = "7 (a) b (c)) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 424242 0 0\n";
        let stat = parse(text).unwrap();
        assert_eq!((stat.start, stat.is_dead), (424_242, false));
        assert!(parse("7 (a").is_none());
    }

    #[test]
    fn a_zombie_leader_with_living_threads_is_not_dead() {
        let stat =
            |threads: u32| format!("7 (a) Z 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 9 0");
        assert!(!parse(&stat(2)).unwrap().is_dead);
        assert!(parse(&stat(1)).unwrap().is_dead);
    }
}
