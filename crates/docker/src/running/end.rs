//! The end of the main process: from the wait that was registered, or found out when that broke.

use std::time::Duration;

use longshore_driver_api::{ExitFacts, OomEvidence};
use longshore_host::Moment;
use tokio::time::Instant;

use super::{program, proof};
use crate::client::api::WaitCondition;
use crate::client::error::ClientError;
use crate::client::reply::{State, WaitResult};
use crate::client::wait::{Answered, PendingWait};
use crate::container::core::Core;
use crate::events::Follower;
use crate::retry::{again, pause};

/// What the engine writes as the code of a container that ended while the engine was away. A task can
/// give it as well.
const UNKNOWN_CODE: i64 = 255;
/// What an engine says of a container that it has started, all the same.
const UNSTARTED: &str = "the engine says that the task was never started";
/// 128 and the number of `SIGKILL`.
pub(super) const KILLED: i64 = 137;
/// Of arguments and variables Linux takes 128 KiB always. The image's variables and the init come
/// on top. Refused, the program ends with 1 as far as the engine knows.
const SURELY_TAKEN: usize = 96 * 1024;
/// How soon the answer to a wait follows the end.
const FOLLOWS: Duration = Duration::from_secs(1);
/// How often the engine is asked again whether memory ran out, when a kill is unexplained: it
/// learns of the two in any order.
const OOM_LOOKS: u32 = 5;
/// The pause between two such looks.
const OOM_PAUSE: Duration = Duration::from_millis(20);

/// The end of the main process.
#[derive(Debug, Default)]
pub(super) struct End {
    /// The code as the engine gives it. None: the end was not seen.
    pub(super) code: Option<i64>,
    /// What went wrong.
    pub(super) trouble: Option<String>,
    /// The engine told it by itself. It still tidies up then, and answers nothing about the
    /// container until it has.
    pub(super) told: bool,
    /// The connection of the wait that was answered.
    pub(super) answered: Option<Answered>,
    /// A stream of events of the very engine that has told it, or that had the task before: whoever
    /// answers while it stands is that engine.
    pub(super) stream: Option<u64>,
    /// The engine surely was there all the time.
    pub(super) is_sure: bool,
    /// The owner has ended it: what became of it is said without its code.
    pub(super) is_decided: bool,
}

/// How the end is waited for.
pub(crate) enum Waiting {
    /// A wait is registered.
    For(PendingWait),
    /// It came before anybody here could wait.
    Over {
        /// What the engine keeps of it.
        state: State,
        /// Whether the engine surely was there all the time.
        seen: bool,
    },
    /// Nobody will ever know, for this reason.
    InVain(&'static str),
}

impl End {
    /// By what the engine keeps of a container that does not run. `seen`: the engine surely was there
    /// all the time.
    fn kept(state: &State, seen: bool, trouble: &str) -> Self {
        if state.is_unstarted() {
            return Self::lost(format!("{UNSTARTED}{trouble}"));
        }
        let Some(code) = state.exit_code else {
            return Self::lost(format!("the engine does not say how the task ended{trouble}"));
        };
        if code == UNKNOWN_CODE && !seen {
            return Self::lost(format!(
                "the engine may have been away when the task ended, since it says 255{trouble}"
            ));
        }
        Self::seen(code)
    }

    fn lost(trouble: impl Into<String>) -> Self {
        Self { trouble: Some(trouble.into()), ..Self::default() }
    }

    fn answered(code: i64, answered: Answered, told: &Follower) -> Self {
        Self { answered: Some(answered), stream: told.stream(), ..Self::seen(code) }
    }

    fn seen(code: i64) -> Self {
        Self { code: Some(code), ..Self::default() }
    }
}

/// Waits for the end, by whichever way it is known first: the engine tells it to its listeners
/// before it tidies up, and answers a wait after that. The wait is what is relied upon. It does not
/// fail: what cannot be found out is a lost end.
pub(super) async fn end_of(core: &Core, id: &str, wait: Waiting, told: &Follower) -> End {
    let wait = match wait {
        Waiting::For(wait) => wait,
        Waiting::Over { state, seen } => {
            return End { is_sure: seen, ..End::kept(&state, seen, "") };
        }
        Waiting::InVain(why) => return End::lost(why),
    };
    let by_event = async {
        let code = told.end().await;
        // Before it is known that there was no gap: a later stream may be another engine's.
        let stream = told.stream();
        match code {
            // Also what an engine says that was away: the wait finds out.
            UNKNOWN_CODE => std::future::pending().await,
            // It may tell what another has done to the task, as that came.
            _ if !told.told().borrow().is_whole() => std::future::pending().await,
            code => End { told: true, stream, ..End::seen(code) },
        }
    };
    tokio::select! {
        biased;
        // If both are there: nobody has to be asked then.
        end = by_event => end,
        end = awaited(core, id, wait, told) => end,
    }
}

async fn awaited(core: &Core, id: &str, wait: PendingWait, told: &Follower) -> End {
    let stream = told.stream();
    let mut trouble = match answer_to(core, id, wait).await {
        Ok((result, answered)) => match result.error {
            None => return End::answered(result.status_code, answered, told),
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
                match wait_again(core, id, told).await {
                    Ok(end) => return end,
                    Err(error) => trouble = error.to_string(),
                }
                give_up = Instant::now() + core.shared.timeouts.engine_gone;
            }
            // The engine has answered the start: it may still learn of it.
            Ok(state) if state.is_unstarted() => trouble = UNSTARTED.to_owned(),
            Ok(state) => {
                return End { stream, ..End::kept(&state, false, &format!(": {trouble}")) };
            }
            Err(error) if error.is_not_found() => {
                return End::lost("the container was removed before its end was seen");
            }
            Err(error) => {
                if error.is_ours() {
                    give_up = Instant::now() + core.shared.timeouts.engine_gone;
                }
                trouble = error.to_string();
            }
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
async fn answer_to(
    core: &Core,
    id: &str,
    wait: PendingWait,
) -> Result<(WaitResult, Answered), ClientError> {
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
            Err(error) if error.is_ours() => heard = Instant::now(),
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

async fn wait_again(core: &Core, id: &str, told: &Follower) -> Result<End, ClientError> {
    let wait = core.shared.api.wait(id, WaitCondition::NotRunning).await?;
    let (result, answered) = answer_to(core, id, wait).await?;
    Ok(match result.error {
        None => End::answered(result.status_code, answered, told),
        Some(error) => return Err(ClientError::Protocol(error.message)),
    })
}

/// What the engine knows of an end that was seen.
pub(super) async fn facts_of(
    core: &Core,
    id: &str,
    (end, begun): (End, Moment),
    told: &Follower,
) -> ExitFacts {
    let mut facts = kept_facts(core, id, (end, begun), told).await;
    if let Some(code) = facts.code {
        facts.not_started = program::not_started(core, id, code).await;
    }
    facts
}

async fn kept_facts(
    core: &Core,
    id: &str,
    (mut end, begun): (End, Moment),
    told: &Follower,
) -> ExitFacts {
    let mut facts = ExitFacts::default();
    facts.code = end.code.and_then(|code| i32::try_from(code).ok());
    facts.engine_error = end.trouble.take();
    facts.code_hides_signal = true;
    let can = &core.shared.capabilities;
    facts.code_hides_start = core.spec.security.init;
    facts.one_hides_start = core.spec.security.init && !can.proves_one;
    // An init that cannot fork gives 1. A limit of the cgroup's that is too low for the two is
    // refused; the user's own counts processes that nobody here sees.
    facts.code_hides_no_room =
        core.spec.security.init && core.spec.limits.ulimits.contains_key("nproc");
    facts.code_hides_too_long = core.is_adopted || core.spec.argument_bytes() > SURELY_TAKEN;
    facts.sent.clone_from(&core.sent.lock());
    let unexplained = end.code == Some(KILLED)
        && core.spec.limits.memory.is_some()
        && !facts.sent.iter().any(|sent| sent.signal.number() == 9)
        && !core.ending.is_cancelled();
    // Closing removes the container: there is nothing to look at any more.
    if end.code.is_none() || core.ending.is_cancelled() {
        return facts;
    }
    let memory_ran_out = || told.told().borrow().oom > 0;
    if proof::is_told(&end, told)
        && end.code != Some(KILLED)
        && core.spec.limits.memory.is_none()
        && can.proves_oom
    {
        // Without a limit of its own, memory runs out in the container only if it does on the
        // host, and that is told. All else is known: the result need not wait for the tidying up.
        facts.oom = if memory_ran_out() { OomEvidence::Seen } else { OomEvidence::None };
        return facts;
    }
    let mut answer = proof::asked(core, id, proof::is_in_question(core, &end)).await;
    if let Some(why) = proof::doubt(core, id, (&mut end, begun), &answer, told).await {
        facts.code = None;
        facts.engine_error = Some(why);
        return facts;
    }
    let looks = if unexplained && can.proves_oom { OOM_LOOKS } else { 1 };
    for look in 1..=looks {
        if look > 1 {
            answer = again("inspect_container", || core.shared.api.inspect_container(id)).await;
        }
        let Ok(container) = &answer else { break };
        note(&mut facts, &container.state, can.proves_oom);
        if container.state.oom_killed || memory_ran_out() || look == looks {
            break;
        }
        tokio::time::sleep(OOM_PAUSE).await;
    }
    if memory_ran_out() {
        facts.oom = OomEvidence::Seen;
    }
    facts
}

fn note(facts: &mut ExitFacts, state: &State, proves_oom: bool) {
    facts.oom = match state.oom_killed {
        true => OomEvidence::Seen,
        false if proves_oom => OomEvidence::None,
        // An engine that may have missed it has not ruled it out.
        false => OomEvidence::Unknown,
    };
    if !state.error.is_empty() {
        facts.engine_error = Some(state.error.clone());
    }
}
