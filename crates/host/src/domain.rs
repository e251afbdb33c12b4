//! Where a lease was taken: what lets a reaper elsewhere, or after a reboot, judge it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::process::Process;
use crate::random;

const VERSION: &str = "1";
const ABSENT: &str = "none";

/// Where and by which process a lease was taken.
///
/// Its text form is the value of the label that goes onto everything the owner makes. It holds a
/// digest of the machine's identity, the kernel's boot identity, the identity of the run
/// directory, the process's namespaces, its id and its start time. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseDomain {
    pub(crate) machine: Option<String>,
    pub(crate) boot: Option<String>,
    pub(crate) run_directory: String,
    pub(crate) namespaces: Option<String>,
    pub(crate) process: Process,
}

impl fmt::Display for LeaseDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| ABSENT.to_owned());
        write!(
            f,
            "{VERSION}.{}.{}.{}.{}.{}",
            word(&self.machine),
            word(&self.boot),
            self.run_directory,
            word(&self.namespaces),
            self.process
        )
    }
}

/// The text of a lease domain could not be understood; a newer version may have written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease label is not of a form that this version knows")]
#[non_exhaustive]
pub struct UnknownLeaseDomain;

impl FromStr for LeaseDomain {
    type Err = UnknownLeaseDomain;

    fn from_str(text: &str) -> Result<Self, UnknownLeaseDomain> {
        let words: Vec<&str> = text.split('.').collect();
        let [VERSION, machine, boot, run_directory, namespaces, process] = words[..] else {
            return Err(UnknownLeaseDomain);
        };
        let optional = |word: &str| (word != ABSENT).then(|| word.to_owned());
        if [machine, boot, run_directory, namespaces].contains(&"") {
            return Err(UnknownLeaseDomain);
        }
        Ok(Self {
            machine: optional(machine),
            boot: optional(boot),
            run_directory: run_directory.to_owned(),
            namespaces: optional(namespaces),
            process: process.parse()?,
        })
    }
}

/// What this process knows about where it runs. What cannot be read is absent, and never equal to
/// anything.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    root: PathBuf,
    machine: Option<String>,
    boot: Option<String>,
    namespaces: Option<String>,
    pub(crate) run_directory: String,
}

impl Place {
    /// Reads the files below `root`, which is `/` except in tests.
    pub(crate) fn here(root: &Path, run_directory: String) -> Self {
        Self {
            machine: machine(root),
            boot: boot(root),
            namespaces: namespaces(root),
            root: root.to_owned(),
            run_directory,
        }
    }

    /// The domain of a lease that this process takes.
    pub(crate) fn domain(&self) -> LeaseDomain {
        LeaseDomain {
            machine: self.machine.clone(),
            boot: self.boot.clone(),
            run_directory: self.run_directory.clone(),
            namespaces: self.namespaces.clone(),
            process: Process::current(&self.root),
        }
    }

    /// Whether `domain` is of the kernel's present run.
    pub(crate) fn same_boot(&self, domain: &LeaseDomain) -> bool {
        self.boot.is_some() && self.boot == domain.boot
    }

    /// Whether `domain` is of a former boot of this very machine.
    pub(crate) fn former_boot(&self, domain: &LeaseDomain) -> bool {
        self.machine.is_some()
            && self.machine == domain.machine
            && matches!((&self.boot, &domain.boot), (Some(ours), Some(theirs)) if ours != theirs)
    }

    /// Whether process ids mean the same to `domain` and to this process.
    pub(crate) fn same_processes(&self, domain: &LeaseDomain) -> bool {
        self.same_boot(domain) && self.namespaces.is_some() && self.namespaces == domain.namespaces
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

/// A digest of the machine's id and name.
///
/// Machines cloned from one disk may share the id, but seldom the name as well. The id itself is
/// not to be shown to strangers.
fn machine(root: &Path) -> Option<String> {
    let id = fs::read_to_string(root.join("etc/machine-id")).ok()?;
    let id = id.trim();
    if !random::is_word(id) {
        return None;
    }
    let name = fs::read_to_string(root.join("proc/sys/kernel/hostname")).ok()?;
    let mut digest = Sha256::new();
    digest.update(b"longshore lease\0");
    digest.update(id);
    digest.update(b"\0");
    digest.update(name.trim());
    Some(random::hex(&digest.finalize()[..16]))
}

fn boot(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("proc/sys/kernel/random/boot_id")).ok()?;
    let boot = text.trim().replace('-', "");
    random::is_word(&boot).then_some(boot)
}

/// The process's namespaces of process ids and, because start times depend on it, of time.
///
/// Their numbers may be given anew once a namespace is gone, but then every process in it is
/// gone as well.
fn namespaces(root: &Path) -> Option<String> {
    let number = |name: &str| {
        let link = fs::read_link(root.join("proc/self/ns").join(name)).ok()?;
        let link = link.to_str()?.strip_prefix(name)?;
        let digits = link.strip_prefix(":[")?.strip_suffix(']')?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.to_owned())
    };
    // Kernels without time namespaces have one time for all.
    let time = number("time").unwrap_or_else(|| "0".to_owned());
    Some(format!("{}-{time}", number("pid")?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn domain(machine: Option<&str>, boot: Option<&str>) -> LeaseDomain {
        LeaseDomain {
            machine: machine.map(str::to_owned),
            boot: boot.map(str::to_owned),
            run_directory: "run".to_owned(),
            namespaces: Some("1-2".to_owned()),
            process: "7-8".parse().unwrap(),
        }
    }

    fn place(machine: Option<&str>, boot: Option<&str>) -> Place {
        Place {
            root: PathBuf::from("/"),
            machine: machine.map(str::to_owned),
            boot: boot.map(str::to_owned),
            namespaces: Some("1-2".to_owned()),
            run_directory: "run".to_owned(),
        }
    }

    #[test]
    fn the_text_form_reads_back() {
        for domain in [domain(Some("m"), Some("b")), domain(None, None)] {
            assert_eq!(domain.to_string().parse(), Ok(domain));
        }
        let here = Place::here(Path::new("/"), random::word().unwrap()).domain();
        assert_eq!(here.to_string().parse(), Ok(here));
    }

    #[test]
    fn another_version_or_damage_is_unknown() {
        let text = domain(Some("m"), Some("b")).to_string();
        for wrong in ["", "1", "2.m.b.run.1-2.7-8", "1..b.run.1-2.7-8", &format!("{text}.more")] {
            assert_eq!(wrong.parse::<LeaseDomain>(), Err(UnknownLeaseDomain), "{wrong}");
        }
    }

    #[test]
    fn only_the_same_machine_can_have_a_former_boot() {
        let here = place(Some("m"), Some("now"));
        assert!(here.former_boot(&domain(Some("m"), Some("then"))));
        assert!(!here.former_boot(&domain(Some("m"), Some("now"))));
        assert!(!here.former_boot(&domain(Some("other"), Some("then"))));
        assert!(!here.former_boot(&domain(Some("m"), None)));
    }

    #[test]
    fn what_is_not_known_is_equal_to_nothing() {
        let here = place(None, None);
        let there = domain(None, None);
        assert!(!here.same_boot(&there));
        assert!(!here.former_boot(&there));
        assert!(!here.same_processes(&there));
        assert!(!here.former_boot(&domain(None, Some("then"))));
    }

    #[test]
    fn a_place_without_readable_files_knows_nothing() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::here(root.path(), "run".to_owned());
        assert_eq!((&place.machine, &place.boot, &place.namespaces), (&None, &None, &None));
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/machine-id"), "uninitialized\n").unwrap();
        assert_eq!(machine(root.path()), None);
    }

    #[test]
    fn this_host_is_known_and_its_machine_id_is_not_shown() {
        let place = Place::here(Path::new("/"), "run".to_owned());
        let domain = place.domain();
        assert!(place.same_boot(&domain) && place.same_processes(&domain));
        if let Ok(id) = fs::read_to_string("/etc/machine-id") {
            assert!(id.trim().is_empty() || !domain.to_string().contains(id.trim()));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[.0-9a-z-]{0,60}|\\PC{0,40}") {
            let _ = text.parse::<LeaseDomain>();
        }
    }
}
