//! Files that are read as a whole. `-` is stdin, and none may be so large that it is no mistake.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;

/// No description, configuration or list of variables is nearly as large.
const LARGEST: u64 = 16 << 20;

/// Whether this means stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What it is called when something is wrong with it.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() }
}

/// Does what may wait for ever, such as for the other end of a named pipe. When the future is
/// dropped, nobody waits any more.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Failure::new(format!("a thread ended early: {error}"))),
    }
}

/// Reads a text. It may wait for ever, for whoever writes into a pipe.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    if is_stdin(path) { read_all(io::stdin().lock()) } else { read_all(File::open(path)?) }
}

fn read_all(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    if from.take(LARGEST + 1).read_to_string(&mut text)? as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_refused() {
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 16 MiB");
        let just = read_all(io::repeat(b'x').take(LARGEST)).unwrap();
        assert_eq!(just.len() as u64, LARGEST);
    }
}
