//! The binary, without an engine.

mod bad_input;
mod completions;
mod decimate;
mod input;
mod look;
mod mock;
mod pool;
mod reference;
mod reports;
mod run;
mod scripted;
mod signals;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
