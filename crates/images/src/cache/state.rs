//! The file that keeps the order of use over a restart.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use longshore_driver_api::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;
/// No list of images is longer.
const LARGEST: u64 = 16 << 20;

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
    /// The file could not be understood, for the reason given. The order begins anew, and the
    /// next save replaces the file.
    Damaged(String),
}

/// Reads the order. The caller learns of damage; it is no error, for the file only says what to
/// remove first.
pub(crate) fn load(path: &Path) -> (Vec<String>, Restored) {
    match read(path) {
        Ok(document) => {
            let count = document.order.len();
            (document.order, Restored::Order(count))
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => (Vec::new(), Restored::Fresh),
        Err(cause) => {
            tracing::warn!(path = %path.display(), %cause, "the order of images begins anew");
            (Vec::new(), Restored::Damaged(cause.to_string()))
        }
    }
}

fn read(path: &Path) -> io::Result<Document> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    if File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)? as u64 > LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    let document: Document = serde_json::from_str(&text)?;
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
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(document)?)?;
    // The name must not lead to a file whose content is not on the disk yet.
    file.sync_all()?;
    fs::rename(&new, path)
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
        assert_eq!(load(&path), (Vec::new(), Restored::Fresh));
        for order in [ids(&["a", "b", "c"]), ids(&["c"]), Vec::new()] {
            save(&path, order.clone()).unwrap();
            let count = order.len();
            assert_eq!(load(&path), (order, Restored::Order(count)));
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
        for text in ["", "rubbish", "{}", &whole[..whole.len() - 3], &newer, "{\"version\":1}"] {
            fs::write(&path, text).unwrap();
            let (order, restored) = load(&path);
            assert!(order.is_empty());
            assert!(matches!(restored, Restored::Damaged(_)), "{text}: {restored:?}");
        }
        save(&path, ids(&["a"])).unwrap();
        assert_eq!(load(&path).1, Restored::Order(1));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(matches!(load(&path).1, Restored::Damaged(_)));
        let error = save(&path, Vec::new()).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
