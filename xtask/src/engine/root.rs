//! Roots of other Debians, which hold engines that this machine doesn't have.
//!
//! A root is made once and then only read: what an engine writes goes to a layer of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::install;
use crate::workspace::Workspace;

/// Where packages come from, if `LONGSHORE_DEBIAN_MIRROR` names no other place.
const MIRROR: &str = "http://deb.debian.org/debian";

/// What a root holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct RootPlan {
    pub(super) name: &'static str,
    pub(super) suite: &'static str,
    pub(super) packages: &'static [&'static str],
}

/// Lies in a root that is whole, and says what it was made from.
const MADE_FROM: &str = "etc/longshore-made-from";

impl RootPlan {
    /// The root's folder; it is made if it isn't there, or isn't what the plan says.
    ///
    /// # Errors
    /// Why it can't be made, and what to do about it.
    pub(super) fn ready(
        &self,
        sh: &Shell,
        workspace: &Workspace,
        may_install: bool,
    ) -> Result<PathBuf> {
        let roots = workspace.target.join("roots");
        fs::create_dir_all(&roots).with_context(|| format!("make {}", roots.display()))?;
        // Two runs at once would make it twice, and one would remove the other's.
        let lock = File::create(roots.join("lock")).context("make the roots' lock")?;
        lock.lock().context("lock the roots")?;
        let root = roots.join(self.name);
        if self.is_whole(&root) {
            return Ok(root);
        }
        if !install::has("debootstrap") {
            if !(may_install && install::is_debian() && install::is_root()) {
                bail!(
                    "the engine {} comes from another Debian, which debootstrap makes, and \
                     debootstrap is not installed; on Debian: sudo apt-get install debootstrap",
                    self.name
                );
            }
            install::apt(sh, &["debootstrap"])?;
        }
        self.make(sh, &roots, &root)?;
        Ok(root)
    }

    /// Made under another name first: a root under its own name is whole.
    fn make(&self, sh: &Shell, roots: &Path, root: &Path) -> Result<()> {
        let RootPlan { name, suite, .. } = self;
        eprintln!("making {} (Debian {suite} with {name}), about a minute", root.display());
        let partial = roots.join(format!("{name}.partial"));
        remove(root)?;
        remove(&partial)?;
        let cache = roots.join("packages");
        fs::create_dir_all(&cache).context("make the folder of packages")?;
        let log = roots.join(format!("{name}.log"));
        let include = self.packages.join(",");
        let mirror = std::env::var("LONGSHORE_DEBIAN_MIRROR").unwrap_or_else(|_| MIRROR.to_owned());
        // What debootstrap mounts in there ends with its namespace, however debootstrap ends.
        let output = cmd!(
            sh,
            "unshare --mount debootstrap --variant=minbase --cache-dir={cache}
             --include={include} {suite} {partial} {mirror}"
        )
        .quiet()
        .ignore_status()
        .output()
        .context("run debootstrap")?;
        fs::write(&log, [output.stdout, output.stderr].concat()).context("write the log")?;
        if !output.status.success() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!(
                "debootstrap could not make Debian {suite} from {mirror}: {}; see {}",
                said.lines().rfind(|line| line.starts_with("E: ")).unwrap_or("it gave no reason"),
                log.display()
            );
        }
        fs::write(partial.join(MADE_FROM), self.made_from()).context("mark the root")?;
        fs::rename(&partial, root).with_context(|| format!("make {}", root.display()))
    }

    /// A root of an older plan is made again, and so is one that lost its programs.
    fn is_whole(&self, root: &Path) -> bool {
        let mark = fs::read_to_string(root.join(MADE_FROM));
        mark.is_ok_and(|mark| mark == self.made_from()) && root.join("usr/bin/env").is_file()
    }

    fn made_from(&self) -> String {
        format!("{} {}\n", self.suite, self.packages.join(" "))
    }
}

/// Absent is success.
fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: RootPlan = RootPlan { name: "a", suite: "s", packages: &["p", "q"] };

    #[test]
    fn a_root_is_whole_only_with_its_mark_and_its_programs() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!PLAN.is_whole(dir.path()));
        fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("usr/bin/env"), "").unwrap();
        assert!(!PLAN.is_whole(dir.path()));
        fs::write(dir.path().join(MADE_FROM), PLAN.made_from()).unwrap();
        assert!(PLAN.is_whole(dir.path()));
        let newer = RootPlan { packages: &["p", "r"], ..PLAN };
        assert!(!newer.is_whole(dir.path()));
        fs::remove_file(dir.path().join("usr/bin/env")).unwrap();
        assert!(!PLAN.is_whole(dir.path()));
    }

    #[test]
    fn removing_what_is_not_there_is_success() {
        let dir = tempfile::tempdir().unwrap();
        remove(&dir.path().join("absent")).unwrap();
        fs::create_dir(dir.path().join("present")).unwrap();
        remove(&dir.path().join("present")).unwrap();
        assert!(!dir.path().join("present").exists());
    }
}
