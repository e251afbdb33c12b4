//! What may be unpacked, and what was.

use crate::ByteSize;

/// What may be unpacked from an archive that somebody else made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnpackLimits {
    /// The bytes of all files together.
    pub bytes: ByteSize,
    /// How many files, folders and links, those folders included that are only named in paths.
    pub entries: u64,
    /// What becomes of entries that are not made.
    pub odd: OddEntries,
}

impl UnpackLimits {
    /// At most so many bytes and entries. Odd entries are refused.
    #[must_use]
    pub const fn new(bytes: ByteSize, entries: u64) -> Self {
        Self { bytes, entries, odd: OddEntries::Refuse }
    }

    /// Leaves odd entries out instead of refusing the archive.
    #[must_use]
    pub const fn skip_odd(mut self) -> Self {
        self.odd = OddEntries::Skip;
        self
    }
}

/// What becomes of entries that are not made: devices, pipes, links that lead out of the folder,
/// files with holes. A path that leads out of the folder is always refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OddEntries {
    /// The whole archive is refused.
    #[default]
    Refuse,
    /// They are left out, and counted.
    Skip,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unpacked {
    /// Regular files, hard links among them.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of all files together.
    pub bytes: u64,
    /// Odd entries that were left out.
    pub skipped: u64,
}
