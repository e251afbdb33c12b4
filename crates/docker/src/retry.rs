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
pub(crate) async fn again<T, F: Future<Output = Result<T>>>(
    mut call: impl FnMut() -> F,
) -> Result<T> {
    for attempt in 1.. {
        match call().await {
            Err(error) if attempt < ATTEMPTS && passes_by_itself(&error) => {
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
}
