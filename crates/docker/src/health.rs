//! A start that waits until the task does well.

use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Result};
use tokio::sync::watch;

use crate::container::core::{Core, Stage};
use crate::error::engine_error;
use crate::events::Told;
use crate::retry::again;

/// Waits until a started task does well, by what the engine tells.
pub(crate) async fn wait(
    core: &Core,
    id: &str,
    told: watch::Receiver<Told>,
    bound: Duration,
) -> Result<()> {
    match tokio::time::timeout(bound, healthy(core, id, told)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(failed(
            core,
            ErrorKind::Deadline,
            &format!("did not become healthy within {}", humantime::format_duration(bound)),
        )),
    }
}

async fn healthy(core: &Core, id: &str, mut told: watch::Receiver<Told>) -> Result<()> {
    let mut stage = core.stage.subscribe();
    // Before the first look: what happens after it is told.
    core.shared.events.connected().await;
    let mut gaps = None;
    loop {
        let now = *told.borrow_and_update();
        if let Some(code) = now.exit() {
            return Err(ended(core, Some(code)));
        }
        match now.healthy {
            Some(true) => return Ok(()),
            Some(false) => return Err(unhealthy(core)),
            None => {}
        }
        if gaps != Some(now.gaps) {
            gaps = Some(now.gaps);
            if look(core, id).await? {
                return Ok(());
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

/// Asks for what may have been told before anybody listened. Says whether it does well.
async fn look(core: &Core, id: &str) -> Result<bool> {
    let asked = again("inspect_container", || core.shared.api.inspect_container(id)).await;
    let state = asked.map_err(|error| engine_error("start", &core.subject(), error))?.state;
    if !state.running {
        return Err(ended(core, Some(state.exit_code)));
    }
    match state.health.as_ref().map(|health| health.status.as_str()) {
        Some("healthy") => Ok(true),
        Some("unhealthy") => Err(unhealthy(core)),
        None | Some("none" | "") => Err(failed(
            core,
            ErrorKind::InvalidInput,
            "has no health check to wait for: give one in health.check, or leave health.wait out",
        )),
        Some(_) => Ok(false),
    }
}

fn unhealthy(core: &Core) -> Error {
    failed(core, ErrorKind::Unhealthy, "is unhealthy: its check failed too often")
}

fn ended(core: &Core, code: Option<i64>) -> Error {
    let with = code.map(|code| format!(" with {code}")).unwrap_or_default();
    failed(core, ErrorKind::EndedEarly, &format!("ended{with} before it was healthy"))
}

fn failed(core: &Core, kind: ErrorKind, what: &str) -> Error {
    Error::new(kind, "start").message(format!("{} {what}", core.subject()))
}
