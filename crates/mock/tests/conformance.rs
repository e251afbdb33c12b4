//! The contract, checked against the mock: with everything that it can do, with what Docker and
//! Podman can prove, with as little as can be, on threads and real time, and with an engine that takes its
//! time before or after it does what it is asked, so that futures are dropped in between.

mod support;

use std::time::Duration;

use longshore_driver_api::Capabilities;
use longshore_mock::Rule;

use support::fixture::InMemory;

longshore_conformance::suite! {
    name: everything,
    fixture: InMemory::new(|_| {}),
    runtime: Paused,
}

longshore_conformance::suite! {
    name: as_docker_proves,
    fixture: InMemory::new(docker),
    runtime: Paused,
}

longshore_conformance::suite! {
    name: as_podman_proves,
    fixture: InMemory::new(podman),
    runtime: Paused,
}

longshore_conformance::suite! {
    name: as_little_as_can_be,
    fixture: InMemory::new(little),
    runtime: Paused,
}

longshore_conformance::suite! {
    name: on_threads,
    fixture: InMemory::new(|_| {}),
    runtime: Real,
}

longshore_conformance::suite! {
    name: slowly,
    fixture: InMemory::new(|_| {}).rule(Rule::any().delay(Duration::from_millis(3))),
    runtime: Paused,
}

longshore_conformance::suite! {
    name: with_late_replies,
    fixture: InMemory::new(|_| {})
        .rule(Rule::any().delay(Duration::from_millis(3)).lose_reply()),
    runtime: Paused,
}

fn docker(can: &mut Capabilities) {
    // It can, and the suite sees what one does that cannot.
    can.recover = false;
    can.output_end = false;
    can.proves_signal = false;
    can.proves_start = false;
    can.counts_oom = false;
}

fn podman(can: &mut Capabilities) {
    docker(can);
    can.proves_one = false;
    can.exec_proves_start = false;
    can.proves_oom = false;
}

fn little(can: &mut Capabilities) {
    let (engine, version) = (can.engine.clone(), can.engine_version.clone());
    *can = Capabilities::nothing(engine, version);
    can.created_state = true;
}
