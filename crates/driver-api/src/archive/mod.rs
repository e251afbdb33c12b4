//! Files on their way into a container and out of it: tar archives.

mod limits;
pub(crate) mod single;
pub(crate) mod threaded;
mod unpack;

pub use limits::{OddEntries, UnpackLimits, Unpacked};
pub use threaded::unpack;

use tokio::io::AsyncRead;

/// A tar archive, as it is read. Reading fails if it is cut.
pub type TarStream = Box<dyn AsyncRead + Send + Unpin>;

/// Why a path in a container cannot be used, if it cannot. For backends.
#[must_use]
pub fn path_problem(path: &str) -> Option<&'static str> {
    let good =
        path.starts_with('/') && !path.contains('\0') && !path.split('/').any(|part| part == "..");
    (!good).then_some("is not an absolute path without \"..\"")
}
