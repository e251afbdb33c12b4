//! Pulls of a real engine from a real registry, with a proxy between the two that breaks what passes.

mod stage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_driver_api::{Credential, Driver as _, ErrorKind};
use longshore_images::StaticCredentials;
use longshore_tests::{Asked, RegistryFault};
use stage::{LAYER, LONG, Stage};

/// A part of the layer that every engine reads before it notices anything.
const PART: u64 = LAYER as u64 / 3;

#[tokio::test]
async fn without_a_fault_one_pull_serves_all_and_tells_all() {
    let stage = Stage::new(|_| {}).await;
    let waiters: Vec<_> = (0..8).map(|_| stage.container(&stage.image())).collect();
    let pulls: Vec<_> = waiters
        .iter()
        .map(|(container, _)| {
            let container = Arc::clone(container);
            tokio::spawn(async move { container.pull_image().await })
        })
        .collect();
    for pull in pulls {
        pull.await.unwrap().unwrap();
    }
    for (_, hooks) in &waiters {
        let last = hooks.told().pop().expect("everybody is told");
        // Podman counts the configuration as a layer.
        let layers = if stage.is_podman() { 2 } else { 1 };
        assert_eq!((last.layers, last.layers_done), (layers, layers), "{last:?}");
        assert_eq!(last.bytes_done, last.bytes, "{last:?}");
    }
    assert_eq!(stage.proxy.count(Asked::Layer), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_layer_that_stands_still_ends_by_the_idle_bound_and_the_next_pull_succeeds() {
    let stage = Stage::new(|config| {
        config.timeouts.pull_idle = Duration::from_secs(2);
        config.pull_attempts = 2;
    })
    .await;
    stage.proxy.fault(Asked::Layer, 99, RegistryFault::StallAfter(PART));
    let start = Instant::now();
    let (error, told) = stage.fails(&stage.image()).await;
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    assert!(error.to_string().contains("stood still for 2s"), "{error}");
    assert!(start.elapsed() >= Duration::from_secs(4), "there were two attempts");
    let last = told.last().expect("the part that came was told");
    let is_part = last.bytes > 0 && last.bytes_done < last.bytes;
    assert!(is_part != stage.is_podman(), "{last:?}");
    stage.proxy.heal();
    stage.pulls(&stage.image()).await;
    stage.end().await;
}

#[tokio::test]
async fn a_layer_that_stands_still_once_is_pulled_by_the_second_attempt() {
    let stage = Stage::new(|config| {
        config.timeouts.pull_idle = Duration::from_secs(2);
        config.pull_attempts = 2;
    })
    .await;
    stage.proxy.fault(Asked::Layer, 1, RegistryFault::StallAfter(PART));
    stage.pulls(&stage.image()).await;
    let asked = stage.proxy.requests().into_iter();
    let layers: Vec<_> = asked.filter(|it| it.asked == Asked::Layer).map(|it| it.fault).collect();
    assert_eq!(layers[0], Some(RegistryFault::StallAfter(PART)));
    assert!(layers.len() >= 2, "the fault did not keep the first answer from being enough");
    stage.end().await;
}

#[tokio::test]
async fn a_layer_that_is_cut_once_costs_no_failure() {
    let stage = Stage::new(|_| {}).await;
    stage.proxy.fault(Asked::Layer, 1, RegistryFault::CutAfter(PART));
    stage.pulls(&stage.image()).await;
    assert!(stage.proxy.count(Asked::Layer) >= 2);
    stage.end().await;
}

#[tokio::test]
async fn a_layer_that_is_always_cut_ends_by_the_bound_for_the_whole() {
    // The engine tries again by itself, and says so each second: nothing stands still.
    let stage = Stage::new(|config| {
        config.timeouts.pull_idle = LONG;
        config.timeouts.pull_total = Duration::from_secs(7);
    })
    .await;
    stage.proxy.fault(Asked::Layer, 99, RegistryFault::CutAfter(10));
    let (error, _) = stage.fails(&stage.image()).await;
    let kinds = [ErrorKind::Deadline, ErrorKind::RegistryFailed];
    assert!(kinds.contains(&error.kind()), "{error} [{:?}]", error.kind());
    stage.proxy.heal();
    stage.pulls(&stage.image()).await;
    stage.end().await;
}

#[tokio::test]
async fn a_registry_that_fails_is_asked_as_often_as_is_configured() {
    let stage = Stage::new(|config| config.pull_attempts = 3).await;
    stage.proxy.fault(Asked::Manifest, 999, RegistryFault::Status(500, "boom"));
    let (error, _) = stage.fails(&stage.image()).await;
    assert_eq!(error.kind(), ErrorKind::RegistryFailed, "{error}");
    let all = stage.proxy.count(Asked::Manifest);
    assert!(all >= 3, "{all}");
    let once = Stage::new(|config| config.pull_attempts = 1).await;
    once.proxy.fault(Asked::Manifest, 999, RegistryFault::Status(500, "boom"));
    once.fails(&once.image()).await;
    assert_eq!(once.proxy.count(Asked::Manifest) * 3, all);
    once.proxy.heal();
    once.proxy.fault(Asked::Manifest, 1, RegistryFault::Status(500, "boom"));
    stage.proxy.heal();
    stage.proxy.fault(Asked::Manifest, 1, RegistryFault::Status(503, "boom"));
    stage.pulls(&stage.image()).await;
    stage.end().await;
    once.end().await;
}

#[tokio::test]
async fn a_busy_registry_is_told_apart_with_the_pause_that_it_asks_for_and_tried_again() {
    let stage = Stage::new(|config| {
        config.pull_attempts = 1;
        config.timeouts.pull_idle = Duration::from_secs(10);
    })
    .await;
    stage.proxy.fault(Asked::Manifest, 999, RegistryFault::Status(429, "retry-after: 1s"));
    let (error, _) = stage.fails(&stage.image()).await;
    if stage.is_podman() {
        // It tries again by itself for minutes, without a word.
        assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
        stage.end().await;
        return;
    }
    assert_eq!(error.kind(), ErrorKind::RegistryBusy, "{error}");
    assert_eq!(error.asks_to_wait(), Some(Duration::from_secs(1)), "{error}");
    stage.end().await;

    let stage = Stage::new(|config| config.pull_attempts = 2).await;
    // The engine may ask twice in one attempt.
    let in_one = stage.asks_of_one_attempt(429).await;
    stage.proxy.fault(Asked::Manifest, in_one, RegistryFault::Status(429, "retry-after: 1s"));
    let start = Instant::now();
    stage.pulls(&stage.image()).await;
    assert!(start.elapsed() >= Duration::from_secs(1), "it was not left alone");
    stage.end().await;
}

#[tokio::test]
async fn refusals_have_kinds_of_their_own_and_are_not_repeated() {
    for (status, text, kind) in [
        (401, "authentication required", ErrorKind::RegistryUnauthorized),
        (403, "denied: no entry", ErrorKind::RegistryUnauthorized),
    ] {
        let stage = Stage::new(|config| config.pull_attempts = 3).await;
        let in_one = stage.asks_of_one_attempt(status).await;
        stage.proxy.fault(Asked::Manifest, 999, RegistryFault::Status(status, text));
        let before = stage.proxy.count(Asked::Manifest);
        let (error, _) = stage.fails(&stage.image()).await;
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert_eq!(stage.proxy.count(Asked::Manifest) - before, in_one, "it was repeated");
        stage.end().await;
    }
    let stage = Stage::new(|_| {}).await;
    let missing = format!("{}/{}:none", stage.proxy.address(), stage.pushed.repository);
    let (error, _) = stage.fails(&missing).await;
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error}");
    assert!(error.to_string().contains(&missing), "{error}");
    stage.end().await;
}

#[tokio::test]
async fn a_pinned_image_is_the_one_with_that_digest() {
    let stage = Stage::new(|config| config.pull_attempts = 1).await;
    let pinned =
        format!("{}/{}@{}", stage.proxy.address(), stage.pushed.repository, stage.pushed.digest);
    // An engine keeps manifests: what it has seen once it does not ask for again.
    stage.proxy.fault(Asked::Manifest, 99, RegistryFault::Spoil);
    let (error, _) = stage.fails(&pinned).await;
    assert_eq!(error.kind(), ErrorKind::ImageRejected, "{error}");
    stage.proxy.heal();
    stage.pulls(&pinned).await;
    let other = pinned.replace(&stage.pushed.digest[7..15], "00000000");
    let (error, _) = stage.fails(&other).await;
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error}");
    stage.engine.remove_image(&pinned).await.unwrap();
    stage.end().await;
}

#[tokio::test]
async fn an_image_for_another_platform_is_not_taken() {
    let stage = Stage::new(|_| {}).await;
    let (error, _) = stage.fails_on(&stage.image(), Some("linux/s390x")).await;
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error}");
    assert!(error.to_string().contains("s390x"), "{error}");
    stage.end().await;
}

#[tokio::test]
async fn a_credential_goes_to_its_registry_and_to_no_other() {
    let right = Credential::password(
        stage::variable("LONGSHORE_TEST_REGISTRY_USER"),
        stage::variable("LONGSHORE_TEST_REGISTRY_PASSWORD"),
    );
    let registry = stage::variable("LONGSHORE_TEST_REGISTRY_AUTH");
    let guarded = longshore_tests::RegistryProxy::start(&registry).await.unwrap();
    let credentials = StaticCredentials::new().with(guarded.address(), right).unwrap();
    let stage = Stage::new(move |config| config.credentials = Some(Arc::new(credentials))).await;
    let image = format!("{}/longshore/testee:latest", guarded.address());
    stage.pulls(&image).await;
    let shown = |proxy: &longshore_tests::RegistryProxy| {
        proxy.requests().iter().any(|request| request.authorization.is_some())
    };
    assert!(shown(&guarded), "the credential was not sent");
    stage.pulls(&stage.image()).await;
    assert!(!shown(&stage.proxy), "the credential went to another registry");
    stage.engine.remove_image(&image).await.unwrap();
    stage.end().await;
}

#[tokio::test]
async fn who_closes_the_container_ends_the_pull() {
    let stage = Stage::new(|config| config.timeouts.pull_idle = LONG).await;
    stage.proxy.fault(Asked::Layer, 99, RegistryFault::StallAfter(PART));
    let (container, hooks) = stage.container(&stage.image());
    let pulling = Arc::clone(&container);
    let pull = tokio::spawn(async move { pulling.pull_image().await });
    hooks.word.notified().await;
    container.close().await.unwrap();
    let error = tokio::time::timeout(LONG, pull).await.expect("it ends").unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    stage.driver.close().await.unwrap();
    stage.end().await;
}
