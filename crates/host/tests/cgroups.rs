//! Control groups as this host has them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use longshore_driver_api::ErrorKind;
use longshore_host::Cgroup;
use longshore_stats::{CgroupFigures, Metric};

#[test]
fn this_processs_own_groups_are_read_or_it_is_said_that_it_has_none() {
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap();
    match Cgroup::of_process(std::process::id()) {
        Ok(cgroup) => {
            let figures = cgroup.figures().unwrap();
            let told = figures.cpu_usage_ns.or(figures.memory_usage).or(figures.pids);
            assert!(
                told > Some(0),
                "{figures:?} of {:?}",
                cgroup.directories().collect::<Vec<_>>()
            );
            let network = (figures.net_rx, figures.net_tx);
            assert_eq!(network, (None, None), "its network is this process's");
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(membership.lines().all(|line| line.ends_with(":/")), "{error}: {membership}");
        }
    }
}

#[test]
fn a_process_that_has_ended_is_not_found() {
    let mut child = Command::new("true").spawn().unwrap();
    let id = child.id();
    child.wait().unwrap();
    assert_eq!(Cgroup::of_process(id).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Groups of a test's own in every hierarchy that lets it make them, removed at the end.
struct OwnGroups {
    directories: Vec<PathBuf>,
    child: Child,
}

impl OwnGroups {
    /// A child in groups of its own that burns a CPU until it is told to stop.
    fn new() -> Option<Self> {
        let name = format!("longshore-test-{}", std::process::id());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let points = mounts.lines().filter(|line| line.contains(" - cgroup"));
        let points = points.filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
        let mut child = Command::new("sh")
            .args(["-c", "read go; while :; do :; done"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        let directories = points
            .map(|point| point.join(&name))
            .filter(|group| fs::create_dir(group).is_ok())
            // A group of v1's cpuset takes nobody before it is set up.
            .filter(|group| {
                let joined = fs::write(group.join("cgroup.procs"), &id).is_ok();
                if !joined {
                    let _ = fs::remove_dir(group);
                }
                joined
            })
            .collect::<Vec<_>>();
        // Closing its input lets it begin.
        drop(child.stdin.take());
        let groups = Self { directories, child };
        (!groups.directories.is_empty()).then_some(groups)
    }
}

impl Drop for OwnGroups {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for group in &self.directories {
            let _ = fs::remove_dir(group);
        }
    }
}

#[test]
fn a_process_in_groups_of_its_own_is_measured_and_its_end_is_noticed() {
    let Some(mut groups) = OwnGroups::new() else {
        // Only root may make groups; the test above reads whatever groups there are.
        assert!(fs::create_dir(Path::new("/sys/fs/cgroup/longshore-test")).is_err());
        // Past the test harness, which would keep it: `cargo xtask test` counts such lines.
        let said = b"SKIPPED a_process_in_groups_of_its_own: only root may make groups\n";
        std::io::stderr().write_all(said).unwrap();
        return;
    };
    let cgroup = Cgroup::of_process(groups.child.id()).unwrap();
    let own = cgroup.directories().collect::<Vec<_>>();
    assert!(own.iter().all(|it| groups.directories.iter().any(|one| one == it)), "{own:?}");

    let before = cgroup.figures().unwrap();
    let mut now = before.clone();
    while now.cpu_usage_ns.is_some()
        && now.cpu_usage_ns < before.cpu_usage_ns.map(|ns| ns + 20_000_000)
    {
        now = cgroup.figures().unwrap();
    }
    let sample = CgroupFigures::sample(Some(&before), &now);
    if now.cpu_usage_ns.is_some() {
        let share = sample.metrics.get(Metric::CpuTotal).unwrap();
        assert!((1..=110).contains(&share), "{share} % of one CPU by one busy process");
    }
    if let Some(pids) = sample.metrics.get(Metric::Pids) {
        assert_eq!(pids, 1);
    }
    if let Some(memory) = sample.metrics.get(Metric::MemUsage) {
        assert!(memory < 1 << 30, "{memory} bytes for a shell");
    }

    let _ = groups.child.kill();
    let _ = groups.child.wait();
    for group in &groups.directories {
        while fs::remove_dir(group).is_err() {
            std::thread::yield_now();
        }
    }
    assert_eq!(cgroup.figures().unwrap_err().kind(), ErrorKind::NotFound);
}
