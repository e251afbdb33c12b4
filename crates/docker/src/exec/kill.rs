//! Killing a further process, for which the engine has no call: from the host, by the id that the
//! engine tells.

use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, Result};
use longshore_host::ContainerProcess;
use tokio::time::Instant;

use super::is_to_come;
use crate::blocking::off_the_runtime;
use crate::client::reply::ExecState;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::retry::again;

/// The first pause before a process is looked for again that is being started, or is to be; it
/// doubles.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest such pause.
const LONGEST: Duration = Duration::from_millis(250);

/// Kills the process and its session, and says whether there was anything to kill. A process that
/// has ended is no error; one that has not begun is waited for, as long as the engine may take to get
/// to it.
pub(super) async fn kill(core: &Core, container: &str, exec: &str) -> Result<bool> {
    if !core.shared.capabilities.exec_kill {
        return Err(Error::new(ErrorKind::Unsupported, "kill exec").message(
            "the engine has no call to kill it, and from here its processes cannot be signalled: \
             it may live until it ends by itself or its container is closed",
        ));
    }
    let give_up = Instant::now() + core.shared.timeouts.work;
    let mut pause = PAUSE;
    loop {
        let Some(state) = look(core, exec).await? else { return Ok(false) };
        if let Some(process) = process_of(&state) {
            return kill_process(core, container, exec, &state, process).await;
        }
        if Instant::now() >= give_up {
            let text = if state.running {
                "the engine does not say which process it is"
            } else {
                "the engine has not begun it: it may still do so"
            };
            return Err(Error::new(ErrorKind::Engine, "kill exec").message(text));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

async fn kill_process(
    core: &Core,
    container: &str,
    exec: &str,
    state: &ExecState,
    process: u32,
) -> Result<bool> {
    let id = container.to_owned();
    let found = off_the_runtime(move || ContainerProcess::open(process, &id)).await??;
    let Some(found) = found else { return Ok(false) };
    // It is held now. If the engine still says the same of it, it is the one that was meant.
    if look(core, exec).await?.as_ref() != Some(state) {
        return Ok(false);
    }
    off_the_runtime(move || found.kill_session()).await??;
    Ok(true)
}

/// What the engine knows of it, as long as it runs or is to.
async fn look(core: &Core, exec: &str) -> Result<Option<ExecState>> {
    match again("inspect_exec", || core.shared.api.inspect_exec(exec)).await {
        Ok(state) => Ok((state.running || is_to_come(&state)).then_some(state)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(engine_error("kill exec", &core.subject(), error)),
    }
}

fn process_of(state: &ExecState) -> Option<u32> {
    u32::try_from(state.pid).ok().filter(|process| *process > 0)
}
