//! Unpacking an archive that somebody else made, into a folder of this host.
//!
//! The folder is empty at first, and no link is made before everything else is there: so no path in
//! the archive can lead through a link, and none leads out of the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::{OddEntries, UnpackLimits, Unpacked};
use crate::{Error, ErrorKind, Result};

/// The longest long name, or other extension of an entry, that is believed.
const LONGEST_EXTENSION: u64 = 1 << 20;
/// The longest path that is made.
const LONGEST_PATH: usize = 4096;

/// Unpacks an archive.
pub(super) fn unpack(reader: impl Read, folder: &Path, limits: UnpackLimits) -> Result<Unpacked> {
    prepare(folder)?;
    let done = Unpacked::default();
    let mut to = Unpacker { folder, limits, done, entries: 0, headers: 0, links: Vec::new() };
    let mut archive = Archive::new(reader);
    let entries = archive.entries().map_err(|error| failed(folder, error))?;
    let mut extensions = Extensions::default();
    // Raw: extensions are read here, with a limit of their own.
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|error| failed(folder, error))?;
        to.count_header()?;
        if !extensions.take(&mut entry)? {
            to.unpack(std::mem::take(&mut extensions), entry)?;
        }
    }
    to.make_links()?;
    Ok(to.done)
}

fn prepare(folder: &Path) -> Result<()> {
    let wrong = |kind, why: String| {
        Error::new(kind, "copy out").message(format!("{}: {why}", folder.display()))
    };
    match fs::create_dir(folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(wrong(ErrorKind::Io, error.to_string())),
    }
    let found = fs::symlink_metadata(folder)
        .and_then(|found| Ok(found.is_dir() && fs::read_dir(folder)?.next().is_none()));
    match found {
        Ok(true) => Ok(()),
        Ok(false) => Err(wrong(ErrorKind::InvalidInput, "is not an empty folder".to_owned())),
        Err(error) => Err(wrong(ErrorKind::Io, error.to_string())),
    }
}

/// What entries before one say of it.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    odd: Option<&'static str>,
}

impl Extensions {
    /// Takes an entry that only says something of the next one. Says whether it was one.
    fn take(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<bool> {
        let kind = entry.header().entry_type();
        let known = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if !known {
            return Ok(false);
        }
        if entry.size() > LONGEST_EXTENSION {
            return Err(unsafe_archive("an extension of an entry is longer than a mebibyte"));
        }
        let mut bytes = Vec::new();
        let read = entry.read_to_end(&mut bytes);
        read.map_err(|error| failed(Path::new("the archive"), error))?;
        if kind.is_pax_local_extensions() {
            self.pax(&bytes)?;
        } else if !kind.is_pax_global_extensions() {
            let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes).to_vec();
            *(if kind.is_gnu_longname() { &mut self.path } else { &mut self.link }) = Some(text);
        }
        Ok(true)
    }

    fn pax(&mut self, bytes: &[u8]) -> Result<()> {
        for extension in PaxExtensions::new(bytes) {
            let extension = extension.map_err(|error| failed(Path::new("the archive"), error))?;
            match extension.key_bytes() {
                b"path" => self.path = Some(extension.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(extension.value_bytes().to_vec()),
                // What follows could not be told from the content.
                b"size" => return Err(unsafe_archive("a file has its size in an extension")),
                key if key.starts_with(b"GNU.sparse.") => self.odd = Some("has holes"),
                _ => {}
            }
        }
        Ok(())
    }
}

struct Unpacker<'a> {
    folder: &'a Path,
    limits: UnpackLimits,
    done: Unpacked,
    entries: u64,
    headers: u64,
    /// Symbolic links, to be made at last: where, and what they say.
    links: Vec<(PathBuf, PathBuf)>,
}

impl Unpacker<'_> {
    /// Headers take time and no space: an archive of nothing else must end too.
    fn count_header(&mut self) -> Result<()> {
        self.headers += 1;
        if self.headers > self.limits.entries.saturating_mul(4).saturating_add(16) {
            return Err(self.too_many());
        }
        Ok(())
    }

    fn count_entry(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries { Err(self.too_many()) } else { Ok(()) }
    }

    fn too_many(&self) -> Error {
        unsafe_archive(&format!("it has more than {} entries", self.limits.entries))
    }

    fn unpack(&mut self, extensions: Extensions, mut entry: Entry<'_, impl Read>) -> Result<()> {
        let kind = entry.header().entry_type();
        let named = extensions.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let path = inside(&named)?;
        let shown = path.display().to_string();
        if let Some(odd) = extensions.odd {
            return self.odd(&shown, odd);
        }
        let mode = entry.header().mode().unwrap_or(0o600) & 0o777;
        let link = |entry: &Entry<'_, _>| {
            let given = extensions.link.clone();
            given.or_else(|| entry.link_name_bytes().map(|name| name.into_owned()))
        };
        if kind == EntryType::Directory {
            self.make_folders(&path)?;
            if path.as_os_str().is_empty() {
                // The folder is the caller's own, and so is its mode.
                return Ok(());
            }
            // Whatever the archive says, what belongs into it has to be written.
            return self.set_mode(&path, mode | 0o700);
        }
        if path.as_os_str().is_empty() {
            return self.odd("the folder itself", "is no folder");
        }
        match kind {
            EntryType::Regular | EntryType::Continuous => self.file(&path, mode, &mut entry),
            EntryType::Link => match link(&entry).map(|link| inside(&link)) {
                Some(Ok(target)) => self.hard_link(&path, &target),
                Some(Err(_)) | None => self.odd(&shown, "is a link that leads out of the folder"),
            },
            EntryType::Symlink => {
                let target = link(&entry).unwrap_or_default();
                let target = PathBuf::from(std::ffi::OsStr::from_bytes(&target));
                if !stays_inside(&path, &target) {
                    return self.odd(&shown, "is a link that leads out of the folder");
                }
                self.make_folders(path.parent().unwrap_or(Path::new("")))?;
                self.count_entry()?;
                self.links.push((path, target));
                Ok(())
            }
            _ => self.odd(&shown, "is no file, folder or link"),
        }
    }

    fn odd(&mut self, entry: &str, what: &str) -> Result<()> {
        if self.limits.odd == OddEntries::Refuse {
            let remedy =
                "leave such entries out, if what is left is enough (UnpackLimits::skip_odd)";
            return Err(unsafe_archive(&format!("{entry:?} {what}")).remedy(remedy));
        }
        self.done.skipped += 1;
        Ok(())
    }

    /// Makes a folder and those above it, each counted.
    fn make_folders(&mut self, path: &Path) -> Result<()> {
        let mut made = self.folder.to_owned();
        for part in path.components() {
            made.push(part);
            match fs::create_dir(&made) {
                Ok(()) => {
                    self.count_entry()?;
                    self.done.folders += 1;
                }
                // What is there was made here. If it is no folder, the next step fails.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && made.is_dir() => {}
                Err(error) => return Err(failed(&made, error)),
            }
        }
        Ok(())
    }

    /// Makes room for an entry: the folders above it, and what an earlier entry put in its place.
    fn make_room(&mut self, path: &Path) -> Result<PathBuf> {
        self.make_folders(path.parent().unwrap_or(Path::new("")))?;
        self.count_entry()?;
        let place = self.folder.join(path);
        match fs::remove_file(&place) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&place, error)),
        }
        Ok(place)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<()> {
        let place = self.folder.join(path);
        let set = fs::set_permissions(&place, fs::Permissions::from_mode(mode));
        set.map_err(|error| failed(&place, error))
    }

    fn file(&mut self, path: &Path, mode: u32, entry: &mut Entry<'_, impl Read>) -> Result<()> {
        let size = entry.size();
        self.done.bytes = self.done.bytes.saturating_add(size);
        if self.done.bytes > self.limits.bytes.bytes() {
            return Err(unsafe_archive(&format!("it has more than {}", self.limits.bytes)));
        }
        let place = self.make_room(path)?;
        let written = (|| {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?;
            let written = io::copy(entry, &mut file)?;
            if written != size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            File::set_permissions(&file, fs::Permissions::from_mode(mode))
        })();
        written.map_err(|error| failed(&place, error))?;
        self.done.files += 1;
        Ok(())
    }

    fn hard_link(&mut self, path: &Path, target: &Path) -> Result<()> {
        let target = self.folder.join(target);
        let is_file = fs::symlink_metadata(&target).is_ok_and(|found| found.is_file());
        if !is_file || target == self.folder.join(path) {
            return self.odd(&path.display().to_string(), "is a link to what was not unpacked");
        }
        let place = self.make_room(path)?;
        fs::hard_link(&target, &place).map_err(|error| failed(&place, error))?;
        self.done.files += 1;
        Ok(())
    }

    fn make_links(&mut self) -> Result<()> {
        for (path, target) in std::mem::take(&mut self.links) {
            let place = self.folder.join(&path);
            // Not through `make_folders`: a link that was just made must not be followed.
            let parent = path.parent().unwrap_or(Path::new(""));
            if !self.is_plain(parent) || fs::symlink_metadata(&place).is_ok() {
                self.odd(&path.display().to_string(), "is a link where something else is")?;
                continue;
            }
            symlink(&target, &place).map_err(|error| failed(&place, error))?;
            self.done.links += 1;
        }
        Ok(())
    }

    /// Whether every part of a path is a folder and no link.
    fn is_plain(&self, path: &Path) -> bool {
        let mut place = self.folder.to_owned();
        path.components().all(|part| {
            place.push(part);
            fs::symlink_metadata(&place).is_ok_and(|found| found.is_dir())
        })
    }
}

/// A path of the archive as one below the folder.
fn inside(named: &[u8]) -> Result<PathBuf> {
    let path = Path::new(std::ffi::OsStr::from_bytes(named));
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(unsafe_archive(&format!(
                    "{:?} leads out of the folder",
                    path.display().to_string()
                )));
            }
        }
    }
    if named.len() > LONGEST_PATH || named.contains(&0) {
        return Err(unsafe_archive("a path is too long, or holds a null byte"));
    }
    Ok(clean)
}

/// Whether a symbolic link leads to somewhere in the folder, wherever other such links lead.
///
/// It may go up only at first, through real folders. After that each step goes down, or through
/// another link that stays inside.
fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    let mut down = false;
    !target.as_os_str().is_empty()
        && target.components().all(|part| match part {
            Component::Normal(_) => {
                down = true;
                true
            }
            Component::CurDir => true,
            Component::ParentDir if !down && depth > 0 => {
                depth -= 1;
                true
            }
            _ => false,
        })
}

fn unsafe_archive(why: &str) -> Error {
    Error::new(ErrorKind::UnsafeArchive, "copy out")
        .message(format!("the archive is refused: {why}"))
}

fn failed(path: &Path, error: io::Error) -> Error {
    let full = error.kind() == io::ErrorKind::StorageFull;
    let kind = if full { ErrorKind::DiskFull } else { ErrorKind::Io };
    Error::new(kind, "copy out").message(format!("{}: {error}", path.display())).because(error)
}

#[cfg(test)]
mod tests;
