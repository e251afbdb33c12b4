//! Waiting for what a test knows must come.

use std::time::{Duration, Instant};

/// Nothing that a test waits for takes nearly as long.
const BOUND: Duration = Duration::from_secs(60);

/// Waits until it is so, and fails with `what` it waited for.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < BOUND, "waited {BOUND:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
