//! What a new machine lacks, and how it gets it.

use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists() && has("apt-get")
}

/// Whether there is such a program; the daemons' folders may be missing from a user's `PATH`.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(Into::into);
    let mut dirs = std::env::split_paths(&path).chain(system);
    dirs.any(|dir| dir.join(program).is_file())
}

/// Installs Debian packages, as root, and says so.
pub(crate) fn apt(sh: &Shell, packages: &[&str]) -> Result<()> {
    eprintln!("installing by apt-get: {}", packages.join(" "));
    let install = || {
        cmd!(sh, "apt-get install -y -q --no-install-recommends {packages...}")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .ignore_stdout()
            .quiet()
            .run()
    };
    if install().is_ok() {
        return Ok(());
    }
    // A new machine has no package lists yet, an old one has stale ones.
    cmd!(sh, "apt-get update -q").ignore_stdout().quiet().run()?;
    install().with_context(|| format!("apt-get install {}", packages.join(" ")))
}
