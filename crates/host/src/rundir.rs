//! Where an owner's files are: one directory per user, private to that user.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_driver_api::{Error, ErrorKind, Result};

use crate::directory::{Directory, is_gone};
use crate::domain::Place;
use crate::identity;

/// The longest name that a directory may have on the file systems that matter.
const NAME_MAX: usize = 255;
/// How often work in a directory that vanishes under it is begun.
const TRIES: u32 = 32;

/// A user's run directory, held open.
///
/// It holds the leases of the user's owners, in `owners/<application>/<owner>.lease`. Everything
/// in it is readable by that user alone. The directory has an identity, written into it once, by
/// which a lease's label says which directory it means; a copy or a new directory at the same
/// path has another one.
///
/// Clones share the opened directory. All calls do a few short file operations; from async code
/// they belong into a blocking task.
#[derive(Debug, Clone)]
pub struct RunDir {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: Directory,
    owners: Directory,
    place: Place,
}

impl RunDir {
    /// Opens the run directory at `path`, or this user's usual one, and makes it where it is
    /// missing.
    ///
    /// The usual one is `$XDG_RUNTIME_DIR/longshore` if that variable names a directory of this
    /// user, else `/run/longshore` for root, else `/tmp/longshore-<uid>`.
    ///
    /// To be understood by each other, an owner and a reaper must use the same directory. One
    /// that runs in a container should be given a directory of the host.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the directory is a symbolic link, belongs to another user or is open
    /// to others; `Io` if it cannot be made or read. The message says what to do.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => usual(),
        };
        let directory = Directory::open_or_create(&path)?;
        let owners = directory.subdirectory("owners")?;
        let identity = identity::establish(&directory)?;
        let place = Place::here(Path::new("/"), identity);
        Ok(Self { inner: Arc::new(Inner { directory, owners, place }) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.inner.directory.path()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.inner.place
    }

    /// Whether the path still leads to this very directory, with the identity that was read.
    pub(crate) fn is_in_place(&self) -> bool {
        self.inner.directory.is_in_place()
            && identity::read(&self.inner.directory).is_ok_and(|identity| {
                identity.as_deref() == Some(self.inner.place.run_directory.as_str())
            })
    }

    /// Does `work` in the directory for an application's leases, made where it is missing, and
    /// gives the directory with what came of it.
    ///
    /// The last owner to go removes the directory, and nothing can be made in it from then on:
    /// whoever opened it a moment before does its work again in a new one.
    pub(crate) fn in_leases<T>(
        &self,
        application: &str,
        mut work: impl FnMut(&Directory) -> Result<T>,
    ) -> Result<(Directory, T)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let done = self.leases(application).and_then(|leases| Ok((work(&leases)?, leases)));
            match done {
                Err(error) if tries < TRIES && is_gone(&error) => {}
                done => return done.map(|(made, leases)| (leases, made)),
            }
        }
    }

    /// Removes the directory for an application's leases if there is none in it. One that cannot be
    /// removed harms nobody.
    pub(crate) fn tidy(&self, application: &str) {
        if let Ok(name) = directory_name(application)
            && let Err(error) = self.inner.owners.remove_empty(&name)
        {
            tracing::debug!(application, %error, "the empty directory of leases stays");
        }
    }

    /// The directory for an application's leases, made where it is missing.
    fn leases(&self, application: &str) -> Result<Directory> {
        self.inner.owners.subdirectory(&directory_name(application)?)
    }

    /// The directory for an application's leases, if there is one.
    pub(crate) fn existing_leases(&self, application: &str) -> Result<Option<Directory>> {
        self.inner.owners.existing(&directory_name(application)?)
    }
}

/// The run directory of a user who configured none.
fn usual() -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    let runtime = runtime.filter(|value| match unusable(value, user) {
        None => true,
        Some(fault) => {
            tracing::warn!(path = %value.display(), fault, "XDG_RUNTIME_DIR is not used");
            false
        }
    });
    choose(runtime, user)
}

/// Why a runtime directory cannot be this user's, as after `sudo` or `su`.
fn unusable(value: &OsString, user: u32) -> Option<&'static str> {
    let path = Path::new(value);
    match path.metadata() {
        _ if !path.is_absolute() => Some("it is not an absolute path"),
        Err(_) => Some("it does not exist or cannot be read"),
        Ok(metadata) if metadata.uid() != user => Some("it belongs to another user"),
        Ok(metadata) if !metadata.is_dir() => Some("it is no directory"),
        Ok(_) => None,
    }
}

fn choose(runtime: Option<OsString>, user: u32) -> PathBuf {
    match runtime {
        Some(runtime) => Path::new(&runtime).join("longshore"),
        None if user == 0 => PathBuf::from("/run/longshore"),
        None => PathBuf::from(format!("/tmp/longshore-{user}")),
    }
}

/// A file name for an application: other characters than letters, digits, `-` and `_` are written
/// as `%` and their two hexadecimal digits, so that two applications never share a directory.
fn directory_name(application: &str) -> Result<String> {
    let invalid = |fault: &str| {
        let message = format!("application name {application:?} {fault}: choose another one");
        Error::new(ErrorKind::InvalidInput, "open run directory").message(message)
    };
    if application.is_empty() {
        return Err(invalid("is empty"));
    }
    let mut name = String::with_capacity(application.len());
    for byte in application.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    if name.len() > NAME_MAX { Err(invalid("is too long")) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_usual_place_follows_xdg_then_root_then_tmp() {
        assert_eq!(choose(Some("/run/user/7".into()), 7), Path::new("/run/user/7/longshore"));
        assert_eq!(choose(None, 0), Path::new("/run/longshore"));
        assert_eq!(choose(None, 7), Path::new("/tmp/longshore-7"));
    }

    #[test]
    fn anothers_or_a_relative_runtime_directory_is_not_used() {
        let user = rustix::process::geteuid().as_raw();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().as_os_str().to_owned();
        assert_eq!(unusable(&path, user), None);
        assert_eq!(unusable(&path, user + 1), Some("it belongs to another user"));
        assert_eq!(unusable(&".".into(), user), Some("it is not an absolute path"));
        assert!(unusable(&directory.path().join("none").into(), user).is_some());
    }

    #[test]
    fn directories_are_made_with_mode_0700() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let run = RunDir::open(Some(&path)).unwrap();
        run.leases("my app").unwrap();
        for made in [path.clone(), path.join("owners"), path.join("owners/my%20app")] {
            let mode = fs::metadata(&made).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o700, "{}", made.display());
        }
    }

    #[test]
    fn a_directory_that_is_open_to_others_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let error = RunDir::open(Some(&path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("chmod 700"), "{error}");
        assert!(error.to_string().contains("0750"), "{error}");
    }

    #[test]
    fn a_symbolic_link_and_a_file_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        fs::create_dir(&target).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o700)).unwrap();
        let link = directory.path().join("link");
        symlink(&target, &link).unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [link, file] {
            let error = RunDir::open(Some(&path)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("symbolic link or no directory"), "{error}");
        }
    }

    #[test]
    fn another_users_directory_is_refused() {
        if !rustix::process::geteuid().is_root() {
            // Only root can give a directory away; the rule itself is the same for everybody.
            let error = RunDir::open(Some(Path::new("/root"))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run");
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        let error = RunDir::open(Some(&path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("belongs to user 12345"), "{error}");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunDir::open(Some(&file.join("run"))).unwrap_err();
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    }

    #[test]
    fn application_names_become_distinct_safe_file_names() {
        assert_eq!(directory_name("ci-runner_2").unwrap(), "ci-runner_2");
        assert_eq!(directory_name("..").unwrap(), "%2e%2e");
        assert_eq!(directory_name("a/b%2f").unwrap(), "a%2fb%252f");
        assert!(directory_name("").is_err());
        assert!(directory_name(&"é".repeat(100)).is_err());
    }
}
