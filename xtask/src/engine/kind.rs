//! The kinds of engine that there are, and what each needs.

use std::fmt;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Error, bail};

use super::root::RootPlan;

/// A kind of private engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The `dockerd` of this machine, whatever its version.
    Installed,
    Docker20,
    Docker26,
    Podman,
    Podman5,
}

/// What Debian 12 and 13 are called in their archives.
const DEBIAN_12: &str = "bookworm";
const DEBIAN_13: &str = "trixie";

// procps: the engine lists a container's processes with `ps`.
const DOCKER: &[&str] =
    &["docker.io", "ca-certificates", "fuse-overlayfs", "iproute2", "iptables", "procps"];
const PODMAN: &[&str] = &[
    "podman",
    "aardvark-dns",
    "ca-certificates",
    "catatonit",
    "iproute2",
    "iptables",
    "netavark",
    "procps",
    "runc",
];

impl Kind {
    /// Those that have a name of their own: each is another engine, or another version.
    pub(crate) const NAMED: [Kind; 4] =
        [Kind::Docker20, Kind::Docker26, Kind::Podman, Kind::Podman5];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Installed => "installed",
            Kind::Docker20 => "docker20",
            Kind::Docker26 => "docker26",
            Kind::Podman => "podman",
            Kind::Podman5 => "podman5",
        }
    }

    pub(super) fn is_podman(self) -> bool {
        matches!(self, Kind::Podman | Kind::Podman5)
    }

    /// The Debian that the engine comes from; `None` where this machine has it.
    pub(super) fn root(self) -> Option<RootPlan> {
        let plan = |suite, packages| Some(RootPlan { name: self.name(), suite, packages });
        match self {
            Kind::Installed => None,
            Kind::Docker20 if installed_dockerd().is_some_and(|text| is_docker20(&text)) => None,
            Kind::Docker20 => plan(DEBIAN_12, DOCKER),
            Kind::Docker26 => plan(DEBIAN_13, DOCKER),
            Kind::Podman => plan(DEBIAN_12, PODMAN),
            Kind::Podman5 => plan(DEBIAN_13, PODMAN),
        }
    }

    /// The kind that an engine of that version is of, if it has a name.
    pub(crate) fn of(version: &str) -> Option<Kind> {
        Kind::NAMED.into_iter().find(|kind| kind.matches(version))
    }

    /// Whether an engine that answers is of this kind, by its version.
    pub(crate) fn matches(self, version: &str) -> bool {
        let major = |major: &str| version.split('.').next() == Some(major);
        match self {
            Kind::Installed => true,
            Kind::Docker20 => major("20"),
            Kind::Docker26 => major("26"),
            Kind::Podman => major("4"),
            Kind::Podman5 => major("5"),
        }
    }
}

/// What `dockerd --version` says, if there is one.
fn installed_dockerd() -> Option<String> {
    let output = Command::new("dockerd").arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok()
}

fn is_docker20(version: &str) -> bool {
    version.starts_with("Docker version 20.10.")
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Kind, Error> {
        let found = Kind::NAMED.into_iter().find(|kind| kind.name() == name);
        let Some(kind) = found else {
            bail!("there is no engine of kind {name:?}; the kinds are: {}", names());
        };
        Ok(kind)
    }
}

/// All names, for messages.
pub(crate) fn names() -> String {
    Kind::NAMED.map(Kind::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_its_name_and_no_other() {
        for kind in Kind::NAMED {
            assert_eq!(kind.name().parse::<Kind>().unwrap(), kind);
        }
        let error = "docker19".parse::<Kind>().unwrap_err().to_string();
        assert!(error.contains("docker20, docker26, podman, podman5"), "{error}");
    }

    #[test]
    fn a_kind_is_told_by_its_version() {
        assert!(Kind::Docker20.matches("20.10.24+dfsg1"));
        assert!(!Kind::Docker20.matches("26.1.5+dfsg1"));
        assert!(Kind::Docker26.matches("26.1.5+dfsg1"));
        assert!(Kind::Podman.matches("4.3.1") && !Kind::Podman5.matches("4.3.1"));
        assert_eq!(Kind::of("5.4.2"), Some(Kind::Podman5));
        assert_eq!(Kind::of("28.2.2"), None);
        assert!(is_docker20("Docker version 20.10.24+dfsg1, build 5d6db84"));
        assert!(!is_docker20("Docker version 26.1.5+dfsg1, build 411e817"));
    }
}
