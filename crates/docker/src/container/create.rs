//! Making the container on the engine.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, LABEL_RECOVERABLE_UNTIL, LABEL_TASK, Result};
use longshore_host::Moment;
use tokio::time::Instant;

use super::core::{Core, Creation, Late};
use super::remake::can_borrow_again;
use crate::borrow;
use crate::client::error::ClientError;
use crate::create::label;
use crate::error::engine_error;
use crate::image;
use crate::network;
use crate::podman;
use crate::recover::{engine_time, later};
use crate::refusal;
use crate::retry::if_unsent;
use crate::running::keeping_log;

/// How long a container is looked for at once whose making was asked for without an answer.
const APPEARS: Duration = Duration::from_secs(1);
/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// Makes the container, or waits for the one who is at it.
///
/// The request runs in a task of its own, so that a caller who gives up does not lose the answer.
/// It is sent once: of two requests whose answers were lost, one could still be carried out after
/// the other's container was removed.
///
/// Where the engine refuses what was borrowed for it, something else is borrowed.
pub(super) async fn create(core: &Arc<Core>) -> Result<()> {
    while let Err(error) = create_once(core).await {
        let has_left_nothing = matches!(&*core.creation.borrow(), Creation::Failed(_, None));
        if !(has_left_nothing && can_borrow_again(core).await) {
            return Err(error);
        }
    }
    Ok(())
}

async fn create_once(core: &Arc<Core>) -> Result<()> {
    core.check_open("create")?;
    borrow::borrow(core).await?;
    let mut progress = core.creation.subscribe();
    let mut lost = None;
    let begun = core.creation.send_if_modified(|creation| {
        // Under the lock of `creation`: whoever closes afterwards sees that it is in flight.
        let first = matches!(creation, Creation::NotAsked | Creation::Failed(..))
            && !core.ending.is_cancelled();
        if first
            && let Creation::Failed(error, Some(late)) =
                std::mem::replace(creation, Creation::InFlight)
        {
            lost = Some((error, late));
        }
        first
    });
    if begun {
        core.shared.events.begin();
        let (issued, asked) = (Instant::now(), Moment::now());
        let making = Making { core: Arc::clone(core), issued, asked, lost, answered: false };
        core.shared.tasks.spawn(making.carry_out());
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
    /// The same on the clock that begins of processes are told by.
    asked: Moment,
    /// An earlier request without an answer: why, and what may appear of it.
    lost: Option<(Arc<Error>, Late)>,
    answered: bool,
}

impl Making {
    async fn carry_out(mut self) {
        let creation = match &self.lost {
            Some((error, late)) => match self.appeared().await {
                Some(id) => self.made(id).await,
                None => Creation::Failed(Arc::clone(error), Some(*late)),
            },
            None => self.ask().await,
        };
        self.answered = true;
        self.core.creation.send_replace(creation);
    }

    async fn ask(&self) -> Creation {
        let core = &self.core;
        let mut body = core.options().body;
        borrow::join(core, &mut body);
        let mut labels = core.shared.labels.clone();
        labels.insert(LABEL_TASK.to_owned(), core.spec.id.clone());
        if let Some(time) = core.spec.recoverable_for {
            match engine_time(&*core.shared.api, "create").await {
                Ok(now) => {
                    let until = later(now, time).to_string();
                    labels.insert(LABEL_RECOVERABLE_UNTIL.to_owned(), until);
                }
                Err(error) => return Creation::Failed(Arc::new(error), None),
            }
            if keeping_log(&core.shared.capabilities, &body).is_none() {
                let (container, task) = (&core.name, &core.spec.id);
                tracing::warn!(
                    container,
                    task,
                    "what it writes without an owner will be lost: its log driver does not keep every byte"
                );
            }
        }
        label(&mut body, &labels);
        podman::prepare(&core.shared.capabilities, &mut body);
        if let Err(error) = image::pin(core, &mut body).await {
            return Creation::Failed(Arc::new(error), None);
        }
        let api = &core.shared.api;
        let platform = core.spec.platform.as_deref();
        let created = if_unsent("create_container", || async {
            // A runtime that stood still comes here after closing has given it up.
            if core.ending.is_cancelled() {
                return Ok(None);
            }
            api.create_container(&core.name, platform, &body).await.map(Some)
        });
        match created.await {
            Ok(None) => Creation::Failed(Arc::new(core.closed_error("create")), None),
            Ok(Some(created)) => {
                for warning in created.warnings.iter().filter(|warning| !warning.is_empty()) {
                    let warning = warning.escape_debug();
                    tracing::warn!(container = core.name, task = core.spec.id, "{warning}");
                }
                self.made(created.id).await
            }
            Err(error) if error.is_answer_lost() => match self.appeared().await {
                Some(id) => self.made(id).await,
                None => self.failed(error).await,
            },
            Err(error) => self.failed(error).await,
        }
    }

    /// It is there. What it lacks yet are its further networks.
    async fn made(&self, id: String) -> Creation {
        let core = &self.core;
        if let Err(error) = network::join(core, &id).await {
            let error = engine_error("create", &core.subject(), error);
            // It is found again by the next attempt, or removed.
            return Creation::Failed(Arc::new(error), Some(self.half_made()));
        }
        // It may be what an earlier request has made.
        let asked = self.lost.is_none().then_some(self.asked);
        core.created_in(self.issued.elapsed(), asked);
        Creation::Done(id)
    }

    /// Looks for the container by its name, which nobody else knows; its id if it is there.
    async fn appeared(&self) -> Option<String> {
        let give_up = Instant::now() + APPEARS;
        loop {
            match self.core.shared.api.inspect_container(&self.core.name).await {
                Ok(container) if !container.id.is_empty() => return Some(container.id),
                _ if Instant::now() >= give_up => return None,
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn failed(&self, error: ClientError) -> Creation {
        let late = match error.status() {
            _ if error.is_answer_lost() => Some(self.late()),
            // Somebody between gave up: the engine may still be at it.
            Some(502..=504) => Some(self.late()),
            // The engine has done what it will do, and that may be half of it.
            Some(500..) => Some(self.half_made()),
            _ => None,
        };
        Creation::Failed(Arc::new(self.error(error).await), late)
    }

    /// A container whose answer was lost. The engine does not stop working on a request when its
    /// connection ends.
    fn late(&self) -> Late {
        Late { until: self.issued + self.core.shared.timeouts.work, asked: self.asked }
    }

    /// A container that is there already, if it ever will be.
    fn half_made(&self) -> Late {
        Late { until: Instant::now(), asked: self.asked }
    }

    async fn error(&self, error: ClientError) -> Error {
        let core = &self.core;
        // Not the caller's mistake if it was there for this platform when it was looked at. It is
        // pulled next.
        if refusal::is_other_platform(&error) && core.image_id().is_some() {
            core.give_back();
            return image::moved(core.image.canonical()).because(error);
        }
        let error = borrow::error(core, "create", error).await;
        if error.kind() == ErrorKind::LogDriver {
            return core.log_error("create", &error);
        }
        if error.kind() != ErrorKind::ImageNotFound {
            return error;
        }
        // A pull takes long, and nothing has joined it.
        core.give_back();
        image::vanished(core.image.canonical()).because(error)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if !self.answered {
            // The runtime is gone, and the answer with it.
            let error = Error::new(ErrorKind::Cancelled, "create")
                .message(format!("the runtime ended while {} was made", self.core.subject()));
            let late = self.lost.as_ref().map_or_else(|| self.late(), |(_, late)| *late);
            self.core.creation.send_replace(Creation::Failed(Arc::new(error), Some(late)));
        }
    }
}
