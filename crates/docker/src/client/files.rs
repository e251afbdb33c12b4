//! What an engine tells of the files of a container.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::HeaderMap;
use serde::Deserialize;

use super::error::{ClientError, Result};

/// Where the answer to `HEAD /containers/{id}/archive` is.
const STAT: &str = "X-Docker-Container-Path-Stat";

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct PathStat {
    /// Permissions, and the type as Go writes it.
    mode: u32,
}

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathKind {
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A regular file.
    File,
    /// A device, a pipe, a socket, or what nobody knows.
    Other,
}

impl PathStat {
    /// From the headers of an answer.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let bad = || ClientError::Protocol(format!("the answer has no {STAT} that can be read"));
        let text = headers.get(STAT).ok_or_else(bad)?;
        let text = BASE64_STANDARD.decode(text.as_bytes()).map_err(|_| bad())?;
        serde_json::from_slice(&text).map_err(|_| bad())
    }

    /// Its type.
    pub(crate) fn kind(self) -> PathKind {
        const FOLDER: u32 = 1 << 31;
        const LINK: u32 = 1 << 27;
        // Device, pipe, socket, device of characters, and none of these.
        const OTHER: u32 = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;
        match self.mode & (FOLDER | LINK | OTHER) {
            0 => PathKind::File,
            FOLDER => PathKind::Folder,
            LINK => PathKind::Link,
            _ => PathKind::Other,
        }
    }

    /// Whether anybody at all may execute it: without that bit, not even root may.
    pub(crate) fn is_executable(self) -> bool {
        self.mode & 0o111 != 0
    }
}

/// One thing in which the files of a container differ from its image's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FileChange {
    /// Where.
    pub(crate) path: String,
    kind: u8,
}

impl FileChange {
    /// Whether it was changed or added: anything else may be a removal.
    pub(crate) fn is_there(&self) -> bool {
        matches!(self.kind, 0 | 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(text: &str) -> Result<PathStat> {
        let mut headers = HeaderMap::new();
        headers.insert(STAT, BASE64_STANDARD.encode(text).parse().unwrap());
        PathStat::of(&headers)
    }

    #[test]
    fn the_type_is_read_as_go_writes_it() {
        let table = [
            (2_147_484_141_u32, PathKind::Folder, true),
            (493, PathKind::File, true),
            (420, PathKind::File, false),
            // Set-user-id.
            (8_389_101, PathKind::File, true),
            (134_218_239, PathKind::Link, true),
            (69_206_454, PathKind::Other, false),
        ];
        for (mode, kind, executable) in table {
            let text = format!(r#"{{"name":"x","size":4096,"mode":{mode},"linkTarget":""}}"#);
            let stat = stat(&text).unwrap();
            assert_eq!((stat.kind(), stat.is_executable()), (kind, executable), "{mode}");
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_no_answer() {
        assert!(stat("{}").is_err() && stat("").is_err());
        assert!(PathStat::of(&HeaderMap::new()).is_err());
    }
}
