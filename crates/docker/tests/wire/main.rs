//! The driver on scripted engines: what goes over the wire, and what becomes of the answers.
//!
//! One program, since most of its tests wait. Those that change their process as a whole are programs of
//! their own: `wire_descriptors` (its limits), `wire_metrics` (its recorder), `wire_recover` (its name).

mod borrow;
mod cache;
mod close;
mod copy;
mod create;
mod driver;
mod ends;
mod errors;
mod events;
mod exec;
mod freeze;
mod input;
mod keeper;
mod load;
mod network;
mod not_started;
mod output;
mod platforms;
mod podman;
mod pull;
mod reap;
mod retry;
mod runtime;
mod signals;
mod stalls;
mod stats;
mod volumes;

#[path = "../support/stage.rs"]
mod stage;
#[path = "../support/stat.rs"]
mod stat;
#[path = "../support/mod.rs"]
#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
mod support;
#[path = "../support/until.rs"]
mod until;
