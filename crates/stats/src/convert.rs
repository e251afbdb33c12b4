//! From an engine's or the kernel's figures to samples. Pure: nothing is read, no clock is asked.

mod cgroup;
mod cpu;
mod engine;

pub use cgroup::{CgroupFigures, Pressure};
pub use engine::{
    EngineBlockIo, EngineBlockIoEntry, EngineCpu, EngineCpuUsage, EngineMemory, EngineMemoryDetail,
    EngineNetwork, EnginePids, EngineStats, EngineThrottling,
};
