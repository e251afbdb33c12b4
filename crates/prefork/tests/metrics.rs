//! What a recorder is told of a pool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{NamespaceRequest, NamespaceSource as _, WhenEmpty};
use longshore_mock::{Config, Engine};
use longshore_prefork::{Pool, PoolOptions};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// The figures, by name and the label that tells them apart.
fn figures(snapshotter: &Snapshotter) -> BTreeMap<(String, String), f64> {
    let all = snapshotter.snapshot().into_vec().into_iter();
    all.map(|(key, .., value)| {
        let key = key.key();
        let labels: BTreeMap<&str, &str> =
            key.labels().map(|label| (label.key(), label.value())).collect();
        assert!(labels["pool"].starts_with("prefork-"), "{labels:?}");
        let what = labels.get("state").or(labels.get("event")).copied().unwrap_or_default();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => panic!("{key} is no histogram"),
        };
        ((key.name().to_owned(), what.to_owned()), value)
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn a_pools_usage_is_told_once_a_second() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    let placeholders = Engine::new().placeholders(Config::new().owner("pool"));
    let mut options = PoolOptions::default();
    options.size = 2;
    let pool = Pool::open(options, Arc::new(placeholders)).unwrap();
    while pool.usage().free < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let request = || {
        let mut request = NamespaceRequest::default();
        request.when_empty = Some(WhenEmpty::FallBack);
        request
    };
    let lease = pool.lease(request()).await.unwrap().unwrap();
    let other = pool.lease(request()).await.unwrap().unwrap();
    assert!(pool.lease(request()).await.unwrap().is_none());
    drop(other);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = figures(&snapshotter);
    let usage = pool.usage();
    let is = |name: &str, what: &str| told[&(name.to_owned(), what.to_owned())];
    assert_eq!(is("longshore_prefork_slots", "in_use"), 1.0);
    assert_eq!(is("longshore_prefork_slots", "free"), usage.free as f64);
    assert_eq!(is("longshore_prefork_leases_total", "hit"), 2.0);
    assert_eq!(is("longshore_prefork_leases_total", "miss"), 1.0);
    assert_eq!(is("longshore_prefork_placeholders_total", "made"), usage.made as f64);
    assert_eq!(is("longshore_prefork_waiting", ""), 0.0);
    drop(lease);
    pool.close().await.unwrap();
    let told = figures(&snapshotter);
    for state in ["free", "in_use", "starting", "failed", "retiring"] {
        let slots = told[&("longshore_prefork_slots".to_owned(), state.to_owned())];
        assert_eq!(slots, 0.0, "{state}");
    }
}
