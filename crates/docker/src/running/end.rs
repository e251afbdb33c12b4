//! The end of the main process: from the wait that was registered, or found out when that broke.

use std::time::Duration;

use longshore_driver_api::{ExitFacts, OomEvidence};
use tokio::time::Instant;

use crate::client::api::{WaitCondition, Waited};
use crate::client::error::ClientError;
use crate::client::reply::State;
use crate::client::wait::PendingWait;
use crate::container::core::Core;
use crate::retry::pause;

/// What the engine writes as the code of a container that ended while the engine was away.
const UNKNOWN_CODE: i64 = 255;
/// 128 and the number of `SIGKILL`.
const KILLED: i64 = 137;
/// How soon the answer to a wait follows the end.
const FOLLOWS: Duration = Duration::from_secs(1);
/// How often the engine is asked again whether memory ran out, when a kill is unexplained: it
/// learns of the two in any order.
const OOM_LOOKS: u32 = 5;
/// The pause between two such looks.
const OOM_PAUSE: Duration = Duration::from_millis(20);

/// The end of the main process.
#[derive(Debug, Clone, Default)]
pub(super) struct End {
    /// The code as the engine gives it. None: the end was not seen.
    pub(super) code: Option<i64>,
    /// What went wrong.
    pub(super) trouble: Option<String>,
}

impl End {
    fn lost(trouble: impl Into<String>) -> Self {
        Self { code: None, trouble: Some(trouble.into()) }
    }
}

/// Waits for the end. It does not fail: what cannot be found out is a lost end.
pub(super) async fn end_of(core: &Core, id: &str, wait: PendingWait) -> End {
    let mut trouble = match answer_to(core, id, wait).await {
        Ok(result) => match result.error {
            None => return End { code: Some(result.status_code), trouble: None },
            // The engine's own wait failed; the code means nothing then.
            Some(error) => error.message,
        },
        Err(error) => error.to_string(),
    };
    let api = &core.shared.api;
    let mut give_up = Instant::now() + core.shared.timeouts.engine_gone;
    for attempt in 1_u32.. {
        let found = match api.inspect_container(id).await {
            Ok(container) => Ok(container.state),
            Err(error) => Err(error),
        };
        match found {
            Ok(state) if state.running => {
                // It goes on: register again. If that ends in a code, it was seen all the same.
                match wait_again(core, id).await {
                    Ok(end) => return end,
                    Err(error) => trouble = error.to_string(),
                }
                give_up = Instant::now() + core.shared.timeouts.engine_gone;
            }
            Ok(state) if state.exit_code == UNKNOWN_CODE => {
                return End::lost(format!("the engine was away when the task ended: {trouble}"));
            }
            Ok(state) => return End { code: Some(state.exit_code), trouble: None },
            Err(error) if error.is_not_found() => {
                return End::lost("the container was removed before its end was seen");
            }
            Err(error) => trouble = error.to_string(),
        }
        if Instant::now() >= give_up {
            return End::lost(trouble);
        }
        tokio::time::sleep(pause(attempt)).await;
    }
    End::lost(trouble)
}

/// The answer to a wait, as long as one can be expected: a connection may be dead without having
/// been closed, and an engine may hang.
async fn answer_to(core: &Core, id: &str, wait: PendingWait) -> Waited {
    tokio::select! {
        biased;
        answer = wait.result() => answer,
        why = overdue(core, id) => Err(ClientError::Disconnected(why)),
    }
}

/// Ends once a wait is overdue: the task has ended, or the engine has not answered for too long.
async fn overdue(core: &Core, id: &str) -> String {
    let timeouts = core.shared.timeouts;
    let mut heard = Instant::now();
    loop {
        tokio::time::sleep(timeouts.call).await;
        match core.shared.api.inspect_container(id).await {
            Ok(container) if container.state.running => heard = Instant::now(),
            Err(error) if !error.is_not_found() => {
                if heard.elapsed() >= timeouts.call + timeouts.engine_gone {
                    return error.to_string();
                }
            }
            Ok(_) | Err(_) => {
                tokio::time::sleep(FOLLOWS).await;
                return "the task had ended, and the wait for it was not answered".to_owned();
            }
        }
    }
}

async fn wait_again(core: &Core, id: &str) -> Result<End, ClientError> {
    let wait = core.shared.api.wait(id, WaitCondition::NotRunning).await?;
    let result = answer_to(core, id, wait).await?;
    Ok(match result.error {
        None => End { code: Some(result.status_code), trouble: None },
        Some(error) => return Err(ClientError::Protocol(error.message)),
    })
}

/// What the engine knows of an end that was seen.
pub(super) async fn facts_of(core: &Core, id: &str, end: End) -> ExitFacts {
    let mut facts = ExitFacts::default();
    facts.code = end.code.and_then(|code| i32::try_from(code).ok());
    facts.engine_error = end.trouble;
    facts.code_hides_signal = true;
    facts.code_hides_start = core.spec.security.init;
    facts.sent.clone_from(&core.sent.lock());
    let unexplained = end.code == Some(KILLED)
        && core.spec.limits.memory.is_some()
        && !facts.sent.iter().any(|sent| sent.signal.number() == 9)
        && !core.ending.is_cancelled();
    // Closing removes the container: there is nothing to look at any more.
    if end.code.is_none() || core.ending.is_cancelled() {
        return facts;
    }
    let looks = if unexplained { OOM_LOOKS } else { 1 };
    for look in 1..=looks {
        let Ok(container) = core.shared.api.inspect_container(id).await else { break };
        note(&mut facts, &container.state);
        if container.state.oom_killed || look == looks {
            break;
        }
        tokio::time::sleep(OOM_PAUSE).await;
    }
    facts
}

fn note(facts: &mut ExitFacts, state: &State) {
    facts.oom = if state.oom_killed { OomEvidence::Seen } else { OomEvidence::None };
    if !state.error.is_empty() {
        facts.engine_error = Some(state.error.clone());
    }
}
