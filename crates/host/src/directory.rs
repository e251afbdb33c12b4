//! A directory that belongs to this user alone, held open so that it cannot be swapped.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use longshore_driver_api::{Error, ErrorKind, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::Errno;

/// The rights that everybody but the owner must not have.
const OTHERS: u32 = 0o077;

/// An open directory with mode 0700, owned by the effective user.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens `path`, after it has been made where it was missing.
    ///
    /// # Errors
    ///
    /// If it is a symbolic link, no directory, another user's or open to others.
    pub(crate) fn open_or_create(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|cause| failed("make", parent, cause))?;
        }
        open_private(CWD, path.as_os_str(), path, true)
    }

    /// Opens the directory `name` in this one, after it has been made where it was missing.
    pub(crate) fn subdirectory(&self, name: &str) -> Result<Self> {
        open_private(self.fd.as_fd(), OsStr::new(name), &self.path.join(name), true)
    }

    /// Opens the directory `name` in this one, if it is there.
    pub(crate) fn existing(&self, name: &str) -> Result<Option<Self>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            _ => {
                let path = self.path.join(name);
                match open_private(self.fd.as_fd(), OsStr::new(name), &path, false) {
                    // Removed since the look.
                    Err(error) if is_gone(&error) => Ok(None),
                    opened => opened.map(Some),
                }
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The number by which the file system knows this directory.
    pub(crate) fn inode(&self) -> io::Result<u64> {
        Ok(rustix::fs::fstat(&self.fd)?.st_ino)
    }

    /// Whether the directory is still what its path leads to.
    pub(crate) fn is_in_place(&self) -> bool {
        let here = rustix::fs::fstat(&self.fd);
        let there = rustix::fs::statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW);
        matches!((here, there), (Ok(here), Ok(there)) if same_file(&here, &there))
    }

    /// Opens the regular file `name` for reading and writing.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        Ok(rustix::fs::openat(&self.fd, name, flags, Mode::empty())?.into())
    }

    /// Creates the regular file `name`, which must not be there yet, with mode 0600.
    ///
    /// The sticky bit asks those who tidy temporary directories by age to leave the file alone.
    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::CREATE | OFlags::EXCL;
        let mode = Mode::RUSR | Mode::WUSR;
        let file: File = rustix::fs::openat(&self.fd, name, flags, mode)?.into();
        rustix::fs::fchmod(&file, mode | Mode::SVTX)?;
        Ok(file)
    }

    /// Renames a file, in the place of what has the new name.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Gives a file a second name, which must be free.
    pub(crate) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.fd, from, &self.fd, to, AtFlags::empty())?)
    }

    /// Removes a file; one that is gone is no error.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Removes the directory `name` if nothing is in it.
    pub(crate) fn remove_empty(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Whether `file` is what `name` leads to.
    pub(crate) fn is_linked(&self, file: &File, name: &str) -> io::Result<bool> {
        let here = rustix::fs::fstat(file)?;
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Ok(same_file(&here, &there)),
            Err(Errno::NOENT) => Ok(false),
            Err(cause) => Err(cause.into()),
        }
    }

    /// The names of everything in the directory, in no particular order.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    /// A second, independent opening of the directory, to be locked.
    pub(crate) fn lockable(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, ".", flags, Mode::empty())?.into())
    }
}

fn same_file(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

fn open_private(at: BorrowedFd<'_>, name: &OsStr, path: &Path, create: bool) -> Result<Directory> {
    let created = create
        && match rustix::fs::mkdirat(at, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(cause) => return Err(failed("make", path, cause)),
        };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match rustix::fs::openat(at, name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::LOOP | Errno::NOTDIR) => {
            return Err(refused(path, "is a symbolic link or no directory", "remove it"));
        }
        Err(cause) => return Err(failed("open", path, cause)),
    };
    if created {
        // The umask may have taken rights away from the owner.
        rustix::fs::fchmod(&fd, Mode::RWXU).map_err(|cause| failed("open", path, cause))?;
    }
    let stat = rustix::fs::fstat(&fd).map_err(|cause| failed("open", path, cause))?;
    let user = rustix::process::geteuid();
    if stat.st_uid != user.as_raw() {
        let fault = format!("belongs to user {}, not to {}", stat.st_uid, user.as_raw());
        return Err(refused(path, &fault, "remove it"));
    }
    if stat.st_mode & OTHERS != 0 {
        let fault = format!("is open to others (mode {:04o})", stat.st_mode & 0o7777);
        return Err(refused(path, &fault, "close it with `chmod 700`"));
    }
    Ok(Directory { fd, path: path.to_owned() })
}

fn refused(path: &Path, fault: &str, remedy: &str) -> Error {
    let message = format!(
        "directory {} {fault}: {remedy}, or configure another run directory",
        path.display()
    );
    Error::new(ErrorKind::PermissionDenied, "open run directory").message(message)
}

/// Whether something was not there.
pub(crate) fn is_gone(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::NotFound)
}

pub(crate) fn failed(what: &str, path: &Path, cause: impl Into<io::Error>) -> Error {
    let cause = cause.into();
    let kind = match cause.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull => ErrorKind::DiskFull,
        _ => ErrorKind::Io,
    };
    let message = format!(
        "cannot {what} {} ({cause}): check it, or configure another run directory",
        path.display()
    );
    Error::new(kind, "open run directory").message(message).because(cause)
}
