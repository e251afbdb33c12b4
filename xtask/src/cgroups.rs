//! Where cgroups are mounted, and which there are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Every cgroup of every hierarchy for which `wanted` says yes to its path within the hierarchy,
/// with all below it; parents before children.
pub(crate) fn find(wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("read mountinfo")?;
    let mut found = Vec::new();
    for hierarchy in hierarchies(&table) {
        walk(&hierarchy, &hierarchy, false, &wanted, &mut found);
    }
    Ok(found)
}

/// Makes a cgroup at the top of every hierarchy, ready to have others below it.
pub(crate) fn make(name: &str) -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("read mountinfo")?;
    let mut made = Vec::new();
    for hierarchy in hierarchies(&table) {
        let dir = hierarchy.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        // In version 1 a cgroup of this hierarchy takes no process before it was told where to run.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let parent = dir.parent().unwrap_or(&hierarchy);
            if let Ok(all) = fs::read(parent.join(file)) {
                fs::write(dir.join(file), all).with_context(|| format!("write {file}"))?;
            }
        }
        made.push(dir);
    }
    Ok(made)
}

fn hierarchies(mountinfo: &str) -> Vec<PathBuf> {
    let mounts = mountinfo.lines().filter_map(|line| line.split_once(" - "));
    let cgroups = mounts.filter(|(_, system)| system.starts_with("cgroup"));
    let targets = cgroups.filter_map(|(place, _)| place.split(' ').nth(4));
    targets.map(PathBuf::from).collect()
}

/// A cgroup that disappears meanwhile is none.
fn walk(
    hierarchy: &Path,
    dir: &Path,
    inside: bool,
    wanted: &impl Fn(&str) -> bool,
    found: &mut Vec<PathBuf>,
) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        let name = path.strip_prefix(hierarchy).unwrap_or(&path);
        let inside = inside || wanted(&name.to_string_lossy());
        if inside {
            found.push(path.clone());
        }
        walk(hierarchy, &path, inside, wanted, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_hierarchies_are_found() {
        let table = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                     35 31 0:32 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n\
                     41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let expected = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"];
        assert_eq!(hierarchies(table), expected.map(PathBuf::from));
    }

    #[test]
    fn what_lies_below_a_wanted_cgroup_is_wanted_too() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["docker/a/b", "system.slice/c", "other"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        let mut found = Vec::new();
        walk(
            dir.path(),
            dir.path(),
            false,
            &|path| path == "docker/a" || path.ends_with("/c"),
            &mut found,
        );
        found.sort();
        let expected =
            ["docker/a", "docker/a/b", "system.slice/c"].map(|path| dir.path().join(path));
        assert_eq!(found, expected);
    }
}
