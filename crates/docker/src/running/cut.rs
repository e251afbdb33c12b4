//! Whether a stream that ended while the task lives was closed by the task or cut on the way.

use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::client::api::Streams;
use crate::client::error::Result;
use crate::client::stream::RawStream;
use crate::container::core::Core;
use crate::retry::pause;

/// How soon the end of the task follows the end of its output. Only then is there a question.
pub(super) const FOLLOWS: Duration = Duration::from_secs(1);
/// How soon the engine ends a new connection to streams that the task has closed.
const CLOSED_AT_ONCE: Duration = Duration::from_millis(500);

/// Attaches, and waits for as long as there is no descriptor for it: nothing is known without.
async fn attach(core: &Core, id: &str, streams: Streams) -> Result<RawStream> {
    for attempt in 1.. {
        match core.shared.api.attach(id, streams, "").await {
            Err(error) if error.is_ours() => tokio::time::sleep(pause(attempt)).await,
            attached => return attached,
        }
    }
    unreachable!("the loop ends only by returning")
}

/// Attaches again to find out. A task that has closed its streams has none to attach to: the engine
/// ends the new connection at once. If it stays open while the task lives, the old one was cut; at
/// the streams of a task that has ended, an engine leaves it open as well.
pub(super) async fn was_cut(core: &Core, id: &str) -> bool {
    let mut streams = core.streams;
    streams.stdin = false;
    let stream = match attach(core, id, streams).await {
        Ok(stream) => stream,
        // The task lived when its output ended, and the engine has gone: that is why.
        Err(error) if error.status().is_none() => return true,
        // There is nothing to attach to: the task is ending.
        Err(_) => return false,
    };
    let (mut from, _to) = stream.split();
    let mut byte = [0; 1];
    match tokio::time::timeout(CLOSED_AT_ONCE, from.read(&mut byte)).await {
        Ok(Ok(0)) => false,
        Ok(Ok(_)) => true,
        Ok(Err(_)) | Err(_) => {
            let found = core.shared.api.inspect_container(id).await;
            found.is_ok_and(|container| container.state.running)
        }
    }
}
