//! A pool's usage as metrics, once a second. `docs/metrics.md` lists the names.

use std::time::Duration;

use metrics::{counter, gauge};
use tokio::time::{MissedTickBehavior, interval};

use crate::usage::Usage;

const EVERY: Duration = Duration::from_secs(1);
const SLOTS: &str = "longshore_prefork_slots";
const WAITING: &str = "longshore_prefork_waiting";
const LEASES: &str = "longshore_prefork_leases_total";
const PLACEHOLDERS: &str = "longshore_prefork_placeholders_total";
const RESIZED: &str = "longshore_prefork_resized_total";

/// Tells the recorder how the pool `name` is, for as long as the task lives that runs this.
pub(crate) async fn publish(name: String, usage: impl Fn() -> Usage) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tell(&name, &usage());
    }
}

/// Tells it once.
pub(crate) fn tell(name: &str, usage: &Usage) {
    let pool = || name.to_owned();
    for (state, slots) in [
        ("free", usage.free),
        ("in_use", usage.in_use),
        ("starting", usage.starting),
        ("failed", usage.failed),
        ("retiring", usage.retiring),
    ] {
        gauge!(SLOTS, "pool" => pool(), "state" => state).set(slots as f64);
    }
    gauge!(WAITING, "pool" => pool()).set(usage.waiting as f64);
    for (name, event, count) in [
        (LEASES, "hit", usage.hits),
        (LEASES, "miss", usage.misses),
        (PLACEHOLDERS, "made", usage.made),
        (PLACEHOLDERS, "failed", usage.failures),
        (PLACEHOLDERS, "died", usage.died),
        (PLACEHOLDERS, "recycled", usage.recycled),
        (RESIZED, "grown", usage.grown),
        (RESIZED, "shrunk", usage.shrunk),
    ] {
        counter!(name, "pool" => pool(), "event" => event).absolute(count);
    }
}
