//! The files of a container.

use std::collections::BTreeMap;
use std::io::{self, Read as _};

use tar::{Archive, Builder, EntryType, Header};

/// The files and folders of a container, by their absolute paths.
#[derive(Debug)]
pub(crate) struct Files(BTreeMap<String, Node>);

#[derive(Debug)]
enum Node {
    Folder(u32),
    File(u32, Vec<u8>),
}

impl Default for Files {
    fn default() -> Self {
        let folder = |path: &str, mode| (path.to_owned(), Node::Folder(mode));
        Self([folder("/", 0o755), folder("/tmp", 0o1777)].into())
    }
}

impl Files {
    /// Whether there is more than there was at first.
    pub(crate) fn has_more(&self) -> bool {
        self.0.len() > Self::default().0.len()
    }

    pub(crate) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.0.get(&plain(path)) {
            Some(Node::File(_, bytes)) => Ok(bytes.clone()),
            Some(Node::Folder(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(crate) fn write(&mut self, path: &str, mode: u32, bytes: Vec<u8>) -> io::Result<()> {
        let path = plain(path);
        self.check_folder(parent(&path))?;
        if let Some(Node::Folder(_)) = self.0.get(&path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.0.insert(path, Node::File(mode, bytes));
        Ok(())
    }

    fn check_folder(&self, path: &str) -> io::Result<()> {
        match self.0.get(path) {
            Some(Node::Folder(_)) => Ok(()),
            Some(Node::File(..)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Unpacks regular files and folders; an engine in memory has no others.
    pub(crate) fn unpack(&mut self, folder: &str, archive: &[u8]) -> io::Result<()> {
        let folder = plain(folder);
        self.check_folder(&folder)?;
        let mut archive = Archive::new(archive);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = plain(&format!("{folder}/{name}"));
            let mode = entry.header().mode()? & 0o7777;
            match entry.header().entry_type() {
                EntryType::Regular => {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes)?;
                    if bytes.len() as u64 != entry.size() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.make_folders(parent(&path))?;
                    self.write(&path, mode, bytes)?;
                }
                EntryType::Directory => {
                    self.make_folders(&path)?;
                    self.0.insert(path, Node::Folder(mode));
                }
                _ => return Err(io::Error::from(io::ErrorKind::Unsupported)),
            }
        }
        Ok(())
    }

    fn make_folders(&mut self, path: &str) -> io::Result<()> {
        match self.check_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            known => return known,
        }
        self.make_folders(parent(path))?;
        self.0.insert(path.to_owned(), Node::Folder(0o755));
        Ok(())
    }

    /// An archive of a file or folder, which begins with the last part of its path.
    pub(crate) fn pack(&self, path: &str) -> io::Result<Vec<u8>> {
        let path = plain(path);
        if !self.0.contains_key(&path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let above = parent(&path).trim_end_matches('/').len() + 1;
        let below = format!("{}/", path.trim_end_matches('/'));
        let mut tar = Builder::new(Vec::new());
        for (found, node) in &self.0 {
            if *found != path && !found.starts_with(&below) {
                continue;
            }
            let name = match found.get(above..) {
                Some(name) if !name.is_empty() => name,
                _ => ".",
            };
            let mut header = Header::new_gnu();
            let (kind, mode, bytes) = match node {
                Node::Folder(mode) => (EntryType::Directory, *mode, &[][..]),
                Node::File(mode, bytes) => (EntryType::Regular, *mode, &bytes[..]),
            };
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes)?;
        }
        tar.into_inner()
    }
}

/// A path without what makes no difference.
fn plain(path: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((above, _)) if !above.is_empty() => above,
        _ => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks_below_its_own_name() {
        let mut files = Files::default();
        files.write("/tmp/./a", 0o600, b"one".to_vec()).unwrap();
        let packed = files.pack("/tmp").unwrap();
        let mut other = Files::default();
        other.unpack("/tmp", &packed).unwrap();
        assert_eq!(other.read("/tmp/tmp/a").unwrap(), b"one");
        other.unpack("/", &files.pack("/tmp/a").unwrap()).unwrap();
        assert_eq!(other.read("/a").unwrap(), b"one");
        other.unpack("/tmp", &files.pack("/").unwrap()).unwrap();
        assert_eq!(other.read("/tmp/tmp/a").unwrap(), b"one");
    }

    #[test]
    fn folders_are_never_taken_for_files() {
        let mut files = Files::default();
        let kind = |result: io::Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(files.write("/no/such", 0, Vec::new())), io::ErrorKind::NotFound);
        assert_eq!(kind(files.write("/tmp", 0, Vec::new())), io::ErrorKind::IsADirectory);
        files.write("/f", 0, Vec::new()).unwrap();
        assert_eq!(kind(files.write("/f/g", 0, Vec::new())), io::ErrorKind::NotADirectory);
        assert_eq!(files.read("/tmp").unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
