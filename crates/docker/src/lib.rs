//! Runs tasks in containers on a Docker engine.

#![deny(missing_docs)]

mod client;
