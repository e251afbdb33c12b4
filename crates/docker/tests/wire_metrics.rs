//! What a recorder is told of the calls to a scripted engine, and of what became of them.

#[path = "support/stage.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod stage;
#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_docker::DockerDriver;
use longshore_driver_api::{ByteSize, Driver as _, DriverExt as _, ErrorKind, TaskSpec};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use support::{ScriptedEngine, Step, chunk, chunked, json, usual, waited};
use tokio::sync::Notify;

/// A figure's name with its labels, and how often it was counted or recorded, or how large it is.
type Figures = BTreeMap<String, f64>;

/// Adds what was told since the last time: a look takes everything away, gauges too.
fn look(snapshotter: &Snapshotter, figures: &mut Figures) {
    for (key, .., value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let labels: BTreeMap<&str, &str> =
            key.labels().map(|label| (label.key(), label.value())).collect();
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let figure = figures.entry(format!("{} {}", key.name(), labels.join(" "))).or_default();
        match value {
            DebugValue::Counter(count) => *figure += count as f64,
            DebugValue::Gauge(value) => *figure = figure.max(value.into_inner()),
            DebugValue::Histogram(records) => {
                assert!(records.iter().all(|it| (0.0..60.0).contains(&it.into_inner())));
                *figure += records.len() as f64;
            }
        }
    }
}

/// Looks until a figure is there.
async fn until(snapshotter: &Snapshotter, figures: &mut Figures, wanted: &str) {
    for _ in 0..200 {
        look(snapshotter, figures);
        if figures.contains_key(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{wanted} is never told: {figures:#?}");
}

/// An engine that is too busy at the first look for an image, whose first task ends with 3 and is
/// told, and that has two images.
fn engine() -> ScriptedEngine {
    let (asked, created) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // What is told of a container before anybody follows it is nobody's.
    let followed = Arc::new(Notify::new());
    ScriptedEngine::start(move |request| {
        if request.is("GET /images/docker.io") && asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return json(503, r#"{"message":"not now"}"#);
        }
        if request.is("POST /containers/create") && created.fetch_add(1, Ordering::SeqCst) == 1 {
            return json(400, r#"{"message":"no"}"#);
        }
        if request.is("POST /containers/c1/wait") {
            followed.notify_one();
            return waited(Duration::from_millis(200), 3);
        }
        if request.is("GET /events") {
            let event = r#"{"Type":"container","Action":"oom","Actor":{"ID":"c1"},"timeNano":7}"#;
            let mut script = chunked();
            let event = chunk(format!("{event}\n").as_bytes());
            script.extend([Step::Until(Arc::clone(&followed)), event, Step::Hold]);
            return script;
        }
        if request.is("GET /system/df") {
            let images = r#"[{"Id":"sha256:1","Size":5,"SharedSize":0,"RepoTags":["x:latest"]},
                {"Id":"sha256:2","Size":6,"SharedSize":0,"RepoTags":["y:latest"]}]"#;
            return json(
                200,
                &format!(r#"{{"LayersSize":11,"Images":{}}}"#, images.replace('\n', "")),
            );
        }
        usual(request)
    })
}

#[tokio::test]
async fn a_recorder_is_told_of_calls_retries_ends_events_and_images() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    let engine = engine();
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(&engine, folder.path());
    config.image_clean_max_size = Some(ByteSize::mib(1));
    let driver = DockerDriver::open(config).await.unwrap();
    let mut figures = Figures::new();
    until(&snapshotter, &mut figures, "longshore_docker_image_cache_limit_bytes ").await;
    let task = || TaskSpec::builder("x").build().unwrap();
    driver.run_task(task()).await.unwrap();
    let error = driver.run_task(task()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    until(&snapshotter, &mut figures, "longshore_docker_events_total action=oom").await;
    driver.close().await.unwrap();
    look(&snapshotter, &mut figures);
    for (name, value) in [
        ("longshore_docker_api_seconds call=version status=ok", 1.0),
        ("longshore_docker_api_seconds call=inspect_image status=503", 1.0),
        ("longshore_docker_api_retries_total call=inspect_image status=503", 1.0),
        ("longshore_docker_api_seconds call=create_container status=ok", 1.0),
        ("longshore_docker_api_seconds call=create_container status=400", 1.0),
        ("longshore_docker_api_seconds call=start_container status=ok", 1.0),
        ("longshore_docker_exits_total status=exit_3", 1.0),
        ("longshore_docker_events_total action=oom", 1.0),
        ("longshore_docker_image_cache_images state=idle", 2.0),
        ("longshore_docker_image_cache_images state=busy", 0.0),
        ("longshore_docker_image_cache_bytes ", 11.0),
        ("longshore_docker_image_cache_limit_bytes ", 1_048_576.0),
    ] {
        assert_eq!(figures.get(name), Some(&value), "{name} in {figures:#?}");
    }
}
