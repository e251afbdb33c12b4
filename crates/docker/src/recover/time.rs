//! The engine's clock, by which everything about a container is dated. What differs between it and
//! the clocks of its users makes no difference then.

use std::time::Duration;

use longshore_driver_api::{Error, Result};
use longshore_host::Moment;
use longshore_stats::Timestamp;

use super::kept::Kept;
use crate::client::api::DockerApi;
use crate::client::error::ClientError;
use crate::client::reply::{Container, State};
use crate::error::engine_error;
use crate::retry::again;
use crate::running::Clock;

/// How much two clocks may differ over a time, besides a hundredth of it.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// The time on the engine's clock.
pub(crate) async fn engine_time(api: &dyn DockerApi, op: &'static str) -> Result<Timestamp> {
    let failed = |error| engine_error(op, "the engine's time", error);
    let info = again("info", || api.info()).await.map_err(failed)?;
    time(&info.system_time).map_err(failed)
}

/// A time as the engine writes it.
pub(super) fn time(text: &str) -> std::result::Result<Timestamp, ClientError> {
    text.parse().map_err(|error| ClientError::Protocol(format!("a time of the engine: {error}")))
}

/// This much later.
pub(crate) fn later(time: Timestamp, by: Duration) -> Timestamp {
    let nanos = time.unix_nanos().saturating_add_unsigned(by.as_nanos());
    Timestamp::from_unix_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// From one time to another; nothing if a clock was set back in between.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    let nanos = to.unix_nanos().saturating_sub(from.unix_nanos());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// No later than it was started, if the engine's clock is this host's.
pub(super) fn begun(kept: &Kept, state: &State, now: Timestamp) -> Result<Moment> {
    let started = time(&state.started_at)
        .map_err(|error| engine_error("recover", "the container's times", error))?;
    let ago = if started > now {
        // The clock was set back, who knows how far.
        Duration::MAX
    } else {
        between(started, now).max(kept.ran.saturating_add(kept.frozen))
    };
    Ok(Moment::now().before(ago))
}

/// The clock of a task that goes on, or has ended meanwhile.
pub(super) fn clock(kept: &Kept, state: &State, now: Timestamp) -> Result<Clock> {
    let unreadable = |error| -> Error { engine_error("recover", "the container's times", error) };
    let started = time(&state.started_at).map_err(unreadable)?;
    let until = if state.running { now } else { time(&state.finished_at).map_err(unreadable)? };
    let all = between(started, until).max(kept.ran.saturating_add(kept.frozen));
    // Whoever has it frozen when the handle is taken, and does no more, keeps its time.
    let ran = if kept.held && state.paused {
        kept.ran
    } else {
        all.saturating_sub(kept.frozen).max(kept.ran)
    };
    Ok(Clock::resume(kept.task.timeout, ran, all))
}

/// The clock of a task of which no more is known than its handle says.
pub(super) fn kept(kept: &Kept) -> Clock {
    Clock::resume(kept.task.timeout, kept.ran, kept.ran.saturating_add(kept.frozen))
}

/// Whether somebody has started it again since its owner did, so that nothing of it is the task's any
/// more. An engine goes on telling the end before. Where the last run has ended as well, what tells
/// is that its start was too long after the container was made: those two and the bound are lengths
/// of time on one clock each.
pub(super) fn is_another_run(kept: &Kept, container: &Container) -> Result<bool> {
    let unreadable = |error| -> Error { engine_error("recover", "the container's times", error) };
    let state = &container.state;
    // The year 1, where there is no end, is before all that can be told.
    let has_ended = |text: &str| !text.is_empty() && !text.starts_with("0001-");
    if state.running && has_ended(&state.finished_at) {
        return Ok(true);
    }
    let Some(within) = kept.started_within else { return Ok(false) };
    let made = time(&container.created).map_err(unreadable)?;
    let started = time(&state.started_at).map_err(unreadable)?;
    Ok(between(made, started) > within + within / 100 + CLOCKS_DIFFER)
}

#[cfg(test)]
mod tests {
    use longshore_driver_api::TaskSpec;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn kept(ran: u32, frozen: u32, held: bool) -> Kept {
        Kept {
            engine: String::new(),
            process: None,
            container: String::new(),
            task: TaskSpec::builder("x").timeout(SECOND * 60).build().unwrap(),
            log: None,
            ran: SECOND * ran,
            frozen: SECOND * frozen,
            held,
            started_within: None,
        }
    }

    fn state(running: bool, paused: bool) -> State {
        State {
            running,
            paused,
            started_at: "2026-01-01T00:00:00.5Z".to_owned(),
            finished_at: "2026-01-01T00:00:30.5Z".to_owned(),
            ..State::default()
        }
    }

    #[track_caller]
    fn check(kept: &Kept, state: &State, now: &str, ran: u32, all: u32) {
        let clock = clock(kept, state, now.parse().unwrap()).unwrap();
        assert_eq!((clock.ran(), clock.all()), (SECOND * ran, SECOND * all));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_without_an_owner_counts_unless_the_task_was_frozen() {
        let now = "2026-01-01T00:00:50.5Z";
        check(&kept(10, 0, false), &state(true, false), now, 50, 50);
        check(&kept(10, 5, false), &state(true, false), now, 45, 50);
        check(&kept(10, 5, true), &state(true, true), now, 10, 50);
        // It was let go by somebody.
        check(&kept(10, 5, true), &state(true, false), now, 45, 50);
        // It has ended.
        check(&kept(10, 5, false), &state(false, false), now, 25, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_back_takes_no_time_away() {
        check(&kept(10, 5, false), &state(true, false), "2025-12-31T23:00:00Z", 10, 15);
    }

    #[test]
    fn a_clock_that_was_set_back_dates_no_start_too_late() {
        let began = |now: &str, ran| {
            begun(&kept(ran, 0, false), &state(true, false), now.parse().unwrap()).unwrap()
        };
        let ago = |seconds| Moment::now().before(SECOND * seconds);
        assert!(began("2026-01-01T00:00:10.5Z", 0) > ago(11));
        assert!(began("2026-01-01T00:00:10.5Z", 0) <= ago(10));
        assert!(began("2026-01-01T00:00:10.5Z", 60) <= ago(60), "it had run for longer");
        assert_eq!(began("2025-12-31T23:00:00Z", 0), Moment::now().before(Duration::MAX));
    }

    #[test]
    fn a_start_after_an_end_or_long_after_the_making_is_another_run() {
        let started = state(false, false);
        let made = |at: &str, within: Option<u32>, state: &State| {
            let kept = Kept { started_within: within.map(|it| SECOND * it), ..kept(1, 0, false) };
            let container =
                Container { created: at.to_owned(), state: state.clone(), ..Container::default() };
            is_another_run(&kept, &container).unwrap()
        };
        let long_before = "2025-12-31T22:00:00Z";
        assert!(!made(long_before, Some(7300), &started), "it waited for two hours to be started");
        assert!(!made(long_before, None, &started), "its owner did not know");
        assert!(made(long_before, Some(3600), &started));
        assert!(!made("2026-01-01T00:00:00.1Z", Some(0), &started));
        assert!(!made("2026-01-01T01:00:00Z", Some(0), &started), "a clock was set back");
        // While it runs, the end before tells.
        let again = state(true, false);
        assert!(made("2026-01-01T00:00:00.1Z", None, &again));
        for never in ["0001-01-01T00:00:00Z", ""] {
            let first = State { finished_at: never.to_owned(), ..again.clone() };
            assert!(!made("2026-01-01T00:00:00.1Z", Some(0), &first));
        }
    }

    #[test]
    fn a_time_that_is_none_is_told() {
        let broken = State { started_at: "yesterday".to_owned(), ..state(true, false) };
        assert!(clock(&kept(0, 0, false), &broken, Timestamp::MAX).is_err());
    }
}
