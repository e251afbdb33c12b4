//! Bounds: no call to an engine and no wait for its next byte lasts for ever.

use std::future::Future;
use std::time::Duration;

use super::error::{ClientError, Result};

/// Runs a whole operation, its answer's body included, within `bound`.
pub(crate) async fn within<T>(
    bound: Duration,
    operation: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(bound, operation).await {
        Ok(result) => result,
        Err(_elapsed) => Err(ClientError::Deadline { bound }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bound_below_one_second_is_kept_exactly() {
        let bound = Duration::from_millis(900);
        let before = tokio::time::Instant::now();
        let result: Result<()> = within(bound, std::future::pending()).await;
        assert!(matches!(result, Err(ClientError::Deadline { .. })));
        assert_eq!(before.elapsed(), bound);
        let quick = async {
            tokio::time::sleep(Duration::from_millis(800)).await;
            Ok(1)
        };
        assert_eq!(within(bound, quick).await.unwrap(), 1);
    }
}
