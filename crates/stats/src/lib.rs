//! Container statistics: samples, series, decimation and the conversion of an engine's figures.

#![deny(missing_docs)]

mod convert;
mod decimate;
mod decimator;
mod mean;
mod metric;
mod metrics;
mod sample;
mod series;
#[cfg(any(feature = "rusqlite", feature = "sqlx"))]
mod sql;
mod timestamp;
mod window;

pub use convert::{
    CgroupFigures, EngineBlockIo, EngineBlockIoEntry, EngineCpu, EngineCpuUsage, EngineMemory,
    EngineMemoryDetail, EngineNetwork, EnginePids, EngineStats, EngineThrottling, Pressure,
};
pub use decimate::decimate;
pub use decimator::Decimator;
pub use metric::{Metric, Unit};
pub use metrics::Metrics;
pub use sample::Sample;
pub use series::{ParseSeriesError, Series};
pub use timestamp::{ParseTimestampError, Timestamp};
