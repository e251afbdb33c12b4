//! Removing one container from the engine, whatever its state and whatever the engine says about it.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::api::DockerApi;
use crate::client::error::{ClientError, Result};
use crate::retry::repeat;

/// How often a container is looked for that somebody else removes.
const LOOK: Duration = Duration::from_millis(25);

/// Removes a container, by its name or id, if it is there; says whether it was. A removal of somebody
/// else's that is under way is waited for, at most for `bound`.
pub(crate) async fn remove_container(
    api: &dyn DockerApi,
    target: &str,
    bound: Duration,
) -> Result<bool> {
    let error = match repeat("remove_container", || api.remove_container(target)).await {
        Ok(()) => return Ok(true),
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => error,
    };
    if is_under_way(&error) {
        return gone(api, target, bound).await.map(|()| true);
    }
    if error.status().is_none() {
        return Err(error);
    }
    // A container can be frozen while the engine thinks that it is not: then it cannot be killed.
    // One round of both brings the two together.
    for _ in 0..2 {
        if api.unpause_container(target).await.is_ok() {
            break;
        }
        if api.pause_container(target).await.is_err() {
            break;
        }
    }
    match api.remove_container(target).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) if is_under_way(&error) => gone(api, target, bound).await.map(|()| true),
        Err(error) => Err(error),
    }
}

fn is_under_way(error: &ClientError) -> bool {
    matches!(error, ClientError::Status { status: 409, message } if message.contains("already in progress"))
}

/// Waits until somebody else's removal is done.
async fn gone(api: &dyn DockerApi, target: &str, bound: Duration) -> Result<()> {
    let give_up = Instant::now() + bound;
    loop {
        match api.inspect_container(target).await {
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) if error.status().is_none() => return Err(error),
            _ => {}
        }
        if Instant::now() >= give_up {
            return Err(ClientError::Deadline { bound });
        }
        tokio::time::sleep(LOOK).await;
    }
}
