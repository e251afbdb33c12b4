//! A container driver in memory: scriptable, deterministic, on tokio's time.

#![deny(missing_docs)]

mod config;
mod container;
mod driver;
mod ended;
mod engine;
mod freezer;
mod image;
mod log;
mod op;
mod pipe;
mod process;
mod program;
mod refuse;
mod rule;
mod running;
mod sandbox;
mod steps;

pub use config::Config;
pub use container::EngineOptions;
pub use driver::MockDriver;
pub use ended::Ended;
pub use engine::{ContainerInfo, Containers, Counts, Engine, OwnerState};
pub use image::Image;
pub use log::{Call, CallLog, CallResult};
pub use op::{Calling, Op};
pub use process::{Child, Input, Memory, Output, Process, Trap};
pub use program::Program;
pub use rule::Rule;
pub use steps::Steps;
