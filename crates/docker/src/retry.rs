//! Calls that may be made again, made again: only after failures that pass by themselves, only a few
//! times, and not all at once.

use std::time::Duration;

use rand::RngExt;

use crate::client::error::{ClientError, Result};

/// How often a call is made at most.
const ATTEMPTS: u32 = 4;
/// The longest pause before the second attempt; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(40);

/// Makes a call that can be repeated without harm, again after failures that pass by themselves.
pub(crate) async fn again<T, F: Future<Output = Result<T>>>(call: impl FnMut() -> F) -> Result<T> {
    when(call, passes_by_itself).await
}

/// Makes a call that must not be carried out twice, again only if the engine has not got it or has
/// put it off.
pub(crate) async fn if_unsent<T, F: Future<Output = Result<T>>>(
    call: impl FnMut() -> F,
) -> Result<T> {
    when(call, is_unsent).await
}

async fn when<T, F: Future<Output = Result<T>>>(
    mut call: impl FnMut() -> F,
    may: fn(&ClientError) -> bool,
) -> Result<T> {
    for attempt in 1.. {
        match call().await {
            Err(error) if attempt < ATTEMPTS && may(&error) => {
                tokio::time::sleep(pause(attempt)).await;
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

fn passes_by_itself(error: &ClientError) -> bool {
    match error {
        // A bound that has passed is not doubled, and a socket that is not there stays so.
        ClientError::Unreachable { .. } | ClientError::Disconnected(_) => true,
        ClientError::Status { status, .. } => matches!(status, 429 | 502 | 503 | 504),
        _ => false,
    }
}

fn is_unsent(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { .. } | ClientError::Status { status: 429, .. })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_passes_is_tried_again_and_not_for_ever() {
        let calls = Cell::new(0);
        let result = again(|| {
            calls.set(calls.get() + 1);
            let call = calls.get();
            async move { if call < 3 { Err(ClientError::Disconnected("cut".into())) } else { Ok(call) } }
        });
        assert_eq!(result.await.unwrap(), 3);

        calls.set(0);
        let result: Result<()> = again(|| {
            calls.set(calls.get() + 1);
            async { Err(ClientError::Status { status: 503, message: String::new() }) }
        })
        .await;
        assert!(result.is_err());
        assert_eq!(calls.get(), ATTEMPTS);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stays_is_not_asked_for_again() {
        for status in [400, 404, 409, 500] {
            let calls = Cell::new(0);
            let result: Result<()> = again(|| {
                calls.set(calls.get() + 1);
                async move { Err(ClientError::Status { status, message: String::new() }) }
            })
            .await;
            assert!(result.is_err());
            assert_eq!(calls.get(), 1);
        }
    }
    #[tokio::test(start_paused = true)]
    async fn what_must_not_be_done_twice_is_asked_again_only_if_it_was_not_heard() {
        let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let unreachable = || ClientError::Unreachable { address: "a".into(), source: refused() };
        let cut = || ClientError::Disconnected("cut".into());
        let cases: [(&dyn Fn() -> ClientError, u32); 2] = [(&unreachable, ATTEMPTS), (&cut, 1)];
        for (error, expected) in cases {
            let calls = Cell::new(0);
            let result: Result<()> = if_unsent(|| {
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
