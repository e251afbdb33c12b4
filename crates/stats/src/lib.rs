//! Statistics of containers: samples, series, decimation, and the conversion of what engines and
//! kernels tell.
//!
//! ```
//! use longshore_stats::{Decimator, EngineStats, Metric, Series};
//!
//! // Two entries of an engine's statistics, a second apart.
//! let entries = [
//!     r#"{"read": "2026-01-31T12:00:00Z", "memory_stats": {"usage": 1000},
//!         "cpu_stats": {"cpu_usage": {"total_usage": 0}, "system_cpu_usage": 100000000000, "online_cpus": 2}}"#,
//!     r#"{"read": "2026-01-31T12:00:01Z", "memory_stats": {"usage": 1001},
//!         "cpu_stats": {"cpu_usage": {"total_usage": 1500000000}, "system_cpu_usage": 102000000000, "online_cpus": 2}}"#,
//! ];
//! let mut before = None;
//! let mut decimator = Decimator::new(240);
//! for json in entries {
//!     let now: EngineStats = serde_json::from_str(json)?;
//!     decimator.extend(EngineStats::sample(before.as_ref(), &now));
//!     before = Some(now);
//! }
//! let series = decimator.series();
//! assert_eq!(series[0].metrics.get(Metric::CpuTotal), None);
//! assert_eq!(series[1].metrics.get(Metric::CpuTotal), Some(150));
//!
//! let stored = series.to_string();
//! assert_eq!(stored.parse::<Series>()?, series);
//! assert_eq!(series.decimate(1)[0].metrics.get(Metric::MemUsage), Some(1000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//!
//! - A [`Sample`] is a [`Timestamp`] and [`Metrics`]: whole numbers under names. [`Metric`] lists
//!   the names known here with their units; the first nine are those of Fn's driver. Any other name
//!   is kept too. Absent is not zero: a figure that an engine does not give has no metric.
//! - CPU percentages are of one CPU, over the time since the sample before. The first sample has
//!   none. Counters that go back were reset and give 0.
//! - [`decimate`] and [`Decimator`] put the exact mean of a window's samples in the samples' place.
//!   The windows are those of Fn's driver. Any input has a result: out of order, equal or far
//!   moments, any `max`.
//! - A [`Series`] is stored as text: JSON, or the empty string for no sample.
//!
//! Nothing here reads a file or a clock.
//!
//! # Features
//!
//! - `sqlx`: `Type`, `Encode` and `Decode` of a [`Series`] for every database of sqlx 0.9 that
//!   stores text. Brings no driver.
//! - `rusqlite`: `ToSql` and `FromSql` of a [`Series`] for rusqlite 0.39. It links libsqlite3 as
//!   your build of rusqlite says.

#![deny(missing_docs)]

mod columns;
mod convert;
mod decimate;
mod decimator;
mod divide;
mod mean;
mod metric;
mod metrics;
mod sample;
mod series;
#[cfg(any(feature = "rusqlite", feature = "sqlx"))]
mod sql;
mod sums;
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
