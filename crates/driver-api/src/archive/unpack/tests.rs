//! Archives as a hostile container would make them.

use std::io::{Cursor, Write as _};

use proptest::prelude::*;
use tar::{Builder, Header};

use super::*;
use crate::ByteSize;

const PLENTY: UnpackLimits = UnpackLimits::new(ByteSize::mib(10), 1000);

/// An archive whose paths are written as they are.
struct Made(Builder<Vec<u8>>);

impl Made {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn entry(mut self, kind: EntryType, path: &str, link: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o6755);
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(EntryType::Regular, path, "", bytes)
    }

    fn symlink(self, path: &str, link: &str) -> Self {
        self.entry(EntryType::Symlink, path, link, b"")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// Unpacks into a new folder with a neighbour, and sees that the neighbour is left alone.
fn unpacked(bytes: &[u8], limits: UnpackLimits) -> (tempfile::TempDir, Result<Unpacked>) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("neighbour"), "own").unwrap();
    let result = unpack(bytes, &home.path().join("to"), limits);
    assert_eq!(fs::read(home.path().join("neighbour")).unwrap(), b"own");
    let names = fs::read_dir(home.path()).unwrap().count();
    assert!(names <= 2, "something was made beside the folder");
    (home, result)
}

fn refused(made: Made, words: &str) {
    let bytes = made.bytes();
    let error = unpacked(&bytes, PLENTY).1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsafeArchive, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn files_folders_and_links_that_stay_inside_are_made() {
    let made = Made::new()
        .entry(EntryType::Directory, "d/", "", b"")
        .file("d/deep/er/file", b"content")
        .file("d/file", b"first")
        .file("d/file", b"second")
        .symlink("d/deep/up", "../file")
        .symlink("d/dangling", "nowhere")
        .entry(EntryType::Link, "d/hard", "d/file", b"")
        .bytes();
    let (home, result) = unpacked(&made, PLENTY);
    let done = result.unwrap();
    assert_eq!((done.files, done.folders, done.links, done.skipped), (4, 3, 2, 0));
    let read = |path: &str| fs::read(home.path().join("to").join(path)).unwrap();
    assert_eq!(read("d/deep/er/file"), b"content");
    assert_eq!((read("d/deep/up"), read("d/hard")), (b"second".to_vec(), b"second".to_vec()));
    let mode = fs::metadata(home.path().join("to/d/file")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "set-user-id was kept");
}

#[test]
fn paths_that_lead_out_are_refused_even_where_odd_entries_are_left_out() {
    for path in ["../neighbour", "/neighbour", "a/../../neighbour", "..", "a/../b"] {
        let made = Made::new().file(path, b"changed").bytes();
        let error = unpacked(&made, PLENTY.skip_odd()).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsafeArchive, "{path}");
    }
}

#[test]
fn long_names_are_checked_like_short_ones() {
    let mut tar = Builder::new(Vec::new());
    let long = format!("../{}", "n".repeat(200));
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(long.len() as u64);
    header.set_cksum();
    tar.append(&header, long.as_bytes()).unwrap();
    refused(Made(tar).file("short", b""), "leads out");
    let mut tar = Builder::new(Vec::new());
    tar.append_pax_extensions([("path", &b"/neighbour"[..])]).unwrap();
    refused(Made(tar).file("short", b""), "leads out");
}

#[test]
fn links_that_lead_out_are_refused_or_left_out() {
    let cases = [
        Made::new().symlink("l", "/etc/passwd"),
        Made::new().symlink("l", ".."),
        Made::new().symlink("d/l", "../../neighbour"),
        // Through another link, going up would leave the folder.
        Made::new().symlink("d/one", "..").symlink("two", "d/one/.."),
        Made::new().entry(EntryType::Link, "l", "../neighbour", b""),
        Made::new().entry(EntryType::Link, "l", "absent", b""),
    ];
    for made in cases {
        let bytes = made.bytes();
        let error = unpacked(&bytes, PLENTY).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsafeArchive, "{error}");
        let (_home, left_out) = unpacked(&bytes, PLENTY.skip_odd());
        assert_eq!(left_out.unwrap().skipped, 1);
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let made = Made::new().symlink("l", "d").file("l/file", b"x").file("d/own", b"y").bytes();
    let (home, result) = unpacked(&made, PLENTY.skip_odd());
    assert_eq!(result.unwrap().skipped, 1, "the link has to give way to the folder");
    assert!(home.path().join("to/l/file").exists() && !home.path().join("to/d/file").exists());
    // A link below a link that is made just before it.
    let made = Made::new().symlink("a", "d").symlink("a/b", "c").file("d/own", b"y").bytes();
    let (home, result) = unpacked(&made, PLENTY.skip_odd());
    assert_eq!(result.unwrap().links, 1);
    assert!(!home.path().join("to/d/b").exists());
}

#[test]
fn devices_and_pipes_are_not_made() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::GNUSparse] {
        refused(Made::new().entry(kind, "odd", "", b""), "no file, folder or link");
    }
}

#[test]
fn bombs_end_at_their_limits() {
    let large = Made::new().file("a", &[0; 600]).file("b", &[0; 600]).bytes();
    let error = unpacked(&large, UnpackLimits::new(ByteSize(1000), 10)).1.unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
    unpacked(&large, UnpackLimits::new(ByteSize(1200), 10)).1.unwrap();

    let many = (0..11).fold(Made::new(), |made, n| made.file(&format!("f{n}"), b"")).bytes();
    let error = unpacked(&many, UnpackLimits::new(ByteSize(1000), 10)).1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsafeArchive);
    // Folders that are only named count as well, and so do headers that make nothing.
    let deep = Made::new().file(&"d/".repeat(40), b"").bytes();
    assert!(unpacked(&deep, UnpackLimits::new(ByteSize(1000), 10)).1.is_err());
    let again =
        (0..100).fold(Made::new(), |made, _| made.entry(EntryType::Directory, "d", "", b""));
    assert!(unpacked(&again.bytes(), UnpackLimits::new(ByteSize(1000), 10)).1.is_err());

    // A header that promises more than there is, in an extension and in a file.
    for kind in [EntryType::GNULongName, EntryType::XHeader, EntryType::Regular] {
        let mut header = Header::new_gnu();
        header.set_path("f").unwrap();
        header.set_entry_type(kind);
        header.set_size(1 << 40);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.write_all(&[0; 4096]).unwrap();
        let error = unpacked(&bytes, PLENTY).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsafeArchive, "{error}");
    }
}

#[test]
fn a_cut_file_is_an_error() {
    let bytes = Made::new().file("f", &[1; 5000]).bytes();
    let error = unpacked(&bytes[..2000], PLENTY).1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

#[test]
fn the_callers_own_folder_keeps_its_mode() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("to");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let made = Made::new().entry(EntryType::Directory, "./", "", b"").file("f", b"x");
    unpack(&made.bytes()[..], &folder, UnpackLimits::new(ByteSize::mib(1), 10)).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn only_an_empty_folder_is_unpacked_into() {
    let home = tempfile::tempdir().unwrap();
    let bytes = Made::new().file("f", b"").bytes();
    unpack(Cursor::new(&bytes), home.path(), PLENTY).unwrap();
    let error = unpack(Cursor::new(&bytes), home.path(), PLENTY).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    symlink(home.path(), home.path().join("link")).unwrap();
    let through = unpack(Cursor::new(&bytes), &home.path().join("link"), PLENTY);
    assert_eq!(through.unwrap_err().kind(), ErrorKind::InvalidInput);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_archive_writes_beside_the_folder_or_panics(
        entries in prop::collection::vec(
            (0..6_usize, "(\\.\\./|/|a/|b/|l/){0,3}(a|b|l|\\.\\.)?", "(\\.\\./|/|a/|l/){0,3}(a|l|\\.\\.)?"),
            0..8,
        ),
        skip in any::<bool>(),
    ) {
        let kinds = [
            EntryType::Regular, EntryType::Directory, EntryType::Symlink, EntryType::Link,
            EntryType::Fifo, EntryType::GNULongName,
        ];
        let made = entries.iter().fold(Made::new(), |made, (kind, path, link)| {
            made.entry(kinds[*kind], path, link, if *kind == 0 { b"x" } else { b"" })
        });
        let limits = if skip { PLENTY.skip_odd() } else { PLENTY };
        let _ = unpacked(&made.bytes(), limits);
    }
}
