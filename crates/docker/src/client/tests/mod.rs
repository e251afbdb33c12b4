//! The client against a scripted engine: what goes over the wire, byte by byte.

mod attach;
mod calls;
mod connect;
mod pull;
mod streams;
#[cfg(feature = "tls")]
mod tls;

#[path = "../../../tests/support/mod.rs"]
#[expect(unreachable_pub, reason = "the module is shared with the integration tests")]
#[expect(dead_code, reason = "the integration tests use all of it")]
mod support;

use std::time::Duration;

use tokio_util::task::TaskTracker;

use self::support::ScriptedEngine;
use super::address::Address;
use super::connect::Connector;
use super::engine::{Bounds, Engine};
use super::transport::Transport;

/// Bounds that a test can wait for.
const BOUNDS: Bounds = Bounds {
    call: Duration::from_millis(900),
    work: Duration::from_millis(900),
    stream_idle: Duration::from_millis(300),
    pull_idle: Duration::from_millis(300),
    pull_total: Duration::from_secs(5),
};

fn engine_at(address: &str) -> Engine {
    engine_with(address, BOUNDS)
}

fn engine_with(address: &str, bounds: Bounds) -> Engine {
    let address = Address::parse(address, None).unwrap();
    let connector = Connector::new(address, Duration::from_secs(5)).unwrap();
    Engine::new(Transport::new(connector, TaskTracker::new()), bounds)
}

fn client_of(engine: &ScriptedEngine) -> Engine {
    engine_at(&engine.address())
}
