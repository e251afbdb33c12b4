//! Loading an archive of images when the driver is opened.

use std::path::Path;

use longshore_driver_api::{Error, ErrorKind, Result};
use tokio::fs::File;

use crate::client::api::DockerApi;
use crate::client::error::ClientError;
use crate::client::load::Archive;
use crate::error::{engine_error, kind_of};

const OP: &str = "load images";

/// Loads the images of the archive at `path`.
///
/// # Errors
///
/// `InvalidInput` if it is not there, is no file, or is not what the engine understands.
pub(crate) async fn load(api: &dyn DockerApi, path: &Path) -> Result<()> {
    let what = format!("archive {}", path.display());
    let wrong = |text: &str| {
        Error::new(ErrorKind::InvalidInput, OP)
            .message(format!("{what} {text}: check docker_load_file"))
    };
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong("does not exist").because(error),
        std::io::ErrorKind::PermissionDenied => {
            let message = format!("{what}: no permission to read it");
            Error::new(ErrorKind::PermissionDenied, OP).message(message).because(error)
        }
        _ => wrong(&format!("cannot be opened ({error})")).because(error),
    };
    // Opening a pipe would wait for its writer.
    let about = tokio::fs::metadata(path).await.map_err(unreadable)?;
    if !about.is_file() {
        return Err(wrong("is not a file"));
    }
    let file = File::open(path).await.map_err(unreadable)?;
    let archive = Archive::file(file).await.map_err(unreadable)?;
    let names = api.load_images(archive).await.map_err(|error| refused(&what, error))?;
    if names.is_empty() {
        return Err(wrong("holds no image"));
    }
    tracing::info!(archive = %path.display(), images = names.join(", "), "loaded");
    Ok(())
}

/// What the engine refuses is the archive's fault, unless its words say something else.
fn refused(what: &str, error: ClientError) -> Error {
    let about_the_archive =
        matches!(error, ClientError::Status { status: 400 | 500, .. } | ClientError::Reported(_))
            && matches!(kind_of(&error), ErrorKind::Engine | ErrorKind::InvalidInput);
    if !about_the_archive {
        return engine_error(OP, what, error);
    }
    let message = format!(
        "{what} cannot be loaded ({error}): make it anew with `docker save`, and see that it is whole"
    );
    Error::new(ErrorKind::InvalidInput, OP).message(message).because(error)
}
