//! Container statistics: samples, series, decimation and the conversion of an engine's figures.

#![deny(missing_docs)]

mod metric;
mod metrics;
mod sample;
mod timestamp;

pub use metric::{Metric, Unit};
pub use metrics::Metrics;
pub use sample::Sample;
pub use timestamp::{ParseTimestampError, Timestamp};
