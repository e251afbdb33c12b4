//! Whether a code is the task's own doing. A Docker that is stopped ends its tasks first, and one
//! that is started ends those that its forerunner has left: with `SIGTERM`, to which many a task
//! answers with 0, as it does when all is done.
//!
//! Either way there is one engine's process before it and another after it. One that is about to
//! stop takes no connection any more before it ends the first task. So a code is believed if an
//! engine answers that was asked after the end, and is the very process that told the end, or that
//! started the task; or if its containers outlive it.

use std::time::Duration;

use longshore_driver_api::LABEL_APPLICATION;
use longshore_host::Moment;
use longshore_stats::Timestamp;
use tokio::time::{Instant, timeout};

use super::end::End;
use crate::client::error::{ClientError, Result};
use crate::client::lines::Line;
use crate::client::reply::{Container, Event, State};
use crate::container::core::Core;
use crate::events::Follower;
use crate::retry::{again, pause};

/// What an engine remembers it tells at once.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How far before the start the engine is asked for what it remembers: its events are dated a little
/// apart from what it keeps.
const BEFORE: i64 = 1_000_000_000;

/// Whether nobody has to be asked: the engine has told all, and of nobody's signal but the owner's.
pub(super) fn is_told(end: &End, told: &Follower) -> bool {
    let told = told.told();
    let told = told.borrow();
    end.told && told.is_whole() && (end.is_decided || !told.is_signalled())
}

/// Asks the engine about the container: where its end is in question, as long as one may come back.
pub(super) async fn asked(core: &Core, id: &str, is_in_question: bool) -> Result<Container> {
    let patience = core.shared.timeouts.engine_gone;
    let mut give_up = Instant::now() + patience;
    for attempt in 1.. {
        let asked = again("inspect_container", || core.shared.api.inspect_container(id)).await;
        if asked.as_ref().is_err_and(ClientError::is_ours) {
            give_up = Instant::now() + patience;
        }
        let is_final = match &asked {
            Ok(_) => true,
            Err(error) => error.is_not_found() || Instant::now() >= give_up,
        };
        if is_final || !is_in_question || core.ending.is_cancelled() {
            return asked;
        }
        tokio::time::sleep(pause(attempt)).await;
    }
    unreachable!("the loop ends only by returning")
}

/// Why the code of this end proves nothing, if it does not, by what the engine answered afterwards.
pub(super) async fn doubt(
    core: &Core,
    id: &str,
    (end, begun): (&mut End, Moment),
    answer: &Result<Container>,
    told: &Follower,
) -> Option<String> {
    if !is_in_question(core, end) {
        return None;
    }
    // It was asked for after the end was known, on a connection of its own.
    let answers = !matches!(answer, Err(error) if !error.is_not_found());
    if answers && is_held(end).await {
        return None;
    }
    let answered = match answer {
        Err(error) if !error.is_not_found() => Err(error.to_string()),
        _ if end.stream.is_some() && told.stream() == end.stream => return None,
        Err(error) => Err(error.to_string()),
        Ok(container) => Ok(&container.state),
    };
    let why = match answered {
        Err(why) => why,
        Ok(state) if is_same(core, id, begun, state).await => return None,
        Ok(_) if lives_on(core, told).await => return None,
        Ok(_) => "another engine may have come since".to_owned(),
    };
    let code = end.code.unwrap_or_default();
    Some(format!(
        "the engine may have ended the task itself, as it was stopped or started; it says {code}: {why}"
    ))
}

/// Whether the engine that has answered the wait holds its connection. So it is no other that has
/// answered since.
async fn is_held(end: &mut End) -> bool {
    match &mut end.answered {
        Some(answered) => answered.is_held().await,
        None => false,
    }
}

/// Whether it is not the owner's doing, and an engine's could be.
pub(super) fn is_in_question(core: &Core, end: &End) -> bool {
    core.shared.capabilities.engine == "docker" && !end.is_sure && !end.is_decided
}

/// Whether the engine's process is the one that has started the task.
async fn is_same(core: &Core, id: &str, begun: Moment, state: &State) -> bool {
    if core.shared.engine_began_before(begun).await {
        return true;
    }
    matches!(timeout(AT_ONCE, remembers(core, id, state)).await, Ok(Ok(true)))
}

/// Whether the engine remembers that it has started the task. It keeps some hundred events, and as
/// long as it lives.
async fn remembers(core: &Core, id: &str, state: &State) -> Result<bool> {
    // Without that, it tells all that it remembers.
    let started = state.started_at.parse().map_or(0, |at: Timestamp| at.unix_nanos());
    let since = i64::try_from(started).unwrap_or(0).saturating_sub(BEFORE);
    let label = format!("{LABEL_APPLICATION}={}", core.shared.application);
    let (mut lines, _) = core.shared.api.events(&label, Some(since.max(1))).await?;
    while let Some(line) = lines.next_line::<Event>().await? {
        if matches!(line, Line::Value(event) if event.actor.id == id && event.action == "start") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the tasks of this engine outlive it, and the one before it has not ended this one as far
/// as anybody heard.
async fn lives_on(core: &Core, told: &Follower) -> bool {
    !told.told().borrow().is_signalled()
        && again("info", || core.shared.api.info())
            .await
            .is_ok_and(|info| info.live_restore_enabled)
}
