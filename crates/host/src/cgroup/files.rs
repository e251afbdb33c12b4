//! Reading the small text files of control groups.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use longshore_driver_api::{Error, ErrorKind, Result};
use rustix::io::Errno;

const OP: &str = "read control group";

/// The files of one group.
#[derive(Clone, Copy)]
pub(crate) struct Files<'a>(pub(crate) &'a Path);

impl Files<'_> {
    /// A file's text; none if this kernel or this group does not have it.
    pub(crate) fn text(self, name: &str) -> Result<Option<String>> {
        let path = self.0.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(cause) => match Errno::from_io_error(&cause) {
                // Pressure files are there and closed where the kernel keeps no account.
                Some(Errno::NOENT | Errno::OPNOTSUPP) => Ok(None),
                Some(Errno::NODEV) => Err(gone(self.0)),
                _ => Err(unreadable(&path, cause)),
            },
        }
    }

    /// The one number of a file; none also for `max`, which is no limit.
    pub(crate) fn number(self, name: &str) -> Result<Option<u64>> {
        match self.text(name)?.as_deref().map(str::trim) {
            None | Some("max") => Ok(None),
            Some(digits) => match digits.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(unintelligible(&self.0.join(name))),
            },
        }
    }

    /// The lines `key number` of a file; none if it is not there.
    pub(crate) fn keyed(self, name: &str) -> Result<Option<Keyed>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        Ok(Some(Keyed { text, path: self.0.join(name) }))
    }
}

/// A file of lines `key number`.
pub(crate) struct Keyed {
    text: String,
    path: PathBuf,
}

impl Keyed {
    /// The number with this key; none if there is no such line.
    pub(crate) fn get(&self, key: &str) -> Result<Option<u64>> {
        let mut lines = self.text.lines().map(str::split_ascii_whitespace);
        let Some(mut words) =
            lines.find_map(|mut words| (words.next() == Some(key)).then_some(words))
        else {
            return Ok(None);
        };
        let number = words.next().and_then(|digits| digits.parse().ok());
        number.map(Some).ok_or_else(|| unintelligible(&self.path))
    }
}

pub(crate) fn gone(group: &Path) -> Error {
    let message = format!("control group {} is gone", group.display());
    Error::new(ErrorKind::NotFound, OP).message(message)
}

pub(crate) fn unintelligible(path: &Path) -> Error {
    let message = format!("file {} is not of a form that is known here", path.display());
    Error::new(ErrorKind::Protocol, OP).message(message)
}

pub(crate) fn unreadable(path: &Path, cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Io,
    };
    let message = format!("cannot read {} ({cause})", path.display());
    Error::new(kind, OP).message(message).because(cause)
}
