//! The contract, sentence by sentence, on a real engine.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use std::sync::Arc;

use longshore_conformance::Orphan;
use longshore_docker::DockerDriver;

longshore_conformance::suite! {
    name: docker,
    fixture: fixture::Docker::new(),
    runtime: Real,
}

// The fixture starts it by its name with "--ignored", as the owner that dies.
#[tokio::test]
#[ignore = "runs in a process of its own, which is killed"]
async fn an_owner_that_is_killed() {
    let orphan = Orphan::asked().expect("the process was started to be killed");
    let given = |name| std::env::var(name).expect("it is given with the orphan");
    let config = fixture::config(&given(fixture::APPLICATION), given(fixture::RUN_DIR).as_ref());
    let driver = DockerDriver::open(config).await.expect("the engine answers");
    orphan.make(Arc::new(driver)).await.expect("the container is made");
}
