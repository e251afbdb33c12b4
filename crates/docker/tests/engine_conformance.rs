//! The contract, sentence by sentence, on a real engine.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

longshore_conformance::suite! {
    name: docker,
    fixture: fixture::Docker::new(),
    runtime: Real,
}

#[tokio::test]
async fn a_victim_leaves_what_it_has() {
    fixture::be_a_victim().await;
}
