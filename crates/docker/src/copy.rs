//! Files into a container and out of it.

mod hidden;

use longshore_driver_api::{Error, ErrorKind, Result, TarStream, path_problem};

use self::hidden::Way;
use crate::client::error::ClientError;
use crate::client::upload::Upload;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::podman;
use crate::retry::again;

/// Unpacks an archive into a folder of the container.
pub(crate) async fn copy_in(core: &Core, folder: &str, archive: TarStream) -> Result<()> {
    let op = "copy in";
    let id = ready(core, op, folder)?;
    hidden::check(core, op, &id, folder, Way::In).await?;
    if core.shared.capabilities.engine == podman::NAME {
        // It would make the folder.
        let there = again("stat_path", || core.shared.api.stat_path(&id, folder)).await;
        if there.map_err(|error| failed(core, op, folder, error))?.is_none() {
            let message = "no such file or directory".to_owned();
            return Err(failed(core, op, folder, ClientError::Status { status: 404, message }));
        }
    }
    core.touch();
    // Again: a start may be about to make the container anew, unless it has seen that it was touched.
    let id = core.created_id(op)?;
    let (upload, state) = Upload::new(archive);
    // Once: the archive can be read only once.
    let sent = tokio::select! {
        biased;
        () = core.ending.cancelled() => return Err(core.closed_error(op)),
        sent = core.shared.api.put_archive(&id, folder, upload) => sent,
    };
    let Err(error) = sent else { return Ok(()) };
    if let Some(why) = state.lock().failed() {
        return Err(Error::new(ErrorKind::Io, op)
            .message(format!("{}: the archive cannot be read: {why}", core.subject())));
    }
    Err(failed(core, op, folder, error))
}

/// An archive of a file or folder of the container.
pub(crate) async fn copy_out(core: &Core, path: &str) -> Result<TarStream> {
    let op = "copy out";
    let id = ready(core, op, path)?;
    hidden::check(core, op, &id, path, Way::Out).await?;
    let asked = again("get_archive", || core.shared.api.get_archive(&id, path)).await;
    asked.map_err(|error| failed(core, op, path, error))
}

fn ready(core: &Core, op: &'static str, path: &str) -> Result<String> {
    if !core.shared.capabilities.copy {
        return Err(Error::new(ErrorKind::Unsupported, op).message("this engine cannot copy files"));
    }
    if let Some(problem) = path_problem(path) {
        return Err(Error::new(ErrorKind::InvalidInput, op).message(format!("{path:?} {problem}")));
    }
    core.created_id(op)
}

fn failed(core: &Core, op: &'static str, path: &str, error: ClientError) -> Error {
    if core.ending.is_cancelled() {
        return core.closed_error(op);
    }
    let subject = format!("{path:?} in {}", core.subject());
    // Engines say this under various statuses.
    let absent = match &error {
        ClientError::Status { message, .. } => {
            message.contains("no such file or directory")
                || message.contains("Could not find the file")
        }
        _ => false,
    };
    if absent {
        return Error::new(ErrorKind::NotFound, op)
            .message(format!("{subject}: {error}"))
            .because(error);
    }
    engine_error(op, &subject, error)
}
