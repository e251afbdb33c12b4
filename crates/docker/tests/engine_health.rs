//! The health check of an image on a real engine: a start waits for it, and its words are in the error.

#[path = "engine/committed.rs"]
mod committed;
mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use std::time::Duration;

use committed::Committed;
use longshore_conformance::Fixture as _;
use longshore_docker::DockerDriver;
use longshore_driver_api::{
    Container, Driver as _, DriverExt as _, ErrorKind, HealthCheck, TaskSpec, TaskSpecBuilder,
};

/// The testee's image with a check that asks the task.
async fn checking(driver: &DockerDriver, interval: &str) -> Committed {
    let check = r#"CMD ["/testee", "ask", "127.0.0.1", "7000", "well?"]"#;
    let line = format!("HEALTHCHECK --interval={interval} --retries=2 {check}");
    Committed::new(driver, "checking", &[line]).await
}

/// It does well.
const LISTENS: &[&str] = &["listen-tcp", "7000", "--times", "1000"];
/// It does not.
const SLEEPS: &[&str] = &["sleep", "forever"];

fn waiting(image: &Committed, args: &[&str]) -> TaskSpecBuilder {
    image.task(args).edit(|spec| spec.health.wait = Some(Duration::from_secs(60)))
}

/// What the engine says of a container's health.
fn health(container: &dyn Container) -> serde_json::Value {
    let id = container.engine_id().expect("it is created");
    let (status, about) = engine::call("GET", &format!("/containers/{id}/json")).unwrap();
    assert_eq!(status, 200, "{about}");
    about["State"]["Health"]["Status"].clone()
}

/// A driver, where the engine runs health checks; elsewhere they have to be refused.
async fn driver(fixture: &fixture::Docker) -> Option<DockerDriver> {
    let config = fixture.config();
    let driver = DockerDriver::open(config).await.unwrap();
    if driver.capabilities().health {
        return Some(driver);
    }
    let spec = TaskSpec::builder(engine::image());
    let spec = spec.edit(|spec| spec.health.wait = Some(Duration::from_secs(1)));
    let error = driver.run_task(spec.build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    driver.close().await.unwrap();
    None
}

#[tokio::test]
async fn a_start_waits_for_the_check_of_the_image() {
    let fixture = fixture::Docker::new();
    let Some(driver) = driver(&fixture).await else { return };
    let often = checking(&driver, "300ms").await;
    let rarely = checking(&driver, "1h").await;
    // What the task says of the check goes before what the image says.
    let hurried = waiting(&rarely, LISTENS)
        .edit(|spec| spec.health.interval = Some(Duration::from_millis(300)));
    for spec in [waiting(&often, LISTENS), hurried] {
        let container = driver.prepare(spec.build().unwrap()).await.unwrap();
        let _running = container.start().await.unwrap();
        assert_eq!(health(&*container), "healthy");
        container.close().await.unwrap();
    }
    // Whoever wants none has none.
    let off = often.task(SLEEPS).edit(|spec| spec.health.check = HealthCheck::Off);
    let container = driver.prepare(off.build().unwrap()).await.unwrap();
    let _running = container.start().await.unwrap();
    let none = health(&*container);
    assert!(none.is_null() || none == "none", "{none}");
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_the_check_wrote_is_in_the_error() {
    let fixture = fixture::Docker::new();
    let Some(driver) = driver(&fixture).await else { return };
    let image = checking(&driver, "300ms").await;
    let container = driver.prepare(waiting(&image, SLEEPS).build().unwrap()).await.unwrap();
    let error = container.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unhealthy, "{error}");
    let text = error.to_string();
    let reason =
        r#"ended with 74 and wrote "longshore-testee: connect to 127.0.0.1: Connection ref"#;
    assert!(text.contains(reason), "{text}");
    assert_eq!(health(&*container), "unhealthy");
    container.close().await.unwrap();

    // The engine's words, where there was nothing to run.
    let spec = waiting(&image, SLEEPS).edit(|spec| {
        spec.health.check = HealthCheck::Run(vec!["/no-such-program".to_owned()]);
    });
    let error = driver.run_task(spec.build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unhealthy, "{error}");
    assert!(error.to_string().contains("no-such-program"), "{error}");
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}
