//! The task that owns a slot: it makes the slot's placeholder, watches over it and replaces it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Placeholder, Result};
use rand::RngExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use crate::desk::Desk;
use crate::lease::Held;
use crate::pool::Inner;
use crate::slot::Order;

/// The first pause after a failure. It doubles with each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A placeholder that lives shorter counts as one that could not be made.
const LIVES: Duration = Duration::from_secs(1);

/// A slot in a worker's hands. However the worker ends, the slot is given up.
pub(crate) struct Hands {
    inner: Arc<Inner>,
    slot: usize,
    held: Option<Arc<Held>>,
    retired: bool,
}

impl Hands {
    pub(crate) fn new(inner: Arc<Inner>, slot: usize) -> Self {
        Self { inner, slot, held: None, retired: false }
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        let desk = &self.inner.desk;
        if !self.retired {
            // The pool was dropped, or its runtime ended: nobody makes placeholders any more.
            desk.close("the runtime or the pool that kept the placeholders has ended");
        }
        if let Some(held) = self.held.take() {
            held.lose("the pool that kept the placeholder has ended");
        }
        desk.gone(self.slot);
    }
}

/// Why a placeholder is given up.
pub(crate) enum End {
    Died(String),
    Ordered(Order),
}

/// Keeps a slot until it is taken away.
pub(crate) async fn keep(mut hands: Hands) {
    let inner = Arc::clone(&hands.inner);
    let (slot, desk) = (hands.slot, &inner.desk);
    let mut failures = 0_u32;
    loop {
        let made = tokio::select! {
            biased;
            () = retired(desk, slot) => break,
            made = make(&inner, slot) => made,
        };
        let placeholder = match made {
            Ok(placeholder) => placeholder,
            Err(error) => {
                tracing::warn!(slot, %error, "a placeholder could not be made");
                desk.failed(slot, error.to_string());
                if !pause(&inner, slot, &mut failures).await {
                    break;
                }
                continue;
            }
        };
        let held = Arc::new(Held::new(placeholder.namespaces().clone()));
        hands.held = Some(Arc::clone(&held));
        let born = Instant::now();
        desk.ready(slot, Arc::clone(&held));
        tracing::debug!(slot, holder = held.namespaces.holder, "a placeholder is ready");

        let end = watch(desk, slot, placeholder.watch()).await;
        let lived = born.elapsed();
        let soon = lived < LIVES && matches!(end, End::Died(_));
        if !soon {
            // However short it lived: on a busy pool, one that is used once is soon ended.
            failures = 0;
        }
        match &end {
            End::Died(why) => {
                // The lease learns it before the slot is anybody else's.
                held.lose(why);
                tracing::warn!(slot, holder = held.namespaces.holder, why, "a placeholder died");
                desk.died(slot, why.clone(), soon);
            }
            End::Ordered(_) => held.lose("the placeholder was taken away"),
        }
        hands.held = None;
        if let Err(error) = placeholder.stop().await {
            // Its backend goes on trying, and tells it when it is closed.
            tracing::warn!(slot, %error, "a placeholder could not be removed yet");
        }
        drop(placeholder);
        if matches!(end, End::Ordered(Order::Retire)) {
            break;
        }
        if soon && !pause(&inner, slot, &mut failures).await {
            break;
        }
    }
    hands.retired = true;
}

/// Makes a placeholder and starts it, when the bucket allows one more.
async fn make(inner: &Inner, slot: usize) -> Result<Arc<dyn Placeholder>> {
    let from = inner.bucket.lock().take(Instant::now());
    sleep_until(from).await;
    let spec = inner.options.placeholder(slot, format!("{}-{slot}", inner.name));
    let placeholder = inner.placeholders.make(&spec).await?;
    if let Err(error) = placeholder.start().await {
        // The error that made it useless is the one to tell.
        let _ = placeholder.stop().await;
        return Err(error);
    }
    Ok(placeholder)
}

/// Watches over a slot's placeholder, whose death says why.
pub(crate) async fn watch(desk: &Desk, slot: usize, death: impl Future<Output = String>) -> End {
    let mut death = pin!(death);
    loop {
        match desk.order(slot) {
            Order::Keep => {}
            order => return End::Ordered(order),
        }
        tokio::select! {
            biased;
            why = &mut death => return End::Died(why),
            () = desk.nudged(slot) => {}
        }
    }
}

/// Waits until the slot is to be taken away.
pub(crate) async fn retired(desk: &Desk, slot: usize) {
    while desk.order(slot) != Order::Retire {
        desk.nudged(slot).await;
    }
}

/// Waits after a failure; says whether the slot is still wanted.
async fn pause(inner: &Inner, slot: usize, failures: &mut u32) -> bool {
    let time = FIRST_PAUSE.saturating_mul(1 << (*failures).min(10)).min(LONGEST_PAUSE);
    *failures += 1;
    // Many slots that fail for one reason do not all come again at one moment.
    let time = time.mul_f64(rand::rng().random_range(0.75..1.0));
    tokio::select! {
        biased;
        () = retired(&inner.desk, slot) => return false,
        () = sleep(time) => {}
    }
    inner.desk.retry(slot);
    true
}
