//! Where a process's control groups are: `/proc/<pid>/cgroup` read with `/proc/self/mountinfo`.
//!
//! The formats are described in cgroups(7) and proc_pid_mountinfo(5).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use longshore_driver_api::{Error, ErrorKind, Result};

use super::files::{unintelligible, unreadable};

/// The directories of a process's own groups; v1's by controller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) cpu: Option<PathBuf>,
    pub(crate) cpuacct: Option<PathBuf>,
    pub(crate) memory: Option<PathBuf>,
    pub(crate) pids: Option<PathBuf>,
    pub(crate) blkio: Option<PathBuf>,
    pub(crate) unified: Option<PathBuf>,
}

impl Groups {
    /// Every directory once.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Path> {
        let all = [&self.cpu, &self.cpuacct, &self.memory, &self.pids, &self.blkio, &self.unified];
        let mut all: Vec<&Path> = all.into_iter().filter_map(Option::as_deref).collect();
        all.sort();
        all.dedup();
        all.into_iter()
    }

    /// Whether limits are v1's.
    pub(crate) fn has_v1(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some() || self.pids.is_some()
    }
}

/// Finds the groups of a process below `root`; those of a container alone, if one is named.
pub(crate) fn groups(root: &Path, process: u32, container: Option<&str>) -> Result<Groups> {
    let membership = root.join("proc").join(process.to_string()).join("cgroup");
    let membership = match fs::read_to_string(&membership) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let message = format!("there is no process {process}");
            return Err(Error::new(ErrorKind::NotFound, "find control group").message(message));
        }
        Err(cause) => return Err(unreadable(&membership, cause)),
    };
    let mounts = root.join("proc/self/mountinfo");
    let text = fs::read(&mounts).map_err(|cause| unreadable(&mounts, cause))?;
    let mounts: Vec<Mount> = text.split(|byte| *byte == b'\n').filter_map(mount).collect();

    let mut groups = Groups::default();
    for line in membership.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(unintelligible(&root.join(format!("proc/{process}/cgroup"))));
        };
        let path = match container {
            None => path,
            Some(container) => match part_of(path, container) {
                Some(path) => path,
                None => continue,
            },
        };
        let own = |controller| own_group(root, &mounts, controller, path);
        if controllers.is_empty() {
            groups.unified = own(None);
        }
        for controller in controllers.split(',') {
            let place = match controller {
                "cpu" => &mut groups.cpu,
                "cpuacct" => &mut groups.cpuacct,
                "memory" => &mut groups.memory,
                "pids" => &mut groups.pids,
                "blkio" => &mut groups.blkio,
                _ => continue,
            };
            *place = own(Some(controller));
        }
    }
    Ok(groups)
}

/// The path of a group up to the first part that has the container's id in its name: as it is, or
/// wrapped as in `docker-ID.scope`.
fn part_of<'a>(path: &'a str, container: &str) -> Option<&'a str> {
    // A part of an id, or none, would prove nothing.
    let at = path.find(container).filter(|_| container.len() >= 12)?;
    let end = path[at..].find('/').map_or(path.len(), |length| at + length);
    Some(&path[..end])
}

/// One mounted hierarchy, or a part of one.
struct Mount {
    /// The group that is mounted.
    group: PathBuf,
    point: PathBuf,
    /// The options of a v1 hierarchy, its controllers among them; none for v2.
    options: Option<String>,
}

impl Mount {
    fn has(&self, controller: Option<&str>) -> bool {
        match (&self.options, controller) {
            (None, None) => true,
            (Some(options), Some(controller)) => options.split(',').any(|it| it == controller),
            _ => false,
        }
    }
}

/// The directory of a process's group in the hierarchy of a controller (v2 without one), unless
/// that is the hierarchy's root or cannot be seen.
fn own_group(
    root: &Path,
    mounts: &[Mount],
    controller: Option<&str>,
    path: &str,
) -> Option<PathBuf> {
    // A group outside this process's control group namespace begins with `/..`.
    let path = Path::new(path);
    let candidates = mounts.iter().filter(|mount| mount.has(controller));
    let inside = candidates.filter_map(|mount| {
        let rest = path.strip_prefix(&mount.group).ok()?;
        let goes_up = rest.components().any(|part| part.as_os_str() == "..");
        (!goes_up).then_some((mount, rest))
    });
    // Of several mounts the one that begins nearest to the group.
    let (mount, rest) = inside.min_by_key(|(_, rest)| rest.components().count())?;
    let point = mount.point.strip_prefix("/").unwrap_or(&mount.point);
    let group = root.join(point).join(rest);
    let is_root = match controller {
        // Only the root of v1 has this file, and only the root of v2 has not that one.
        Some(_) => group.join("cgroup.sane_behavior").exists(),
        None => !group.join("cgroup.events").exists(),
    };
    (group.is_dir() && !is_root).then_some(group)
}

fn mount(line: &[u8]) -> Option<Mount> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    // Optional fields come before the separator.
    let separator = words.iter().position(|word| *word == b"-")?;
    let (group, point) = (words.get(3)?, words.get(4)?);
    let options = match *words.get(separator + 1)? {
        b"cgroup2" => None,
        b"cgroup" => Some(String::from_utf8_lossy(words.get(separator + 3)?).into_owned()),
        _ => return None,
    };
    Some(Mount { group: unescape(group), point: unescape(point), options })
}

/// Blanks, tabs, line ends and backslashes are written as a backslash and three octal digits.
fn unescape(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        let octal = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escaped_bytes_are_read_and_others_kept() {
        for (word, path) in [
            ("/a\\040b", "/a b"),
            ("/a\\134040", "/a\\040"),
            ("/a\\04", "/a\\04"),
            ("/a\\999", "/a\\999"),
            ("/a\\", "/a\\"),
        ] {
            assert_eq!(unescape(word.as_bytes()), Path::new(path));
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(
            line in proptest::collection::vec(any::<u8>(), 0..80),
            words in "[0-9/a\\\\ -]{0,40} - cgroup2? [a-z, ]{0,20}",
        ) {
            let _ = mount(&line);
            let _ = mount(words.as_bytes());
        }
    }
}
