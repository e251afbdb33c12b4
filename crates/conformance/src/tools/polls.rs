//! A future that is dropped at a chosen await point.

use std::future::poll_fn;
use std::task::Poll;

/// Polls a future at most so many times, then drops it where it is: `None`. With 0 it is dropped
/// before it has begun.
pub(crate) async fn poll_at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(move |context| {
        let Some(less) = left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        left = less;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_future_that_needs_three_polls_is_dropped_before() {
        let three = || async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            7
        };
        for (polls, expected) in [(0, None), (1, None), (2, None), (3, Some(7)), (4, Some(7))] {
            assert_eq!(poll_at_most(polls, three()).await, expected, "{polls}");
        }
    }
}
