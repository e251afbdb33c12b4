//! How it is found out whether a task does well.

use std::time::Duration;

use bollard::models::{ContainerCreateBody, HealthConfig};
use longshore_driver_api::{Health, HealthCheck};

pub(super) fn fill(health: &Health, container: &mut ContainerCreateBody) {
    let mut plain = health.clone();
    plain.wait = None;
    if plain == Health::default() {
        return;
    }
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let test: Option<Vec<String>> = match &health.check {
        HealthCheck::Run(program) => Some([words(&["CMD"]), program.clone()].concat()),
        HealthCheck::Off => Some(words(&["NONE"])),
        _ => None,
    };
    container.healthcheck = Some(HealthConfig {
        test,
        interval: health.interval.map(nanoseconds),
        timeout: health.timeout.map(nanoseconds),
        start_period: health.start_period.map(nanoseconds),
        retries: health.retries.map(i64::from),
        ..Default::default()
    });
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
