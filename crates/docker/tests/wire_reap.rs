//! The reaper that begins when a driver is opened, against a scripted engine.

#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{Driver as _, LABEL_APPLICATION, LABEL_LEASE, LABEL_OWNER};
use longshore_host::RunDir;
use support::{ScriptedEngine, json, usual};

#[tokio::test]
async fn the_first_look_for_what_dead_owners_left_is_not_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let lease = RunDir::open(Some(&run_dir)).unwrap().lease("longshore").unwrap();
    let listed = format!(
        r#"[{{"Id":"late","State":"created","Labels":{{"{LABEL_APPLICATION}":"longshore","{LABEL_OWNER}":"{}","{LABEL_LEASE}":"{}"}}}}]"#,
        lease.owner(),
        lease.domain(),
    );
    // As a death does, this gives the lock free and leaves the file.
    drop(lease);
    let looks = AtomicUsize::new(0);
    let engine = ScriptedEngine::start(move |request| {
        if !request.is("GET /containers/json") {
            return usual(request);
        }
        match looks.fetch_add(1, Ordering::Relaxed) {
            0 => json(500, r#"{"message":"not yet"}"#),
            _ => json(200, &listed),
        }
    });
    let mut config = DockerConfig::default();
    config.host = Some(engine.address());
    config.run_dir = Some(run_dir);
    let driver = DockerDriver::open(config).await.unwrap();

    let removed = async {
        while !engine.seen().iter().any(|request| request.is("DELETE /containers/late")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), removed).await.expect("it is removed soon");
    driver.close().await.unwrap();
}
