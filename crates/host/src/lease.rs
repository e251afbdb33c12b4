//! An owner's lease: a locked file that the kernel releases when the owner dies.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use longshore_driver_api::Result;

use crate::directory::{Directory, failed};
use crate::domain::LeaseDomain;
use crate::lock::Lock;
use crate::random;
use crate::rundir::RunDir;

/// What a reaper looks at; a file under another name is not a lease yet.
pub(crate) const SUFFIX: &str = ".lease";
/// How a file is called until it is locked.
pub(crate) const UNBORN: &str = ".unborn";
const TRIES: u32 = 8;

/// The proof that an owner lives, to be taken before the owner makes anything.
///
/// It is an exclusive lock on a file. The kernel releases it when the process ends, however it
/// ends; children do not inherit it beyond their `exec`. A reaper that can take the lock knows
/// that the owner is dead.
///
/// Dropping the lease releases the lock and leaves the file: whatever the owner has left on the
/// engine is then a reaper's. Take the lease after the process has become a daemon, not before:
/// an owner is one process.
#[derive(Debug)]
pub struct Lease {
    run: RunDir,
    application: String,
    owner: String,
    domain: LeaseDomain,
    leases: Directory,
    // Held for its lock.
    _lock: Lock,
}

impl RunDir {
    /// Takes a lease for a new owner of `application`, under a random id of 128 bits.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the application's name is empty or too long; otherwise if the file cannot
    /// be made or locked.
    pub fn lease(&self, application: &str) -> Result<Lease> {
        let owner = random::word()?;
        let name = format!("{owner}{SUFFIX}");
        let (leases, (unborn, lock)) =
            self.in_leases(application, |leases| locked(leases, &owner))?;
        leases.rename(&unborn, &name).map_err(|cause| unusable(&leases, &name, cause))?;
        let domain = self.place().domain();
        let run = self.clone();
        Ok(Lease { run, application: application.to_owned(), owner, domain, leases, _lock: lock })
    }
}

impl Lease {
    /// The application whose reapers may judge this owner.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The owner's id: the value of the owner label of everything it makes.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Where the lease was taken: its text is the value of the lease label of everything that the
    /// owner makes.
    #[must_use]
    pub fn domain(&self) -> &LeaseDomain {
        &self.domain
    }

    /// Ends the lease in good order and removes its file, and the application's directory if it was
    /// the last there.
    ///
    /// Only for an owner that has nothing left on any engine: a missing lease counts as given up.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed. The lock is released in any case, and the next reaper
    /// removes the file.
    pub fn release(self) -> Result<()> {
        let name = format!("{}{SUFFIX}", self.owner);
        self.leases.remove(&name).map_err(|cause| unusable(&self.leases, &name, cause))?;
        self.run.tidy(&self.application);
        Ok(())
    }
}

/// Creates and locks a file under a temporary name, so that nobody ever sees it unlocked.
pub(crate) fn locked(leases: &Directory, owner: &str) -> Result<(String, Lock)> {
    let mut trouble = io::Error::from(io::ErrorKind::WouldBlock);
    for _ in 0..TRIES {
        let name = format!("{owner}-{}{UNBORN}", random::word()?);
        match create_locked(leases, &name) {
            Ok(lock) => return Ok((name, lock)),
            // A sweeper took it for one that a dead process had left: another name, then.
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => trouble = cause,
            Err(cause) => return Err(unusable(leases, &name, cause)),
        }
    }
    Err(unusable(leases, owner, trouble))
}

fn create_locked(leases: &Directory, name: &str) -> io::Result<Lock> {
    let lock = Lock::exclusive(leases.create_file(name)?)?;
    let lock = lock.ok_or(io::ErrorKind::WouldBlock)?;
    if !leases.is_linked(lock.file(), name)? {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    // For a person who looks; nothing depends on it.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    writeln!(lock.file(), "process {} since {now}", std::process::id())?;
    Ok(lock)
}

pub(crate) fn unusable(
    leases: &Directory,
    name: &str,
    cause: io::Error,
) -> longshore_driver_api::Error {
    failed("use lease", &leases.path().join(name), cause)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::*;

    fn run() -> (tempfile::TempDir, RunDir) {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDir::open(Some(&directory.path().join("run"))).unwrap();
        (directory, run)
    }

    fn path(run: &RunDir, lease: &Lease) -> std::path::PathBuf {
        run.path().join("owners").join(lease.application()).join(format!("{}.lease", lease.owner()))
    }

    #[test]
    fn the_file_is_private_locked_and_names_its_process() {
        let (_directory, run) = run();
        let lease = run.lease("app").unwrap();
        let path = path(&run, &lease);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(File::open(&path).unwrap().try_lock().is_err());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("process {} since ", std::process::id())), "{text}");
    }

    #[test]
    fn every_lease_has_an_owner_of_its_own() {
        let (_directory, run) = run();
        let (one, two) = (run.lease("app").unwrap(), run.lease("app").unwrap());
        assert_ne!(one.owner(), two.owner());
        assert!(random::is_word(one.owner()));
    }

    #[test]
    fn nothing_unborn_is_left() {
        let (_directory, run) = run();
        let lease = run.lease("app").unwrap();
        let names = lease.leases.names().unwrap();
        assert_eq!(names, [format!("{}.lease", lease.owner())]);
    }

    #[test]
    fn release_removes_the_file_and_drop_leaves_it_unlocked() {
        let (_directory, run) = run();
        let lease = run.lease("app").unwrap();
        let released = path(&run, &lease);
        lease.release().unwrap();
        assert!(!released.exists());

        let lease = run.lease("app").unwrap();
        let dropped = path(&run, &lease);
        drop(lease);
        assert!(File::open(&dropped).unwrap().try_lock().is_ok());
    }

    #[test]
    fn the_last_owner_to_go_removes_the_applications_directory() {
        let (_directory, run) = run();
        let folder = run.path().join("owners/app");
        let (one, other) = (run.lease("app").unwrap(), run.lease("app").unwrap());
        one.release().unwrap();
        assert!(folder.exists());
        other.release().unwrap();
        assert!(!folder.exists());

        drop(run.lease("app").unwrap());
        assert!(folder.exists());
        run.sweep("app", &Default::default()).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn owners_that_come_while_the_last_one_goes_get_their_lease() {
        let (_directory, run) = run();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let lease = run.lease("app").unwrap();
                        assert!(path(&run, &lease).exists(), "a lease that nobody can see");
                        lease.release().unwrap();
                    }
                });
            }
        });
        assert!(!run.path().join("owners/app").exists());
    }

    #[test]
    fn a_directory_that_vanishes_under_an_owner_is_made_again() {
        let (_directory, run) = run();
        let mut tries = 0;
        let (leases, ()) = run
            .in_leases("app", |leases| {
                tries += 1;
                if tries == 1 {
                    run.tidy("app");
                }
                locked(leases, "owner").map(drop)
            })
            .unwrap();
        assert_eq!((tries, leases.names().unwrap().len()), (2, 1));
    }

    #[test]
    fn a_wrong_application_name_is_refused() {
        let (_directory, run) = run();
        let error = run.lease("").unwrap_err();
        assert_eq!(error.kind(), longshore_driver_api::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_child_process_does_not_inherit_the_lock() {
        let (_directory, run) = run();
        let lease = run.lease("app").unwrap();
        let path = path(&run, &lease);
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let descriptors = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        let held: Vec<_> =
            descriptors.filter_map(|it| fs::read_link(it.unwrap().path()).ok()).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!held.is_empty());
        assert!(!held.contains(&path), "{held:?}");
    }
}
