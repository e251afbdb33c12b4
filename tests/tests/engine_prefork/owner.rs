//! Placeholders never outlive their owner.

use std::path::Path;
use std::sync::Arc;

use longshore_conformance::Orphan;
use longshore_docker::DockerDriver;
use longshore_driver_api::{Driver as _, ReapOptions, State};
use longshore_prefork::PoolOptions;

use crate::world::{Place, borrower, config, open, until};

/// What the owner that dies is told.
const APPLICATION: &str = "LONGSHORE_TEST_APPLICATION";
const RUN_DIR: &str = "LONGSHORE_TEST_RUN_DIR";

// It starts itself by its name, as the owner that dies.
#[tokio::test]
async fn what_an_owner_that_was_killed_held_is_removed_by_the_next() {
    let given = |name| std::env::var(name).expect("it is given with the orphan");
    if let Some(orphan) = Orphan::asked() {
        let config = config(&given(APPLICATION), Path::new(&given(RUN_DIR)));
        let (pool, driver) = open(config, PoolOptions::sized(3)).await.unwrap();
        until(&pool, "all three are free", |usage| usage.free == 3).await;
        return orphan.make(Arc::new(driver)).await.expect("the container is made");
    }
    let place = Place::new();
    let spec = borrower(["sleep", "forever"]).build().unwrap();
    let name = "owner::what_an_owner_that_was_killed_held_is_removed_by_the_next";
    let run_dir = place.run_dir().display().to_string();
    let variables = [(APPLICATION, place.application.as_str()), (RUN_DIR, run_dir.as_str())];
    Orphan::new(spec, State::Running).leave(name, &variables).await.unwrap();
    // Three placeholders and the task that has borrowed of one.
    assert_eq!(place.left().await.len(), 4);
    let driver = DockerDriver::open(place.config()).await.unwrap();
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    assert_eq!((report.removed.len(), report.failed.len()), (4, 0), "{report:?}");
    driver.close().await.unwrap();
    assert_eq!(place.left().await, [""; 0]);
}
