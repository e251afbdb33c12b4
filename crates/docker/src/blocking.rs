//! Work with files, kept off the threads that carry tasks.

use longshore_driver_api::{Error, ErrorKind, Result};

/// Does what looks at files where it holds nobody up.
pub(crate) async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorKind::Io, "look at files").message("the runtime is ending").because(error)
    })
}
