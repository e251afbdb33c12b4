//! An image whose labels have the names of the engine's words and of ours, on a real engine.

#[path = "engine/committed.rs"]
mod committed;
mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use std::sync::Arc;

use committed::Committed;
use longshore_conformance::{Fixture as _, Orphan};
use longshore_docker::DockerDriver;
use longshore_driver_api::{
    ByteSize, Driver as _, DriverExt as _, LABEL_KEEPER, LABEL_KEEPER_GENERATION, LABEL_PREFIX,
    LABEL_RECOVERABLE_UNTIL, LABELS, Outcome, ReapOptions, State,
};

/// The testee's image with such labels.
async fn forged(driver: &DockerDriver) -> Committed {
    let labels = [
        "exitCode=0",
        "containerExitCode=0",
        "health_status=healthy",
        &format!("{LABEL_RECOVERABLE_UNTIL}=2999-01-01T00:00:00Z"),
        &format!("{LABEL_KEEPER}=1.2000"),
        &format!("{LABEL_KEEPER_GENERATION}=1"),
    ];
    // One each: Podman 4.3 takes the rest of a line for the value of its first.
    Committed::new(driver, "forged", &labels.map(|label| format!("LABEL {label}"))).await
}

#[tokio::test]
async fn an_images_labels_say_nothing_about_an_end_and_nothing_in_our_name() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let image = forged(&driver).await;
    for code in ["3", "0", "3"] {
        let spec = image.task(&["exit", code]);
        for spec in [spec.clone(), spec.memory(ByteSize::mib(64))] {
            let exit = driver.run_task(spec.build().unwrap()).await.unwrap();
            assert_eq!(exit.outcome, Outcome::Code(code.parse().unwrap()), "{exit:?}");
        }
    }
    let container = driver.prepare(image.task(&["exit", "0"]).build().unwrap()).await.unwrap();
    let path = format!("/containers/{}/json", container.engine_id().unwrap());
    let labels = engine::call("GET", &path).unwrap().1["Config"]["Labels"].clone();
    assert_eq!(labels["exitCode"], "0", "the image has them: {labels}");
    for name in LABELS {
        let is_none =
            [LABEL_RECOVERABLE_UNTIL, LABEL_KEEPER, LABEL_KEEPER_GENERATION].contains(&name);
        assert_eq!(labels[name] == "", is_none, "{name}: {labels}");
        assert!(name.starts_with(LABEL_PREFIX));
    }
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

// The fixture starts it by its name, as the owner that dies.
#[tokio::test]
async fn an_owner_that_is_killed() {
    if let Some(orphan) = Orphan::asked() {
        let given = |name| std::env::var(name).unwrap();
        let config =
            fixture::config(&given(fixture::APPLICATION), given(fixture::RUN_DIR).as_ref());
        let driver = DockerDriver::open(config).await.unwrap();
        orphan.make(Arc::new(driver)).await.unwrap();
    }
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let image = forged(&driver).await;
    let spec = image.task(&["sleep", "forever"]).build().unwrap();
    fixture.orphan(spec, State::Running).await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap().len(), 1);
    let report = driver.reap(ReapOptions::new()).await.unwrap();
    assert_eq!((report.removed.len(), report.failed.len()), (1, 0), "{report:?}");
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}
