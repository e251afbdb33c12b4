//! The contract, sentence by sentence, on a real engine.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use std::sync::Arc;

use longshore_conformance::{Fixture as _, Hosting, Orphan};
use longshore_docker::DockerDriver;
use longshore_driver_api::{Driver as _, ReapOptions, State, TaskSpec};

longshore_conformance::suite! {
    name: docker,
    fixture: fixture::Docker::new(),
    runtime: Real,
}

// The fixture starts it by its name with "--ignored", as the owner that dies.
#[tokio::test]
async fn an_owner_that_is_killed() {
    if let Some(orphan) = Orphan::asked() {
        return be_killed(orphan).await;
    }
    let fixture = fixture::Docker::new();
    let spec = TaskSpec::builder(fixture.scene().testee).args(["sleep", "forever"]);
    let spec = spec.build().expect("a valid task");
    let left = fixture.orphan(spec, State::Running).await.expect("an orphan");
    assert_eq!(left, Hosting::Yes);
    assert_eq!(fixture.leftovers().await.expect("the engine answers").len(), 1);

    let driver = fixture.open().await.expect("the engine answers");
    let report = driver.reap(ReapOptions::new()).await.expect("the reaper works");
    assert_eq!((report.removed.len(), report.failed.len()), (1, 0), "{report:?}");
    driver.close().await.expect("the driver closes");
    assert_eq!(fixture.leftovers().await.expect("the engine answers"), [""; 0]);
}

/// What the same test does in the process that is killed.
async fn be_killed(orphan: Orphan) {
    let given = |name| std::env::var(name).expect("it is given with the orphan");
    let config = fixture::config(&given(fixture::APPLICATION), given(fixture::RUN_DIR).as_ref());
    let driver = DockerDriver::open(config).await.expect("the engine answers");
    orphan.make(Arc::new(driver)).await.expect("the container is made");
}
