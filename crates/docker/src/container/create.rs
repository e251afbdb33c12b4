//! Making the container on the engine.

use std::sync::Arc;

use longshore_driver_api::{Error, ErrorKind, LABEL_TASK, Result};
use tokio::time::Instant;

use super::core::{Core, Creation};
use crate::client::error::ClientError;
use crate::create::label;
use crate::error::engine_error;
use crate::retry::again;

/// Makes the container, or waits for the one who is at it.
///
/// The request runs in a task of its own, so that a caller who gives up does not lose the answer.
pub(super) async fn create(core: &Arc<Core>) -> Result<()> {
    core.check_open("create")?;
    let mut progress = core.creation.subscribe();
    let begun = core.creation.send_if_modified(|creation| {
        // Under the lock of `creation`: whoever closes afterwards sees that it is in flight.
        let first = matches!(creation, Creation::NotAsked | Creation::Failed(..))
            && !core.ending.is_cancelled();
        if first {
            *creation = Creation::InFlight;
        }
        first
    });
    if begun {
        let made = Making { core: Arc::clone(core), issued: Instant::now(), answered: false };
        core.shared.tasks.spawn(made.carry_out());
    }
    loop {
        match &*progress.borrow_and_update() {
            Creation::Done(_) => return Ok(()),
            Creation::Failed(error, _) => return Err(error.duplicate()),
            Creation::NotAsked => return Err(core.closed_error("create")),
            Creation::InFlight => {}
        }
        // The sender is in the core, which is held: it cannot go away.
        let _ = progress.changed().await;
    }
}

/// A request to make a container. However it ends, what is known of it is written down.
struct Making {
    core: Arc<Core>,
    issued: Instant,
    answered: bool,
}

impl Making {
    async fn carry_out(mut self) {
        let core = Arc::clone(&self.core);
        let mut body = core.options().body;
        let mut labels = core.shared.labels.clone();
        labels.insert(LABEL_TASK.to_owned(), core.spec.id.clone());
        label(&mut body, &labels);
        let api = &core.shared.api;
        let platform = core.spec.platform.as_deref();
        let created = again(|| api.create_container(&core.name, platform, &body)).await;
        let creation = match created {
            Ok(created) => {
                for warning in created.warnings.iter().filter(|warning| !warning.is_empty()) {
                    tracing::warn!(container = core.name, task = core.spec.id, "{warning}");
                }
                core.created_in(self.issued.elapsed());
                Creation::Done(created.id)
            }
            // Nobody else knows the name: an earlier request did it whose answer was lost.
            Err(error) if error.status() == Some(409) => self.adopt(error).await,
            Err(error) => self.failed(error),
        };
        self.answered = true;
        core.creation.send_replace(creation);
    }

    async fn adopt(&self, conflict: ClientError) -> Creation {
        let api = &self.core.shared.api;
        match again(|| api.inspect_container(&self.core.name)).await {
            Ok(container) => {
                self.core.created_in(self.issued.elapsed());
                Creation::Done(container.id)
            }
            Err(error) if error.is_not_found() => self.failed(conflict),
            Err(error) => Creation::Failed(Arc::new(self.error(error)), Some(self.until())),
        }
    }

    fn failed(&self, error: ClientError) -> Creation {
        let until = error.is_answer_lost().then(|| self.until());
        Creation::Failed(Arc::new(self.error(error)), until)
    }

    /// Until when a container may appear whose answer was lost. The engine does not stop working
    /// on a request when its connection ends.
    fn until(&self) -> Instant {
        self.issued + self.core.shared.timeouts.work
    }

    fn error(&self, error: ClientError) -> Error {
        let core = &self.core;
        let error = engine_error("create", &core.subject(), error);
        if error.kind() != ErrorKind::ImageNotFound {
            return error;
        }
        let message = format!(
            "image {} is not on the engine, or not any more: ensure the image and create again",
            core.image.canonical()
        );
        Error::new(ErrorKind::Busy, "create").message(message).because(error)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if !self.answered {
            // The runtime is gone, and the answer with it.
            let error = Error::new(ErrorKind::Cancelled, "create")
                .message(format!("the runtime ended while {} was made", self.core.subject()));
            let lost = Creation::Failed(Arc::new(error), Some(self.until()));
            self.core.creation.send_replace(lost);
        }
    }
}
