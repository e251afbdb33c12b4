//! Archives of one file.

use std::io::{Cursor, Read as _};

use tar::{Archive, Builder, EntryType, Header};
use tokio::io::AsyncReadExt as _;

use super::{TarStream, path_problem};
use crate::{ByteSize, Error, ErrorKind, Result};

/// What an archive of one file may hold besides its content: headers, a long name, the end.
const BESIDES: u64 = 64 * 1024;

/// An archive that holds one file, and the folder that it belongs into.
pub(crate) fn file(path: &str, bytes: &[u8], mode: u32) -> Result<(String, TarStream)> {
    let wrong = |why: &str| {
        Err(Error::new(ErrorKind::InvalidInput, "write file").message(format!("{path:?} {why}")))
    };
    if let Some(problem) = path_problem(path) {
        return wrong(problem);
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name.is_empty() || name == "." {
        return wrong("names no file");
    }
    if mode > 0o7777 {
        return wrong(&format!("cannot have the mode {mode:o}: permission bits are 0 to 7777"));
    }
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    let mut tar = Builder::new(Vec::with_capacity(bytes.len() + 4096));
    let made = tar.append_data(&mut header, name, bytes).and_then(|()| tar.into_inner());
    let made = made.map_err(|error| failed("write file", path, error))?;
    let folder = if folder.is_empty() { "/" } else { folder };
    Ok((folder.to_owned(), Box::new(Cursor::new(made))))
}

/// The content of the one file of an archive.
pub(crate) async fn content(archive: TarStream, path: &str, most: ByteSize) -> Result<Vec<u8>> {
    let too_long = || {
        Error::new(ErrorKind::UnsafeArchive, "read file")
            .message(format!("{path:?} is longer than {most}"))
    };
    let bound = most.bytes().saturating_add(BESIDES);
    let mut bytes = Vec::new();
    let read = archive.take(bound).read_to_end(&mut bytes).await;
    read.map_err(|error| failed("read file", path, error))?;
    let mut tar = Archive::new(&bytes[..]);
    let mut entries = tar.entries().map_err(|error| failed("read file", path, error))?;
    let Some(entry) = entries.next() else {
        return Err(failed("read file", path, std::io::ErrorKind::UnexpectedEof.into()));
    };
    let mut entry = entry.map_err(|error| failed("read file", path, error))?;
    if !entry.header().entry_type().is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "read file")
            .message(format!("{path:?} is no regular file")));
    }
    if entry.size() > most.bytes() {
        return Err(too_long());
    }
    let expected = entry.size();
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(|error| failed("read file", path, error))?;
    if content.len() as u64 != expected {
        return Err(failed("read file", path, std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(content)
}

fn failed(op: &'static str, path: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, op).message(format!("{path:?}: {error}")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_reads_back_and_a_longer_one_is_refused() {
        for length in [0, 1, 511, 512, 513, 100_000] {
            let bytes = vec![7; length];
            let (folder, archive) = file("/some/where/file", &bytes, 0o640).unwrap();
            assert_eq!(folder, "/some/where");
            let most = ByteSize(length as u64);
            assert!(content(archive, "/f", most).await.unwrap() == bytes);
        }
        let (_, archive) = file("/f", &[0; 200_000], 0o644).unwrap();
        let error = content(archive, "/f", ByteSize(100)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsafeArchive);
    }

    #[tokio::test]
    async fn a_cut_archive_is_no_file() {
        let (_, mut archive) = file("/f", &[1; 5000], 0o644).unwrap();
        let mut bytes = Vec::new();
        archive.read_to_end(&mut bytes).await.unwrap();
        for length in [0, 100, 512, 3000] {
            let cut: TarStream = Box::new(Cursor::new(bytes[..length].to_vec()));
            let error = content(cut, "/f", ByteSize::mib(1)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{length}");
        }
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for path in ["relative", "/", "/a/", "/a/../b", "/a/."] {
            let error = file(path, b"", 0o644).map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        }
        assert_eq!(file("/f", b"", 0o644).unwrap().0, "/");
    }
}
