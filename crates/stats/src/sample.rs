//! One moment's metrics.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Metrics, Timestamp};

/// The metrics of one task at one moment.
///
/// In JSON `{"timestamp": "2026-01-31T12:00:00.000Z", "metrics": {"cpu_total": 150}}`: milliseconds
/// are written and any precision is read; `metrics` may be missing or `null` (none), and names that
/// nobody knows survive.
///
/// ```
/// use longshore_stats::{Metric, Metrics, Sample, Timestamp};
///
/// let sample = Sample::new(Timestamp::UNIX_EPOCH, Metrics::new().with(Metric::CpuTotal, 150));
/// let json = serde_json::to_string(&sample)?;
/// assert_eq!(json, r#"{"timestamp":"1970-01-01T00:00:00.000Z","metrics":{"cpu_total":150}}"#);
/// assert_eq!(serde_json::from_str::<Sample>(&json)?, sample);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When the figures were read.
    pub timestamp: Timestamp,
    /// The figures.
    #[serde(default, deserialize_with = "null_is_none")]
    pub metrics: Metrics,
}

impl Sample {
    /// A sample of these parts.
    #[must_use]
    pub fn new(timestamp: Timestamp, metrics: Metrics) -> Self {
        Self { timestamp, metrics }
    }
}

fn null_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metrics, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    //! The JSON form.

    use super::*;
    use crate::Metric;

    #[test]
    fn unknown_names_survive_a_round_trip() {
        let json = r#"{"timestamp":"2016-08-11T00:04:30.000Z","metrics":{"cpu_total":1,"x":18446744073709551615}}"#;
        let sample: Sample = serde_json::from_str(json).unwrap();
        assert_eq!(sample.metrics.get(Metric::CpuTotal), Some(1));
        assert_eq!(serde_json::to_string(&sample).unwrap(), json);
    }

    #[test]
    fn missing_and_null_metrics_are_none() {
        for json in [
            r#"{"timestamp":"2016-08-11T00:04:30Z"}"#,
            r#"{"metrics":null,"timestamp":"2016-08-11T00:04:30Z"}"#,
        ] {
            assert!(serde_json::from_str::<Sample>(json).unwrap().metrics.is_empty());
        }
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        for json in [
            "{}",
            r#"{"metrics":{}}"#,
            r#"{"timestamp":1470873870}"#,
            r#"{"timestamp":"2016-08-11T00:04:30Z","metrics":{"x":-1}}"#,
            r#"{"timestamp":"2016-08-11T00:04:30Z","metrics":{"x":0.5}}"#,
            r#"{"timestamp":"2016-08-11T00:04:30Z","metrics":{"x":18446744073709551616}}"#,
            r#"{"timestamp":"2016-08-11T00:04:30Z","metrics":[]}"#,
        ] {
            assert!(serde_json::from_str::<Sample>(json).is_err(), "{json}");
        }
    }
}
