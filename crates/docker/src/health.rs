//! A start that waits until the task does well.

use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Result};
use tokio::sync::watch;

use crate::client::reply::{self, Check};
use crate::container::core::{Core, Stage};
use crate::error::engine_error;
use crate::events::Told;
use crate::retry::again;

/// How much of a check's output an error holds.
const OUTPUT: usize = 512;

/// Waits until a started task does well, by what the engine tells.
pub(crate) async fn wait(
    core: &Core,
    id: &str,
    told: watch::Receiver<Told>,
    bound: Duration,
) -> Result<()> {
    match tokio::time::timeout(bound, healthy(core, id, told)).await {
        Ok(Ok(Health::Good)) => Ok(()),
        Ok(Ok(Health::Bad(Some(seen)))) => Err(unhealthy(core, last_failed(&seen))),
        // It is not looked at within the bound: what was told in time counts.
        Ok(Ok(Health::Bad(None))) => {
            let asked = again("inspect_container", || core.shared.api.inspect_container(id)).await;
            // What is known without it is the error to report.
            let seen = asked.ok().and_then(|container| container.state.health);
            Err(unhealthy(core, seen.as_ref().and_then(last_failed)))
        }
        // Whatever was seen of the removal first.
        Ok(Err(_)) if core.ending.is_cancelled() => Err(core.closed_error("start")),
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Err(failed(
            core,
            ErrorKind::Deadline,
            &format!("did not become healthy within {}", humantime::format_duration(bound)),
        )),
    }
}

/// How a task does.
enum Health {
    Good,
    /// With the checks, if they were looked at.
    Bad(Option<reply::Health>),
}

async fn healthy(core: &Core, id: &str, mut told: watch::Receiver<Told>) -> Result<Health> {
    let mut stage = core.stage.subscribe();
    // Before the first look: what happens after it is told.
    core.shared.events.connected().await;
    let mut gaps = None;
    loop {
        let now = *told.borrow_and_update();
        match (now.healthy, now.exit()) {
            // Its end may be told before anybody looks at this: it did well all the same.
            (Some(true), _) => return Ok(Health::Good),
            (_, Some(code)) => return Err(ended(core, Some(code))),
            (Some(false), None) => return Ok(Health::Bad(None)),
            (None, None) => {}
        }
        if gaps != Some(now.gaps) {
            gaps = Some(now.gaps);
            if let Some(health) = look(core, id).await? {
                return Ok(health);
            }
        }
        tokio::select! {
            biased;
            // The sender is held by the one who watches over the task, to its end.
            changed = told.changed() => {
                if changed.is_err() {
                    return Err(ended(core, None));
                }
            }
            _ = stage.wait_for(|stage| *stage == Stage::Exited) => {
                let code = told.borrow().exit();
                return Err(ended(core, code));
            }
            () = core.ending.cancelled() => return Err(core.closed_error("start")),
        }
    }
}

/// Asks for what may have been told before anybody listened; none as long as it is not sure.
async fn look(core: &Core, id: &str) -> Result<Option<Health>> {
    let asked = again("inspect_container", || core.shared.api.inspect_container(id)).await;
    let state = asked.map_err(|error| engine_error("start", &core.subject(), error))?.state;
    if !state.running {
        return Err(ended(core, state.exit_code));
    }
    let health = state.health.unwrap_or_default();
    match health.status.as_str() {
        "healthy" => Ok(Some(Health::Good)),
        "unhealthy" => Ok(Some(Health::Bad(Some(health)))),
        "none" | "" => Err(failed(
            core,
            ErrorKind::InvalidInput,
            "has no health check to wait for: give one in health.check, or leave health.wait out",
        )),
        _ => Ok(None),
    }
}

/// The last check that failed; a later one may have succeeded by now.
fn last_failed(health: &reply::Health) -> Option<&Check> {
    health.log.iter().rev().find(|check| check.exit_code != 0)
}

fn unhealthy(core: &Core, last: Option<&Check>) -> Error {
    let what = match last {
        None => String::new(),
        Some(Check { exit_code, output }) => {
            let wrote = match tail(output.trim()) {
                "" => "nothing".to_owned(),
                // Quoted: these are not our words, and no control characters for a terminal.
                words => format!("{words:?}"),
            };
            format!("; the last one ended with {exit_code} and wrote {wrote}")
        }
    };
    let what = format!("is unhealthy: its check failed too often{what}");
    failed(core, ErrorKind::Unhealthy, &what)
        .remedy("mend the task or its check, or give it more tries or time (health)")
}

/// The end of a text, where the reason mostly is.
fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(OUTPUT))..]
}

fn ended(core: &Core, code: Option<i64>) -> Error {
    let with = code.map(|code| format!(" with {code}")).unwrap_or_default();
    failed(core, ErrorKind::EndedEarly, &format!("ended{with} before it was healthy"))
}

fn failed(core: &Core, kind: ErrorKind, what: &str) -> Error {
    Error::new(kind, "start").message(format!("{} {what}", core.subject()))
}
