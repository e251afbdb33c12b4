//! What a recorder is told of the calls to a scripted engine, and of what became of them.

#[path = "support/stage.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod stage;
#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use longshore_docker::DockerDriver;
use longshore_driver_api::{
    ByteSize, Driver as _, DriverExt as _, ErrorKind, Task, TaskIo, TaskSpec,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use stage::Stage;
use support::{Request, Script, ScriptedEngine, Step, chunk, chunked, event, json, usual, waited};
use tokio::sync::{Mutex, MutexGuard, Notify};

/// A figure's name with its labels, and how often it was counted or recorded, or how large it is.
type Figures = BTreeMap<String, f64>;

/// The recorder of this process, for one test at a time. What went before is forgotten.
async fn recorder() -> (&'static Snapshotter, MutexGuard<'static, ()>) {
    static RECORDER: OnceLock<Snapshotter> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::const_new(());
    let alone = ALONE.lock().await;
    let snapshotter = RECORDER.get_or_init(|| {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        recorder.install().unwrap();
        snapshotter
    });
    look(snapshotter, &mut Figures::new());
    (snapshotter, alone)
}

#[track_caller]
fn assert_told(figures: &Figures, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        assert_eq!(figures.get(*name), Some(value), "{name} in {figures:#?}");
    }
}

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

/// Looks until there is more than nothing of a figure.
async fn until(snapshotter: &Snapshotter, figures: &mut Figures, wanted: &str) {
    for _ in 0..200 {
        look(snapshotter, figures);
        if figures.get(wanted).is_some_and(|value| *value > 0.0) {
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
            let followed = Step::Until(Arc::clone(&followed));
            return [chunked(), vec![followed, event(7, "oom", ""), Step::Hold]].concat();
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
    let (snapshotter, _alone) = recorder().await;
    let engine = engine();
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(&engine, folder.path());
    config.image_clean_max_size = Some(ByteSize::mib(1));
    let driver = DockerDriver::open(config).await.unwrap();
    let mut figures = Figures::new();
    until(snapshotter, &mut figures, "longshore_docker_image_cache_limit_bytes ").await;
    let task = || TaskSpec::builder("x").build().unwrap();
    driver.run_task(task()).await.unwrap();
    let error = driver.run_task(task()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    until(snapshotter, &mut figures, "longshore_docker_events_total action=oom").await;
    driver.close().await.unwrap();
    look(snapshotter, &mut figures);
    let expected = [
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
    ];
    assert_told(&figures, &expected);
}

/// What a recorder was told between the opening of a driver and its close.
async fn told(
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
    with: impl AsyncFnOnce(&DockerDriver),
) -> Figures {
    let (snapshotter, _alone) = recorder().await;
    let change = |config: &mut longshore_docker::DockerConfig| {
        config.timeouts.call = Duration::from_millis(200);
    };
    let stage = Stage::new(change, special).await;
    with(&stage.driver).await;
    stage.driver.close().await.unwrap();
    let mut figures = Figures::new();
    look(snapshotter, &mut figures);
    // What was told in other tests is there too, as nothing.
    figures.retain(|_, value| *value > 0.0);
    figures
}

#[tokio::test]
async fn each_attempt_of_a_pull_counts_and_each_that_is_made_again() {
    let asked = AtomicUsize::new(0);
    let answer = move |request: &Request| {
        let stream = |line: &str| {
            let mut script = chunked();
            let line = chunk(format!("{line}\r\n").as_bytes());
            script.extend([line, Step::Send(b"0\r\n\r\n".to_vec())]);
            script
        };
        request.is("POST /images/create").then(|| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => json(429, r#"{"message":"toomanyrequests: slow down"}"#),
            1 => stream(r#"{"error":"unexpected EOF"}"#),
            2 => stream(r#"{"status":"done"}"#),
            _ => json(404, r#"{"message":"manifest unknown"}"#),
        })
    };
    let figures = told(answer, async |driver| {
        let container = || driver.container(TaskSpec::builder("x").build().unwrap().into());
        container().unwrap().pull_image().await.unwrap();
        container().unwrap().pull_image().await.unwrap_err();
    })
    .await;
    let expected = [
        ("longshore_docker_api_seconds call=pull_image status=429", 1.0),
        ("longshore_docker_api_seconds call=pull_image status=error", 1.0),
        ("longshore_docker_api_seconds call=pull_image status=ok", 1.0),
        ("longshore_docker_api_seconds call=pull_image status=404", 1.0),
        ("longshore_docker_api_retries_total call=pull_image status=429", 1.0),
        ("longshore_docker_api_retries_total call=pull_image status=error", 1.0),
    ];
    assert_told(&figures, &expected);
    let retries = figures.keys().filter(|name| name.contains("retries_total"));
    assert_eq!(retries.count(), 2, "the last attempt was not made again: {figures:#?}");
}

#[tokio::test]
async fn an_input_that_is_lost_counts_as_attached_to_again_where_it_was() {
    let answer = |request: &Request| {
        let created = r#"{"Id":"c1","State":{"Status":"created"}}"#;
        let looked = request.is("GET /containers/c1/json").then(|| json(200, created));
        looked.or_else(|| request.is("POST /containers/c1/attach").then(Script::new))
    };
    let figures = told(answer, async |driver| {
        let io = TaskIo::none().stdin(tokio::io::empty());
        let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
        driver.run_task(task).await.unwrap_err();
    })
    .await;
    let expected = [
        ("longshore_docker_api_seconds call=attach status=error", 4.0),
        ("longshore_docker_api_retries_total call=attach status=error", 3.0),
    ];
    assert_told(&figures, &expected);
}

#[tokio::test]
async fn a_call_that_has_no_answer_says_why() {
    let (asked, reached) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let heard = Arc::clone(&reached);
    let answer = move |request: &Request| {
        let nth = request.is("GET /version").then(|| asked.fetch_add(1, Ordering::SeqCst))?;
        heard.notify_one();
        match nth {
            0 => None,
            1 => Some(Script::new()),
            _ => Some(vec![Step::Hold]),
        }
    };
    let figures = told(answer, async |driver| {
        for expected in [ErrorKind::Disconnected, ErrorKind::Deadline] {
            assert_eq!(driver.ping().await.unwrap_err().kind(), expected);
        }
        // Those of the calls before are taken first.
        while tokio::time::timeout(Duration::ZERO, reached.notified()).await.is_ok() {}
        tokio::select! {
            _ = driver.ping() => panic!("it has no answer"),
            () = reached.notified() => {}
        }
    })
    .await;
    let expected = [
        ("longshore_docker_api_seconds call=version status=ok", 1.0),
        ("longshore_docker_api_seconds call=version status=error", 1.0),
        ("longshore_docker_api_seconds call=version status=timeout", 1.0),
        ("longshore_docker_api_seconds call=version status=cancelled", 1.0),
    ];
    assert_told(&figures, &expected);
}

#[tokio::test]
async fn a_program_that_is_not_found_is_an_end() {
    let refused = r#"{"message":"unable to start container process: exec: \"x\": executable file not found in $PATH"}"#;
    let answer = move |request: &Request| {
        request.is("POST /containers/c1/start").then(|| json(400, refused))
    };
    let figures = told(answer, async |driver| {
        driver.run_task(TaskSpec::builder("x").build().unwrap()).await.unwrap();
    })
    .await;
    let ends: Vec<_> = figures.iter().filter(|(name, _)| name.contains("exits_total")).collect();
    assert_eq!(ends, [(&"longshore_docker_exits_total status=not_found".to_owned(), &1.0)]);
}

#[tokio::test]
async fn an_image_that_the_cache_removes_is_counted() {
    let (snapshotter, _alone) = recorder().await;
    let removed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let gone = Arc::clone(&removed);
    let engine = ScriptedEngine::usual_but(move |request| {
        let image = r#"{"Id":"sha256:1","Size":5,"SharedSize":0,"RepoTags":["y:latest"]}"#;
        if request.is("DELETE /images/") {
            gone.store(true, Ordering::SeqCst);
            return Some(json(200, "[]"));
        }
        let (bytes, images) = if gone.load(Ordering::SeqCst) { (0, "") } else { (5, image) };
        if request.is("GET /images/json") {
            return Some(json(200, &format!("[{images}]")));
        }
        let usage = format!(r#"{{"LayersSize":{bytes},"Images":[{images}]}}"#);
        request.is("GET /system/df").then(|| json(200, &usage))
    });
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(&engine, folder.path());
    config.image_clean_max_size = Some(ByteSize(1));
    let driver = DockerDriver::open(config).await.unwrap();
    let mut figures = Figures::new();
    until(snapshotter, &mut figures, "longshore_docker_image_cache_removed_total ").await;
    driver.close().await.unwrap();
    look(snapshotter, &mut figures);
    assert!(removed.load(Ordering::SeqCst));
    assert_told(&figures, &[("longshore_docker_image_cache_removed_total ", 1.0)]);
}
