//! What is recoverable is dated by the engine's clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use longshore_driver_api::{
    Driver as _, DriverExt as _, ErrorKind, LABEL_RECOVERABLE_UNTIL, ReapOptions, TaskIo, TaskSpec,
};
use serde_json::{Value, json as value};

use crate::scene::{Scene, ended, engine, handle, local, running, spec};
use crate::support::{json, waited};
use crate::until::until;

#[tokio::test]
async fn a_label_is_dated_by_the_engines_clock() {
    let scene = Scene::new();
    let engine = engine(scene.container(&ended(0), &local()), |_| None);
    let driver = scene.open(&engine).await;
    let spec = TaskSpec::builder("x").recoverable_for(Duration::from_secs(60)).build().unwrap();
    driver.run_task(spec).await.unwrap();
    let created = engine.seen().into_iter().find(|it| it.is("POST /containers/create")).unwrap();
    let body: Value = serde_json::from_slice(&created.body).unwrap();
    assert_eq!(body["Labels"][LABEL_RECOVERABLE_UNTIL], "2041-05-06T07:09:09.500Z");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_reaper_goes_by_the_engines_clock() {
    let scene = Scene::new();
    for (until, is_left) in [("2041-05-06T07:08:10Z", false), ("2041-05-06T07:08:09Z", true)] {
        let mut labels = scene.labels.clone();
        labels[LABEL_RECOVERABLE_UNTIL] = until.into();
        let listed = value!([{"Id": "c1", "Labels": labels}]).to_string();
        let engine = engine(String::new(), move |request| {
            request.is("GET /containers/json").then(|| json(200, &listed))
        });
        let driver = scene.open(&engine).await;
        let dry = driver.reap(ReapOptions::new().dry_run(true)).await.unwrap();
        assert_eq!((dry.removed.len(), dry.kept), (usize::from(is_left), usize::from(!is_left)));
        let report = driver.reap(ReapOptions::new()).await.unwrap();
        assert_eq!(report.removed.is_empty(), !is_left, "{report:?}");
        let removes = engine.lines().iter().any(|line| line.starts_with("DELETE"));
        assert_eq!(removes, is_left);
        driver.close().await.unwrap();
    }
}

#[tokio::test]
async fn without_the_engines_time_nothing_recoverable_is_removed() {
    let scene = Scene::new();
    let mut labels = scene.labels.clone();
    labels[LABEL_RECOVERABLE_UNTIL] = "2001-01-01T00:00:00Z".into();
    let listed = value!([{"Id": "c1", "Labels": labels}]).to_string();
    let infos = AtomicUsize::new(0);
    let engine = engine(String::new(), move |request| {
        if request.is("GET /info") && infos.fetch_add(1, Ordering::Relaxed) > 0 {
            return Some(json(500, r#"{"message":"no"}"#));
        }
        request.is("GET /containers/json").then(|| json(200, &listed))
    });
    let driver = scene.open(&engine).await;
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    assert_eq!((report.removed.len(), report.kept), (0, 1), "{report:?}");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn the_timeout_goes_on_by_the_engines_clock() {
    let scene = Scene::new();
    let engine = engine(scene.container(&running(), &local()), |request| {
        request.is("POST /containers/c1/wait").then(|| waited(Duration::from_secs(60), 0))
    });
    let driver = scene.open(&engine).await;
    // It has run for seven seconds.
    let spec = TaskSpec::builder("x").timeout(Duration::from_secs(9)).build().unwrap();
    let begun = Instant::now();
    let recovered = driver.recover(&handle(&spec, 0), TaskIo::none()).await.unwrap();
    until("it is asked to end", async || engine.count("POST /containers/c1/kill") > 0).await;
    let took = begun.elapsed();
    assert!((Duration::from_millis(1900)..Duration::from_secs(6)).contains(&took), "{took:?}");
    drop(recovered);
    driver.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_does_not_tell_its_time_cannot_recover() {
    let scene = Scene::new();
    let engine = engine(String::new(), |request| {
        request.is("GET /info").then(|| json(200, r#"{"ID":"E1"}"#))
    });
    let driver = scene.open(&engine).await;
    assert!(!driver.capabilities().recover);
    let error = driver.recover(&handle(&spec(), 0), TaskIo::none()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let spec = TaskSpec::builder("x").recoverable_for(Duration::from_secs(1)).build().unwrap();
    assert_eq!(driver.prepare(spec).await.unwrap_err().kind(), ErrorKind::Unsupported);
    driver.close().await.unwrap();
}
