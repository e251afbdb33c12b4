//! A process's control groups, and what they say about its use of the machine.

mod files;
mod locate;
mod network;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use longshore_driver_api::{CgroupVersion, Error, ErrorKind, Result};
use longshore_stats::{CgroupFigures, Sample};
use rustix::time::{ClockId, clock_gettime};

use crate::process::Process;
use locate::Groups;

/// The control groups of one process, such as the main process of a container, on cgroup v1, v2
/// or both.
///
/// Where v1 and v2 are mounted side by side, each figure comes from the one that has its
/// controller. The root group of a hierarchy holds the whole machine and is nobody's own: a figure
/// that could be had only there is left out.
///
/// All calls read a few small files of the kernel's.
#[derive(Debug, Clone)]
pub struct Cgroup {
    root: PathBuf,
    process: u32,
    // Absent where the process's start cannot be read; its network is left out then.
    start: Option<u64>,
    groups: Groups,
}

impl Cgroup {
    /// The control groups of the process with this id, as they are now.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such process; `Unsupported` if it has no control group of its own
    /// that can be seen from here.
    pub fn of_process(process: u32) -> Result<Self> {
        Self::of_process_in(Path::new("/"), process)
    }

    /// As [`of_process`](Self::of_process), with the kernel's files looked for below `root`, such
    /// as the host's root where that is mounted elsewhere.
    ///
    /// # Errors
    ///
    /// As [`of_process`](Self::of_process).
    pub fn of_process_in(root: &Path, process: u32) -> Result<Self> {
        let start = Process::start_of(root, process);
        let groups = locate::groups(root, process, None)?;
        if groups.all().next().is_none() {
            let message = format!(
                "process {process} has no control group of its own that is visible here: mount the control groups, or start it in one"
            );
            return Err(Error::new(ErrorKind::Unsupported, "find control group").message(message));
        }
        Ok(Self { root: root.to_owned(), process, start, groups })
    }

    /// The control groups of a container, by its main process's id on this host and the engine's id
    /// of it. `None`: there is no such process any more.
    ///
    /// What the container has divided among groups of its own counts as well: the figures are those
    /// of the outermost groups that have the container's id in their name.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the process is in no group with that id that can be seen from here: process
    /// ids mean something else to the engine, or it names groups in a way of its own.
    /// `PermissionDenied` and `Io` if it cannot be looked at.
    pub fn of_container(process: u32, container: &str) -> Result<Option<Self>> {
        Self::of_container_in(Path::new("/"), process, container)
    }

    /// As [`of_container`](Self::of_container), with the kernel's files looked for below `root`.
    ///
    /// # Errors
    ///
    /// As [`of_container`](Self::of_container).
    pub fn of_container_in(root: &Path, process: u32, container: &str) -> Result<Option<Self>> {
        let start = Process::start_of(root, process);
        let groups = match locate::groups(root, process, Some(container)) {
            Ok(groups) => groups,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if groups.all().next().is_none() {
            let message = format!(
                "process {process} is in no control group of container {container} that is visible here"
            );
            return Err(Error::new(ErrorKind::Unsupported, "find control group").message(message));
        }
        Ok(Some(Self { root: root.to_owned(), process, start, groups }))
    }

    /// The version that the process's CPU, memory and process limits are set by.
    #[must_use]
    pub fn version(&self) -> CgroupVersion {
        if self.groups.has_v1() { CgroupVersion::V1 } else { CgroupVersion::V2 }
    }

    /// The groups' directories.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.groups.all()
    }

    /// The figures of this moment. What the kernel does not tell is absent.
    ///
    /// Network figures are those of the process's network namespace, and absent if it shares the
    /// caller's or has ended.
    ///
    /// # Errors
    ///
    /// `NotFound` if the groups are gone; `Protocol` if a file cannot be understood; `Io` or
    /// `PermissionDenied` if it cannot be read.
    pub fn figures(&self) -> Result<CgroupFigures> {
        let mut figures = CgroupFigures::new(SystemTime::now().into());
        figures.monotonic_ns = monotonic_ns();
        v1::read(&self.groups, &mut figures)?;
        if let Some(group) = &self.groups.unified {
            v2::read(group, &mut figures)?;
        }
        if self.start.is_some() {
            network::read(&self.root, self.process, self.start, &mut figures)?;
        }
        // Groups that went while they were read gave half of the figures.
        match self.groups.all().find(|group| !group.is_dir()) {
            Some(gone) => Err(files::gone(gone)),
            None => Ok(figures),
        }
    }

    /// A sampler that begins with the next reading.
    #[must_use]
    pub fn sampler(self) -> CgroupSampler {
        CgroupSampler { cgroup: self, before: None }
    }
}

/// Reads a process's control groups again and again.
#[derive(Debug)]
pub struct CgroupSampler {
    cgroup: Cgroup,
    before: Option<CgroupFigures>,
}

impl CgroupSampler {
    /// The sample of this moment. CPU percentages are over the time since the sample before, and
    /// absent from the first.
    ///
    /// # Errors
    ///
    /// As [`Cgroup::figures`].
    pub fn sample(&mut self) -> Result<Sample> {
        let now = self.cgroup.figures()?;
        let sample = CgroupFigures::sample(self.before.as_ref(), &now);
        self.before = Some(now);
        Ok(sample)
    }
}

fn monotonic_ns() -> Option<u64> {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(now.tv_nsec).ok()?)
}
