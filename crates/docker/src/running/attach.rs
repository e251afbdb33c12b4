//! The task's streams, before it is started.

use std::sync::Arc;

use longshore_driver_api::Result;

use super::start::failed;
use crate::client::error::ClientError;
use crate::client::stream::RawStream;
use crate::container::core::Core;
use crate::container::make_anew;
use crate::detach;
use crate::meter;
use crate::retry::{if_unsent, passes_by_itself, pause, repeat};

/// How often a container is made anew because its input was spent.
const TRIES: u32 = 3;

/// Why a task was not begun.
pub(super) enum NotBegun {
    /// The engine refused, or failed.
    Failed(ClientError),
    /// It may have attached to the input, and the connection has ended.
    InputSpent(ClientError),
}

/// Attaches to the streams that somebody wants.
///
/// An input ends with the first connection to it, so it is attached to once: a second connection would
/// write to nobody, and the task would read nothing and take that for all of its input.
pub(super) async fn attach(core: &Core, id: &str) -> Result<Option<RawStream>, NotBegun> {
    if core.streams.is_empty() {
        return Ok(None);
    }
    let keys = detach::of_container(&core.shared.capabilities);
    let call = || core.shared.api.attach(id, core.streams, &keys);
    if !core.streams.stdin {
        return repeat("attach", call).await.map(Some).map_err(NotBegun::Failed);
    }
    match if_unsent("attach", call).await {
        Ok(stream) => Ok(Some(stream)),
        // What would be asked again otherwise, if it was asked at all.
        Err(error) if passes_by_itself(&error) && !error.is_ours() => {
            Err(NotBegun::InputSpent(error))
        }
        Err(error) => Err(NotBegun::Failed(error)),
    }
}

/// A container in place of one whose input was spent, `spent` in a row.
pub(super) async fn unspent(
    core: &Arc<Core>,
    id: &str,
    error: ClientError,
    spent: u32,
) -> Result<String> {
    let lost = meter::Failed::by(&error);
    let why = failed(core, error);
    if spent <= TRIES && !core.ending.is_cancelled() {
        tokio::time::sleep(pause(spent)).await;
        if let Some(id) = make_anew(core, id, &why).await? {
            lost.retried("attach");
            return Ok(id);
        }
    }
    if core.ending.is_cancelled() {
        return Err(core.closed_error("start"));
    }
    Err(why.remedy("nothing of it has run: run the task again"))
}
