//! Runs tasks in containers on a Docker engine.

#![deny(missing_docs)]

mod capabilities;
mod client;
mod config;
mod container;
mod create;
mod driver;
mod error;
mod image;
mod options;
mod reap;
mod reaper;
mod retry;
mod running;
mod shared;

pub use config::{DockerConfig, Timeouts};
pub use driver::DockerDriver;
pub use options::EngineOptions;
