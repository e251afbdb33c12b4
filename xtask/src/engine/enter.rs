//! `enter`: becomes an engine that lives in another root.
//!
//! Only [`start`](super::start) calls it, in a mount namespace of its own: the namespace, and all
//! that is mounted in it, ends with the engine's last process. An engine that is started again enters
//! that of the one before.

use std::ffi::{CString, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, unmount};
use rustix::process::{chdir, pivot_root};

use crate::cgroups;

/// The folders that the other root has of its own. Everything else is this machine's: what a task
/// mounts, or a test's file, has the same path on both sides.
const OWN: [&str; 11] =
    ["bin", "boot", "etc", "lib", "lib32", "lib64", "libx32", "run", "sbin", "usr", "var"];
/// What is full of other mounts that are needed.
const DEEP: [&str; 3] = ["dev", "proc", "sys"];

pub(crate) fn run(mut args: lexopt::Parser) -> Result<()> {
    let (mut root, mut stage, mut cgroup, mut joined) = (None, None, None, None);
    let mut within = None;
    let (mut keep, mut program) = (Vec::new(), Vec::<OsString>::new());
    while let Some(arg) = args.next()? {
        match arg {
            Long("root") => root = Some(PathBuf::from(args.value()?)),
            Long("within") => within = Some(args.value()?),
            Long("stage") => stage = Some(PathBuf::from(args.value()?)),
            Long("keep") => keep.push(PathBuf::from(args.value()?)),
            Long("cgroup") => cgroup = Some(args.value()?.string()?),
            Long("joined") => joined = Some(args.value()?.string()?),
            Value(first) => {
                program.push(first);
                program.extend(args.raw_args()?);
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    if let Some(cgroup) = cgroup {
        return join(&cgroup);
    }
    let tops = joined.map(|cgroup| settle(&cgroup)).transpose()?;
    if let Some(mounts) = within {
        let mut option = OsString::from("--mount=");
        option.push(mounts);
        program.splice(0..0, ["nsenter".into(), option, "--".into()]);
        return become_it(&program);
    }
    let (Some(root), Some(stage)) = (root, stage) else {
        bail!("enter --root DIR --stage DIR PROGRAM [ARG]..., by engine up only");
    };
    let new = assemble(&root, &stage, &keep)?;
    show_only(&new, &tops.unwrap_or_default())?;
    // The old root is stacked on the new one and taken away again.
    chdir(&new).context("enter the new root")?;
    pivot_root(".", ".").context("change the root")?;
    unmount(".", UnmountFlags::DETACH).context("let go of the old root")?;
    chdir("/").context("enter the new root")?;
    become_it(&program)
}

/// Becomes the program, which is looked for where every root has its own.
fn become_it(command: &[OsString]) -> Result<()> {
    let [name, arguments @ ..] = command else { bail!("enter what?") };
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let error = Command::new(name).args(arguments).env("PATH", path).exec();
    Err(error).with_context(|| format!("run {}", name.display()))
}

/// Moves this process into a cgroup of its own in each hierarchy, and begins again in a namespace
/// whose top that is: whatever the engine makes is below it. Podman can't be told where to put its
/// containers.
fn join(cgroup: &str) -> Result<()> {
    for dir in cgroups::make(cgroup)? {
        move_to(&dir)?;
    }
    let again = std::env::args_os().map(|arg| match arg.to_str() {
        Some("--cgroup") => "--joined".into(),
        _ => arg,
    });
    let error = Command::new("unshare").args(["--cgroup", "--"]).args(again).exec();
    Err(error).context("run unshare")
}

/// Leaves the top to the cgroups below it: in version 2 it is to have no process itself. Gives the
/// tops.
fn settle(cgroup: &str) -> Result<Vec<PathBuf>> {
    for dir in cgroups::make(&format!("{cgroup}/service"))? {
        move_to(&dir)?;
    }
    cgroups::make(cgroup)
}

fn move_to(dir: &Path) -> Result<()> {
    fs::write(dir.join("cgroup.procs"), "0").with_context(|| format!("join {}", dir.display()))
}

/// Mounts everything under `stage` and gives the new root's path.
fn assemble(root: &Path, stage: &Path, keep: &[PathBuf]) -> Result<PathBuf> {
    let at = |path: &Path| format!("mount on {}", path.display());
    let tmpfs = |target: &Path| {
        fs::create_dir_all(target)?;
        mount("tmpfs", target, "tmpfs", MountFlags::empty(), None).with_context(|| at(target))
    };
    tmpfs(stage)?;
    let (upper, work, new) = (stage.join("upper"), stage.join("work"), stage.join("root"));
    for dir in [&upper, &work, &new] {
        fs::create_dir(dir)?;
    }
    let options = overlay(root, &upper, &work)?;
    mount("overlay", &new, "overlay", MountFlags::empty(), options.as_c_str())
        .with_context(|| at(&new))?;
    for entry in fs::read_dir("/").context("read /")?.flatten() {
        let name = entry.file_name();
        let is = |names: &[&str]| names.iter().any(|known| name == **known);
        if !entry.file_type()?.is_dir() || is(&OWN) {
            continue;
        }
        let target = new.join(&name);
        fs::create_dir_all(&target)?;
        // Not what is mounted below: other engines' mounts would be held by this one.
        let bind = if is(&DEEP) { mount_bind_recursive } else { mount_bind };
        bind(entry.path().as_path(), target.as_path()).with_context(|| at(&target))?;
    }
    tmpfs(&new.join("run"))?;
    // Podman keeps its locks there by a name that is the same for every Podman.
    tmpfs(&new.join("dev/shm"))?;
    for dir in keep {
        let target = new.join(dir.strip_prefix("/").unwrap_or(dir));
        fs::create_dir_all(&target)?;
        mount_bind(dir, &target).with_context(|| at(&target))?;
    }
    for file in ["etc/resolv.conf", "etc/hosts"] {
        let text = fs::read(Path::new("/").join(file)).unwrap_or_default();
        fs::write(new.join(file), text).with_context(|| format!("write {file}"))?;
    }
    Ok(new)
}

/// An overlay's options separate paths by commas and colons.
fn overlay(lower: &Path, upper: &Path, work: &Path) -> Result<CString> {
    let mut options = Vec::new();
    for (key, path) in [("lowerdir=", lower), (",upperdir=", upper), (",workdir=", work)] {
        let bytes = path.as_os_str().as_bytes();
        if bytes.iter().any(|byte| b",:\\".contains(byte)) {
            bail!("{} can't be part of an overlay: it holds one of , : \\", path.display());
        }
        options.extend_from_slice(key.as_bytes());
        options.extend_from_slice(bytes);
    }
    CString::new(options).context("a path holds a zero byte")
}

/// Shows these cgroups in the new root as if each were its whole hierarchy.
fn show_only(new: &Path, cgroups: &[PathBuf]) -> Result<()> {
    for own in cgroups {
        let hierarchy = own.parent().context("a cgroup lies in a hierarchy")?;
        let target = new.join(hierarchy.strip_prefix("/").unwrap_or(hierarchy));
        mount_bind(own, &target).with_context(|| format!("mount on {}", target.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlays_options_name_its_three_folders() {
        let options = overlay(Path::new("/a"), Path::new("/b"), Path::new("/c")).unwrap();
        assert_eq!(options.as_bytes(), b"lowerdir=/a,upperdir=/b,workdir=/c");
    }

    #[test]
    fn a_path_that_would_be_read_as_two_is_refused() {
        for path in ["/a,b", "/a:b", "/a\\b"] {
            assert!(overlay(Path::new(path), Path::new("/b"), Path::new("/c")).is_err(), "{path}");
        }
    }
}
