//! The file that keeps the order of use over a restart.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use longshore_driver_api::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use tempfile::Builder;

const VERSION: u32 = 1;
/// No list of images is longer.
const LARGEST: u64 = 16 << 20;

/// How many letters and digits a new file's name ends with until it takes the place of the former.
const RANDOM: usize = 6;

/// What every state file begins with. Whatever does not is somebody else's.
const BEGIN: &[u8] = br#"{"version":"#;

// The version first.
#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    // The least recently used first.
    order: Vec<String>,
}

/// What was found in a state file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restored {
    /// There is no file yet.
    Fresh,
    /// The order of so many images.
    Order(usize),
    /// The file is a state file, or the begin of one, that could not be understood, for the reason
    /// given. The order begins anew, and the next save replaces the file.
    Damaged(String),
}

/// Reads the order. The caller learns of damage; it is no error, for the file only says what to
/// remove first. What is no state file is one, since a save would replace it.
pub(crate) fn load(path: &Path) -> Result<(Vec<String>, Restored)> {
    let refused = |cause: io::Error| {
        let kind = match cause.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::InvalidInput,
        };
        let message = format!("{} cannot be the state file ({cause})", path.display());
        let error = Error::new(kind, "open image cache").message(message).because(cause);
        error.remedy("name a file that is not there yet, or one of an image cache's own")
    };
    let Some(text) = bytes(path).map_err(refused)? else {
        return Ok((Vec::new(), Restored::Fresh));
    };
    match read(&text) {
        Ok(document) => {
            tidy(path);
            let count = document.order.len();
            Ok((document.order, Restored::Order(count)))
        }
        Err(_) if !text.starts_with(BEGIN) && !BEGIN.starts_with(&text) => {
            Err(refused(io::Error::other("it is something else's")))
        }
        Err(cause) => {
            tracing::warn!(path = %path.display(), %cause, "the order of images begins anew");
            Ok((Vec::new(), Restored::Damaged(cause.to_string())))
        }
    }
}

/// What is in the file, and a byte more than there can be of one that is too large.
fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(_) = check(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Whether there is a file. Opening or replacing anything else does harm: a pipe would wait for its
/// writer, and a device is everybody's.
fn check(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(Some(found)),
        Ok(_) => Err(io::Error::other("it is not a file")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) if path.is_symlink() => Err(io::Error::other("it is a link that leads nowhere")),
        Err(_) => Ok(None),
    }
}

fn read(text: &[u8]) -> io::Result<Document> {
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    let document: Document = serde_json::from_slice(text)?;
    if document.version != VERSION {
        return Err(io::Error::other(format!("it is of version {}", document.version)));
    }
    Ok(document)
}

/// Replaces the file as a whole: whoever reads it sees the former or the new order.
pub(crate) fn save(path: &Path, order: Vec<String>) -> Result<()> {
    let document = Document { version: VERSION, order };
    replace(path, &document).map_err(|cause| {
        let kind = match cause.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            io::ErrorKind::StorageFull => ErrorKind::DiskFull,
            _ => ErrorKind::Io,
        };
        let message = format!(
            "cannot write {} ({cause}): check it, or configure another state file",
            path.display()
        );
        Error::new(kind, "save image cache").message(message).because(cause)
    })
}

fn replace(path: &Path, document: &Document) -> io::Result<()> {
    let present = check(path)?;
    // A link goes on leading to it.
    let path = if present.is_some() { path.canonicalize()? } else { path.to_owned() };
    let (folder, prefix) = beside(&path);
    fs::create_dir_all(folder)?;
    // As any new file, within what the umask allows.
    let mut new = Builder::new();
    new.prefix(&prefix).rand_bytes(RANDOM).permissions(Permissions::from_mode(0o666));
    let mut file = new.tempfile_in(folder)?;
    if let Some(present) = present {
        file.as_file().set_permissions(present.permissions())?;
    }
    file.write_all(&serde_json::to_vec(document)?)?;
    // The name must not lead to a file whose content is not on the disk yet.
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

/// The folder of a file, and how the name of a new one begins there until it takes the file's place.
fn beside(path: &Path) -> (&Path, OsString) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push("-");
    (folder.unwrap_or(Path::new(".")), prefix)
}

/// Removes what a process that died while it saved has left. It does no harm but to be there, so what
/// cannot be removed stays.
fn tidy(path: &Path) {
    let Ok(path) = path.canonicalize() else { return };
    let (folder, prefix) = beside(&path);
    let left = |name: &OsStr| {
        let random = name.as_bytes().strip_prefix(prefix.as_bytes());
        random.is_some_and(|it| it.len() == RANDOM && it.iter().all(u8::is_ascii_alphanumeric))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if left(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/images.json");
        assert_eq!(load(&path).unwrap(), (Vec::new(), Restored::Fresh));
        for order in [ids(&["a", "b", "c"]), ids(&["c"]), Vec::new()] {
            save(&path, order.clone()).unwrap();
            let count = order.len();
            assert_eq!(load(&path).unwrap(), (order, Restored::Order(count)));
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn damage_is_said_and_mended_by_the_next_save() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("images.json");
        save(&path, ids(&["a", "b"])).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        let newer = whole.replace("\"version\":1", "\"version\":2");
        for text in ["", "{", &whole[..whole.len() - 3], &newer, "{\"version\":1}"] {
            fs::write(&path, text).unwrap();
            let (order, restored) = load(&path).unwrap();
            assert!(order.is_empty());
            assert!(matches!(restored, Restored::Damaged(_)), "{text}: {restored:?}");
        }
        save(&path, ids(&["a"])).unwrap();
        assert_eq!(load(&path).unwrap().1, Restored::Order(1));
    }

    #[test]
    fn what_is_no_state_file_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for (name, text) in [("text", &b"rubbish"[..]), ("json", b"{}"), ("bytes", b"\xff\xfe")] {
            fs::write(path(name), text).unwrap();
            let error = load(&path(name)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(fs::read(path(name)).unwrap(), text);
        }
        std::os::unix::fs::symlink(path("nowhere"), path("loose")).unwrap();
        let null = Path::new("/dev/null");
        for there in [directory.path(), null, &path("loose")] {
            assert!(
                load(there).is_err() && save(there, Vec::new()).is_err(),
                "{}",
                there.display()
            );
        }
        assert!(!fs::metadata(null).unwrap().is_file() && path("loose").is_symlink());
    }

    #[test]
    fn a_link_to_a_state_file_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("a/file"), directory.path().join("link"));
        save(&file, ids(&["a"])).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        save(&link, ids(&["b"])).unwrap();
        assert!(link.is_symlink());
        assert_eq!(load(&file).unwrap().0, ids(&["b"]));
    }

    #[test]
    fn a_state_file_keeps_who_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("images.json");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::write(directory.path().join("any"), "").unwrap();
        save(&path, ids(&["a"])).unwrap();
        assert_eq!(mode(&path), mode(&directory.path().join("any")));
        for wanted in [0o640, 0o604, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(wanted)).unwrap();
            save(&path, ids(&["b"])).unwrap();
            assert_eq!(mode(&path), wanted);
        }
    }

    #[test]
    fn what_a_save_that_was_killed_has_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        save(&path("images.json"), ids(&["a"])).unwrap();
        for name in [".images.json-aB3dE6", ".images.json-longer0", ".images.json", ".other-aB3dE6"]
        {
            fs::write(path(name), "{").unwrap();
        }
        load(&path("images.json")).unwrap();
        let names = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<OsString> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let left = [".images.json", ".images.json-longer0", ".other-aB3dE6", "images.json"];
        assert_eq!(names, left);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir(&path).unwrap();
        let error = save(&path, Vec::new()).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
