//! Calls that may be made again, made again: only after failures that pass by themselves, only a few
//! times, and not all at once.
//!
//! Which of the three a call is made by depends on what a second one would do. What only asks is asked
//! [`again`]. What changes something and changes nothing more when it is carried out twice is
//! [`repeat`]ed, since "it is so already" is its success. What must not be carried out twice is made
//! again [`if_unsent`]: a second create would make a second container, and a second start would run a
//! task twice that has ended in between. Streams of the caller's own (archives in, images) cannot be
//! made again at all.

use std::time::Duration;

use rand::RngExt;

use crate::client::error::{ClientError, Result};
use crate::meter;

/// How often a call is made at most.
const ATTEMPTS: u32 = 4;
/// The longest pause before the second attempt; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(40);

/// Makes a call that only asks, again after failures that pass by themselves, and after those of the
/// engine's own, of which nobody knows.
pub(crate) async fn again<T, F: Future<Output = Result<T>>>(
    name: &'static str,
    call: impl FnMut() -> F,
) -> Result<T> {
    when(name, call, |error| passes_by_itself(error) || error.status() == Some(500)).await
}

/// Makes a call that can be carried out twice without harm, again after failures that pass by
/// themselves. Where the engine itself fails, it has tried: the caller knows what to do then.
pub(crate) async fn repeat<T, F: Future<Output = Result<T>>>(
    name: &'static str,
    call: impl FnMut() -> F,
) -> Result<T> {
    when(name, call, passes_by_itself).await
}

/// Makes a call that must not be carried out twice, again only if the engine has not got it or has
/// put it off.
pub(crate) async fn if_unsent<T, F: Future<Output = Result<T>>>(
    name: &'static str,
    call: impl FnMut() -> F,
) -> Result<T> {
    when(name, call, is_unsent).await
}

async fn when<T, F: Future<Output = Result<T>>>(
    name: &'static str,
    mut call: impl FnMut() -> F,
    may: fn(&ClientError) -> bool,
) -> Result<T> {
    for attempt in 1.. {
        match call().await {
            Err(error) if attempt < ATTEMPTS && may(&error) => {
                let pause = pause(attempt);
                tracing::debug!(call = name, attempt, ?pause, %error, "a call is made again");
                meter::retried(name, &error);
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
    }
    unreachable!("the loop ends only by returning")
}

/// A pause of random length, so that many that failed together do not come back together.
pub(crate) fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1).min(7));
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// Whether a failure is one that a call is made again after.
pub(crate) fn passes_by_itself(error: &ClientError) -> bool {
    match error {
        // A bound that has passed is not doubled, and a socket that is not there stays so.
        ClientError::Unreachable { .. }
        | ClientError::NoDescriptor(_)
        | ClientError::Disconnected(_) => true,
        ClientError::Status { status, .. } => matches!(status, 429 | 502 | 503 | 504),
        _ => false,
    }
}

/// Whether the engine has not got a call, or has put it off.
pub(crate) fn is_unsent(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Unreachable { .. }
            | ClientError::NoDescriptor(_)
            | ClientError::Status { status: 429, .. }
    )
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_passes_is_tried_again_and_not_for_ever() {
        let calls = Cell::new(0);
        let result = again("x", || {
            calls.set(calls.get() + 1);
            let call = calls.get();
            async move { if call < 3 { Err(ClientError::Disconnected("cut".into())) } else { Ok(call) } }
        });
        assert_eq!(result.await.unwrap(), 3);

        calls.set(0);
        let result: Result<()> = again("x", || {
            calls.set(calls.get() + 1);
            async { Err(ClientError::Status { status: 503, message: String::new() }) }
        })
        .await;
        assert!(result.is_err());
        assert_eq!(calls.get(), ATTEMPTS);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stays_is_not_asked_for_again() {
        for status in [400, 404, 409, 501, 505] {
            let calls = Cell::new(0);
            let result: Result<()> = again("x", || {
                calls.set(calls.get() + 1);
                async move { Err(ClientError::Status { status, message: String::new() }) }
            })
            .await;
            assert!(result.is_err());
            assert_eq!(calls.get(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_of_the_engines_own_is_asked_again_about_and_not_done_again() {
        let failed = || {
            let message = "device or resource busy".to_owned();
            Err::<(), _>(ClientError::Status { status: 500, message })
        };
        let calls = Cell::new(0);
        let call = || {
            calls.set(calls.get() + 1);
            std::future::ready(failed())
        };
        again("x", call).await.unwrap_err();
        assert_eq!(calls.replace(0), ATTEMPTS);
        repeat("x", call).await.unwrap_err();
        assert_eq!(calls.replace(0), 1);
        if_unsent("x", call).await.unwrap_err();
        assert_eq!(calls.replace(0), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_no_two_drivers_keep_the_same() {
        for attempt in 1..=3 {
            let longest = FIRST_PAUSE * 2_u32.pow(attempt - 1);
            let pauses: Vec<Duration> = (0..100).map(|_| pause(attempt)).collect();
            assert!(pauses.iter().all(|it| *it >= longest / 2 && *it <= longest), "{pauses:?}");
            assert!(pauses.iter().any(|it| *it != pauses[0]), "{pauses:?}");
        }
        assert!(pause(u32::MAX) <= FIRST_PAUSE * 128);
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_not_be_done_twice_is_asked_again_only_if_it_was_not_heard() {
        let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let unreachable = || ClientError::Unreachable { address: "a".into(), source: refused() };
        let cut = || ClientError::Disconnected("cut".into());
        let cases: [(&dyn Fn() -> ClientError, u32); 2] = [(&unreachable, ATTEMPTS), (&cut, 1)];
        for (error, expected) in cases {
            let calls = Cell::new(0);
            let result: Result<()> = if_unsent("x", || {
                calls.set(calls.get() + 1);
                let error = error();
                async move { Err(error) }
            })
            .await;
            assert!(result.is_err());
            assert_eq!(calls.get(), expected);
        }
    }
}
