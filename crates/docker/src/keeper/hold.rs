//! The owner's side: there is a keeper for as long as the driver lives, and another one soon after it
//! ended before its time. All of it is done on the reaper's thread, which outlives any caller's
//! runtime.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Error, ErrorKind, LABEL_KEEPER_GENERATION, NetworkMode, PlaceholderSpec, Result,
};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::Keeper;
use crate::client::api::Streams;
use crate::client::error::ClientError;
use crate::client::stream::{FromContainer, ToContainer};
use crate::container::core::NAME;
use crate::create::{body, label};
use crate::error::engine_error;
use crate::placeholder::{Program, ensure};
use crate::retry::{again, if_unsent, repeat};
use crate::shared::Shared;

const OP: &str = "make a keeper";
/// How often one is looked for whose making was asked for without an answer.
const LOOK: Duration = Duration::from_millis(100);
/// What an attempt to make another may take of the time for which there may be none.
const AN_ATTEMPT: u32 = 4;
/// From one attempt to the next, as a part of that time, and the longest.
const A_PAUSE: u32 = 16;
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// From one look at the keeper to the next, as a part of that time, and the longest.
const A_WATCH: u32 = 6;
const LONGEST_WATCH: Duration = Duration::from_secs(10);

/// Keeps a keeper until the driver ends, and removes it then. Gives what could not be removed, by
/// name, with why.
pub(crate) async fn hold(shared: Arc<Shared>) -> Vec<(String, String)> {
    let Some(keeper) = &shared.keeper else { return Vec::new() };
    let mut line = Line { shared: &shared, keeper, generation: 0, asked: Vec::new() };
    let first = tokio::select! {
        biased;
        () = keeper.end.cancelled() => {
            Err(Error::new(ErrorKind::Closed, OP).message("the driver was closed"))
        }
        first = line.raise() => first,
    };
    match first {
        Ok(mut held) => {
            keeper.first.send_replace(Some(Ok(())));
            while let Some(why) = held.ended(&shared, keeper).await {
                tracing::warn!(keeper = held.name, why, "the keeper ended; another is made");
                let Some(next) = line.raise_again().await else { break };
                held = next;
                // What is left of earlier ones has time; this one is to be watched.
                let _ = timeout(keeper.promise.grace() / AN_ATTEMPT, line.remove(Some(&held.name)))
                    .await;
            }
        }
        Err(error) => {
            let error = error.remedy(
                "see to it that the engine takes and runs that image, or do without a keeper (keeper = \"never\")",
            );
            keeper.first.send_replace(Some(Err(Arc::new(error))));
        }
    }
    line.remove(None).await
}

/// A keeper that runs, with the connection that it lives by.
struct Held {
    id: String,
    name: String,
    from: FromContainer,
    _to: ToContainer,
}

impl Held {
    /// Waits until it has ended, and says how that is known. `None`: it is to end.
    async fn ended(&mut self, shared: &Shared, keeper: &Keeper) -> Option<String> {
        let pause = (keeper.promise.grace() / A_WATCH).min(LONGEST_WATCH);
        let mut bytes = [0; 64];
        loop {
            tokio::select! {
                () = keeper.end.cancelled() => return None,
                read = self.from.read(&mut bytes) => match read {
                    Ok(0) => return Some("its connection ended".to_owned()),
                    // It writes nothing; whatever came is no end.
                    Ok(_) => {}
                    Err(error) => return Some(format!("its connection ended: {error}")),
                },
                // A connection does not always tell that it has ended.
                () = sleep(pause) => {
                    let looked = timeout(pause, shared.api.inspect_container(&self.id)).await;
                    match looked {
                        Ok(Ok(container)) if !container.state.running => {
                            return Some("it does not run".to_owned());
                        }
                        Ok(Err(error)) if error.is_not_found() => {
                            return Some("it is gone".to_owned());
                        }
                        // An engine that is away says nothing; the next look may.
                        _ => {}
                    }
                }
            }
        }
    }
}

/// A keeper that was asked for and may be on the engine.
struct Asked {
    name: String,
    /// Until when it may appear, if nothing was heard of its making.
    until: Option<Instant>,
}

/// An owner's keepers, one after the other.
struct Line<'a> {
    shared: &'a Shared,
    keeper: &'a Keeper,
    generation: u64,
    asked: Vec<Asked>,
}

impl Line<'_> {
    /// Makes attempts until one runs. `None`: there is to be none any more.
    async fn raise_again(&mut self) -> Option<Held> {
        let keeper = self.keeper;
        let grace = keeper.promise.grace();
        loop {
            let raised = tokio::select! {
                biased;
                () = keeper.end.cancelled() => return None,
                raised = timeout(grace / AN_ATTEMPT, self.raise()) => raised,
            };
            match raised {
                Ok(Ok(held)) => return Some(held),
                Ok(Err(error)) => tracing::debug!(%error, "no keeper yet"),
                Err(_) => tracing::debug!("no keeper yet: the engine takes too long"),
            }
            tokio::select! {
                () = keeper.end.cancelled() => return None,
                () = sleep((grace / A_PAUSE).min(LONGEST_PAUSE)) => {}
            }
        }
    }

    /// Makes one more. Under a new name: of an earlier attempt nobody may know what became.
    async fn raise(&mut self) -> Result<Held> {
        let shared = self.shared;
        let (api, platform) = (&*shared.api, &shared.capabilities.platform);
        let image = ensure(api, platform, Program::Keeper, shared.timeouts.work).await?;
        self.generation += 1;
        let name = format!("{NAME}keeper-{}-{}", shared.owner, self.generation);
        let body = self.request(&image)?;
        // Before it is asked for: this future may be dropped at any time.
        let until = Some(Instant::now() + shared.timeouts.work);
        self.asked.push(Asked { name: name.clone(), until });
        let failed = |error| engine_error(OP, &name, error);
        let created = if_unsent("create_container", || api.create_container(&name, None, &body));
        let id = match created.await {
            Ok(created) => created.id,
            Err(error) => {
                if !may_be_made(&error) {
                    self.asked.pop();
                }
                return Err(failed(error));
            }
        };
        if let Some(asked) = self.asked.last_mut() {
            asked.until = None;
        }
        // Its end ends the output, and with that the connection. Without the output nothing would.
        let streams = Streams { stdin: true, stdout: true, stderr: false };
        // Once: the end of the first connection is the end of its input, and so its own.
        let stream = if_unsent("attach", || api.attach(&id, streams, "")).await.map_err(failed)?;
        let (from, to) = stream.split();
        if_unsent("start_container", || api.start_container(&id)).await.map_err(failed)?;
        let state = again("inspect_container", || api.inspect_container(&id)).await;
        if !state.map_err(failed)?.state.running {
            return Err(Error::new(ErrorKind::EndedEarly, OP)
                .message(format!("{name} ended as soon as it was started")));
        }
        Ok(Held { id, name, from, _to: to })
    }

    /// The request that creates it: as hardened as a placeholder, with an input that ends with the
    /// first connection to it.
    fn request(&self, image: &str) -> Result<Value> {
        let task = PlaceholderSpec::new("keeper", NetworkMode::None).task(image, false)?;
        let streams = Streams { stdin: true, stdout: true, stderr: false };
        let mut body = body(&task, image, streams, None);
        let mut labels = self.shared.labels.clone();
        labels.insert(LABEL_KEEPER_GENERATION.to_owned(), self.generation.to_string());
        label(&mut body, &labels);
        // Process 1 gets no signal that it does not catch: an engine that is shut down would wait.
        body["StopSignal"] = "SIGKILL".into();
        Ok(body)
    }

    /// Removes all but the one that is to be left, if any. Those that may still appear are waited
    /// for only if none is to be left. Gives what could not be removed.
    async fn remove(&mut self, but: Option<&str>) -> Vec<(String, String)> {
        let api = &*self.shared.api;
        let mut failed = Vec::new();
        let mut at = 0;
        // One is taken off the list only when it is gone: this future may be dropped at any time.
        while let Some(Asked { name, until }) = self.asked.get(at) {
            if Some(name.as_str()) == but {
                at += 1;
                continue;
            }
            let may_appear = until.is_some_and(|until| Instant::now() < until);
            match repeat("remove_container", || api.remove_container(name)).await {
                Err(error) if error.is_not_found() && may_appear && but.is_none() => {
                    sleep(LOOK).await;
                    continue;
                }
                Err(error) if error.is_not_found() && !may_appear => {}
                // Somebody else removes it.
                Err(error) if error.status() == Some(409) => {}
                Err(error) => {
                    failed.push((name.clone(), error.to_string()));
                    at += 1;
                    continue;
                }
                Ok(()) => {}
            }
            self.asked.remove(at);
        }
        failed
    }
}

/// Whether a request that failed may have made a container.
fn may_be_made(error: &ClientError) -> bool {
    error.is_answer_lost() || matches!(error.status(), Some(500..))
}
