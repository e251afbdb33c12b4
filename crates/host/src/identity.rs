//! The identity of a run directory: a random word, written into it once.

use std::io::{self, Read, Write};
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Result};

use crate::directory::{Directory, failed};
use crate::lock::Lock;
use crate::random;

const FILE: &str = "identity";
/// The lock is held for a few file operations; longer than this something is wrong.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// More than this is not ours.
const LONGEST: u64 = 256;

/// The directory's identity; made if there is none or if the directory is a copy of another.
pub(crate) fn establish(directory: &Directory) -> Result<String> {
    if let Some(identity) = read(directory).map_err(|cause| broken(directory, cause))? {
        return Ok(identity);
    }
    // The lock lets one of several newcomers write; the others read what it wrote.
    let _lock = lock(directory)?;
    if let Some(identity) = read(directory).map_err(|cause| broken(directory, cause))? {
        return Ok(identity);
    }
    let identity = random::word()?;
    write(directory, &identity).map_err(|cause| broken(directory, cause))?;
    Ok(identity)
}

/// The identity that is written in the directory; none if it was written for another one.
///
/// The inode tells a copied directory from the original. The device is not compared: it changes
/// when a container's layers are mounted anew.
pub(crate) fn read(directory: &Directory) -> io::Result<Option<String>> {
    let mut text = String::new();
    match directory.open_file(FILE) {
        Ok(file) => file.take(LONGEST).read_to_string(&mut text)?,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause),
    };
    let mut words = text.split_ascii_whitespace();
    let (Some(identity), Some(inode)) = (words.next(), words.next()) else { return Ok(None) };
    let ours = random::is_word(identity) && inode == directory.inode()?.to_string();
    Ok(ours.then(|| identity.to_owned()))
}

fn write(directory: &Directory, identity: &str) -> io::Result<()> {
    let temporary = format!("{FILE}.new");
    // We hold the lock: what is there was left by a writer that died.
    directory.remove(&temporary)?;
    let mut file = directory.create_file(&temporary)?;
    file.write_all(format!("{identity} {}\n", directory.inode()?).as_bytes())?;
    directory.rename(&temporary, FILE)
}

fn lock(directory: &Directory) -> Result<Lock> {
    let unusable = |cause| failed("lock", directory.path(), cause);
    for _ in 0..LOCK_TRIES {
        let opened = directory.lockable().map_err(unusable)?;
        match Lock::exclusive(opened).map_err(unusable)? {
            Some(lock) => return Ok(lock),
            None => std::thread::sleep(LOCK_PAUSE),
        }
    }
    let message = format!(
        "directory {} stays locked: end the process that holds it, or configure another run directory",
        directory.path().display()
    );
    Err(Error::new(ErrorKind::Busy, "open run directory").message(message))
}

fn broken(directory: &Directory, cause: io::Error) -> Error {
    failed("use", &directory.path().join(FILE), cause)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn of(path: &Path) -> String {
        establish(&Directory::open_or_create(path).unwrap()).unwrap()
    }

    #[test]
    fn it_is_written_once_and_read_by_everybody_after() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run");
        let first = of(&path);
        assert_eq!(of(&path), first);
    }

    #[test]
    fn newcomers_at_once_agree() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run");
        let found: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| of(&path))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(found.iter().all(|one| *one == found[0]), "{found:?}");
    }

    #[test]
    fn a_new_directory_or_a_copy_has_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let first = of(&one);
        Directory::open_or_create(&two).unwrap();
        fs::copy(one.join(FILE), two.join(FILE)).unwrap();
        assert_ne!(of(&two), first);
        fs::remove_dir_all(&one).unwrap();
        assert_ne!(of(&one), first);
    }

    #[test]
    fn a_damaged_one_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run");
        let first = of(&path);
        fs::write(path.join(FILE), "rubbish").unwrap();
        let second = of(&path);
        assert_ne!(second, first);
        assert_eq!(of(&path), second);
    }
}
