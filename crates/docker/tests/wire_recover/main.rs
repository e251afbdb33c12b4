//! Taking up tasks of dead owners, against a scripted engine.

mod clock;
mod log;
mod podman;
mod scene;
mod take;

#[path = "../support/stage.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod stage;
#[path = "../support/mod.rs"]
#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;
#[path = "../support/until.rs"]
mod until;
