//! Whether a stream that ended while the task lives was closed by the task or cut on the way.

use std::sync::atomic::{AtomicBool, Ordering};
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
/// How often a new connection has to end at once: one may be cut as the first one was.
const ENDS: u32 = 3;
/// From one of these to the next.
const BETWEEN: Duration = Duration::from_secs(1);

/// Whether a task was seen to outlive its output, and why is not known yet.
#[derive(Debug, Default)]
pub(super) struct Doubt(AtomicBool);

impl Doubt {
    /// So it is.
    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, open: bool) {
        self.0.store(open, Ordering::Relaxed);
    }
}

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
/// ends each new connection at once. If one stays open while the task lives, the old one was cut; at
/// the streams of a task that has ended, an engine leaves it open as well. A refusal says nothing, and
/// an engine refuses those of a frozen task.
pub(super) async fn was_cut(core: &Core, id: &str, doubt: &Doubt) -> bool {
    let mut streams = core.streams;
    streams.stdin = false;
    let (mut ends, mut refusals) = (0, 0);
    loop {
        let stream = match attach(core, id, streams).await {
            Ok(stream) => stream,
            // The task lived when its output ended, and the engine has gone: that is why.
            Err(error) if error.status().is_none() => return true,
            Err(_) => {
                if lives(core, id).await == Some(false) {
                    // There is nothing to attach to. What was not known before never will be.
                    return doubt.is_open();
                }
                doubt.set(ends == 0);
                refusals += 1;
                goes_on(core).await;
                tokio::time::sleep(pause(refusals)).await;
                continue;
            }
        };
        let (mut from, _to) = stream.split();
        let mut byte = [0; 1];
        match tokio::time::timeout(CLOSED_AT_ONCE, from.read(&mut byte)).await {
            Ok(Ok(0)) => {
                doubt.set(false);
                ends += 1;
                if ends == ENDS {
                    return false;
                }
                tokio::time::sleep(BETWEEN).await;
            }
            Ok(Ok(_)) => return true,
            Ok(Err(_)) | Err(_) => return must_live(core, id, doubt).await || doubt.is_open(),
        }
    }
}

/// Whether the task has not ended, if the engine says.
async fn lives(core: &Core, id: &str) -> Option<bool> {
    let found = core.shared.api.inspect_container(id).await;
    found.ok().map(|container| container.state.running)
}

/// Whether the task has not ended: asked until the engine says, which is a doubt meanwhile.
async fn must_live(core: &Core, id: &str, doubt: &Doubt) -> bool {
    let before = doubt.is_open();
    for attempt in 1.. {
        match core.shared.api.inspect_container(id).await {
            Ok(container) => {
                doubt.set(before);
                return container.state.running;
            }
            Err(error) if error.is_not_found() => {
                doubt.set(before);
                return false;
            }
            Err(_) => {
                doubt.set(true);
                tokio::time::sleep(pause(attempt)).await;
            }
        }
    }
    unreachable!("the loop ends only by returning")
}

/// Waits until it is not frozen.
async fn goes_on(core: &Core) {
    // The sender is in the core.
    let _ = core.frozen.subscribe().wait_for(|frozen| !frozen).await;
}
