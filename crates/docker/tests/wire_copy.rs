//! Copying files with an engine that misbehaves.

#[path = "support/stage.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod stage;
#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_docker::DockerConfig;
use longshore_driver_api::{ByteSize, Container, ContainerExt as _, Driver as _, ErrorKind};
use stage::Stage;
use support::{Request, Script, Step, chunk, chunked, json};

/// A container on a scripted engine, with bounds that a test can wait for.
async fn stage(
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> (Stage, Arc<dyn Container>) {
    let change = |config: &mut DockerConfig| {
        config.timeouts.call = Duration::from_secs(2);
        config.timeouts.work = Duration::from_millis(600);
        config.timeouts.stream_idle = Duration::from_millis(600);
    };
    let stage = Stage::new(change, special).await;
    let container = stage.prepared().await;
    (stage, container)
}

#[tokio::test]
async fn an_archive_that_is_cut_is_no_file() {
    for held in [false, true] {
        let (stage, container) = stage(move |request| {
            request.is("GET /containers/c1/archive").then(|| {
                let mut header = vec![0; 512];
                header[..1].copy_from_slice(b"f");
                let mut script = chunked();
                script.push(chunk(&header));
                // The connection ends, or stays open without a word.
                script.extend(held.then_some(Step::Hold));
                script
            })
        })
        .await;
        let before = Instant::now();
        let error = container.read_file("/f", ByteSize::mib(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(before.elapsed() < Duration::from_secs(10));
        stage.driver.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_an_upload_is_told_in_the_engines_words() {
    let (stage, container) = stage(|request| {
        let words = r#"{"message":"container rootfs is marked read-only"}"#;
        request.is("PUT /containers/c1/archive").then(|| json(403, words))
    })
    .await;
    let error = container.write_file("/f", &[0; 1000], 0o644).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("read-only"), "{error}");
    let put = stage.engine.lines().into_iter().find(|line| line.starts_with("PUT")).unwrap();
    assert!(put.contains("archive?path=%2F&noOverwriteDirNonDir=1"), "{put}");
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_takes_nothing_does_not_hold_an_upload_for_ever() {
    let (stage, container) = stage(|request| {
        request.is("PUT /containers/c1/archive").then(|| vec![Step::Pause(Duration::from_secs(60))])
    })
    .await;
    let before = Instant::now();
    // More than any socket holds.
    let error = container.write_file("/f", &vec![0; 8 << 20], 0o644).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    // Nor does what was not sent hold the driver.
    stage.driver.close().await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(20));
}
