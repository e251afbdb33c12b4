//! The end of a further process. The engine has no call that waits for it: it ends its streams, and
//! is asked then.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Run, is_to_come};
use crate::client::reply::ExecState;

/// The first pause once the streams have ended: the engine learns of the end at the same moment.
const SOON: Duration = Duration::from_millis(2);
/// The longest pause then, for a process that has closed its streams and lives on.
const LATER: Duration = Duration::from_millis(500);
/// The first pause while the streams are open. The engine ends them itself some seconds after the
/// process, whoever holds them: this is for an engine that does not.
const MEANWHILE: Duration = Duration::from_secs(5);
/// The longest pause then.
const LONG: Duration = Duration::from_secs(30);

/// Waits for the end. It fails with what is known if that cannot be found out.
pub(super) async fn end_of(
    run: &Run,
    streams_ended: &CancellationToken,
) -> Result<ExecState, String> {
    let api = &run.core.shared.api;
    let gone = run.core.shared.timeouts.engine_gone;
    let patience = run.core.shared.timeouts.work;
    // Since when nobody would hear it if the engine began it now.
    let mut unheard: Option<Instant> = None;
    let mut heard = Instant::now();
    let mut pause = MEANWHILE;
    loop {
        if unheard.is_some() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LATER);
        } else {
            tokio::select! {
                biased;
                () = streams_ended.cancelled() => {
                    pause = SOON;
                    heard = Instant::now();
                    unheard = Some(heard);
                }
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONG),
            }
        }
        match api.inspect_exec(&run.id).await {
            Ok(state) if state.running => heard = Instant::now(),
            Ok(state) if is_to_come(&state) => {
                if unheard.is_some_and(|since| since.elapsed() >= patience) {
                    return Err("the engine has not begun it".to_owned());
                }
                heard = Instant::now();
            }
            Ok(state) => return Ok(state),
            Err(error) if error.is_not_found() => {
                return Err("the engine knows nothing of it any more".to_owned());
            }
            // That says nothing about the engine.
            Err(error) if error.is_ours() => heard = Instant::now(),
            Err(error) if heard.elapsed() >= gone => return Err(error.to_string()),
            Err(_) => {}
        }
    }
}
