//! The metrics of one sample: a fixed array for the known ones, a map for the rest.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::Metric;

/// Named numbers: each of [`Metric`] at most once, and any number of others under names of their
/// own.
///
/// A metric that is absent differs from one that is zero. The known metrics need no allocation. In
/// JSON: an object of name to whole number, in the order of the names.
///
/// ```
/// use longshore_stats::{Metric, Metrics};
///
/// let metrics = Metrics::new().with(Metric::CpuTotal, 150).with_named("gpu_total", 7);
/// assert_eq!(metrics.get(Metric::CpuTotal), Some(150));
/// assert_eq!(metrics.get(Metric::Pids), None);
/// assert_eq!(metrics.get_named("gpu_total"), Some(7));
/// ```
// In this order a sample's timestamp, mask and first metrics share two cache lines: decimation
// reads nothing else.
#[derive(Clone, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Metrics {
    present: u32,
    custom: Option<Box<Custom>>,
    /// The slot of an absent metric is zero, so that equality is by content.
    values: [u64; Metric::COUNT],
}

/// Metrics that [`Metric`] does not know. Never empty where it is boxed, so that equality is by
/// content.
pub(crate) type Custom = BTreeMap<Box<str>, u64>;

impl Metrics {
    /// No metric at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `metric`, if present.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<u64> {
        (self.present & metric.bit() != 0).then(|| self.values[metric.index()])
    }

    /// Puts `value` in place of what `metric` was.
    pub fn set(&mut self, metric: Metric, value: u64) {
        self.present |= metric.bit();
        self.values[metric.index()] = value;
    }

    /// As [`set`](Self::set) where there is a value; else nothing happens.
    pub fn set_some(&mut self, metric: Metric, value: Option<u64>) {
        if let Some(value) = value {
            self.set(metric, value);
        }
    }

    /// As [`set`](Self::set), for building.
    #[must_use]
    pub fn with(mut self, metric: Metric, value: u64) -> Self {
        self.set(metric, value);
        self
    }

    /// Makes `metric` absent and returns what it was.
    pub fn remove(&mut self, metric: Metric) -> Option<u64> {
        let old = self.get(metric);
        self.present &= !metric.bit();
        self.values[metric.index()] = 0;
        old
    }

    /// The value under this name, be it a known metric's or another.
    #[must_use]
    pub fn get_named(&self, name: &str) -> Option<u64> {
        match Metric::from_name(name) {
            Some(metric) => self.get(metric),
            None => self.custom.as_ref()?.get(name).copied(),
        }
    }

    /// Puts `value` under `name`. A known metric's name is that metric; any other allocates.
    pub fn set_named(&mut self, name: &str, value: u64) {
        match Metric::from_name(name) {
            Some(metric) => self.set(metric, value),
            None => {
                self.custom.get_or_insert_default().insert(name.into(), value);
            }
        }
    }

    /// As [`set_named`](Self::set_named), for building.
    #[must_use]
    pub fn with_named(mut self, name: &str, value: u64) -> Self {
        self.set_named(name, value);
        self
    }

    /// How many metrics are present.
    #[must_use]
    pub fn len(&self) -> usize {
        self.present.count_ones() as usize + self.custom.as_ref().map_or(0, |custom| custom.len())
    }

    /// Whether no metric is present.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.present == 0 && self.custom.is_none()
    }

    /// Every present metric with its name, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut known = Metric::BY_NAME
            .iter()
            .filter_map(|&metric| Some((metric.name(), self.get(metric)?)))
            .peekable();
        let mut custom = self
            .custom
            .iter()
            .flat_map(|custom| custom.iter())
            .map(|(name, &value)| (&**name, value))
            .peekable();
        std::iter::from_fn(move || match (known.peek(), custom.peek()) {
            (Some((left, _)), Some((right, _))) if right < left => custom.next(),
            (None, _) => custom.next(),
            _ => known.next(),
        })
    }

    /// Makes these metrics present, for the caller to fill in their slots; the others must stay
    /// zero.
    pub(crate) fn fill(&mut self, present: u32) -> &mut [u64; Metric::COUNT] {
        self.present = present;
        &mut self.values
    }

    pub(crate) fn values(&self) -> &[u64; Metric::COUNT] {
        &self.values
    }

    pub(crate) fn present(&self) -> u32 {
        self.present
    }

    pub(crate) fn custom(&self) -> Option<&Custom> {
        self.custom.as_deref()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> FromIterator<(&'a str, u64)> for Metrics {
    fn from_iter<I: IntoIterator<Item = (&'a str, u64)>>(named: I) -> Self {
        let mut metrics = Self::new();
        for (name, value) in named {
            metrics.set_named(name, value);
        }
        metrics
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Metrics;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of metric names and whole numbers from 0 to 2^64-1")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metrics, A::Error> {
                let mut metrics = Metrics::new();
                while let Some((name, value)) =
                    map.next_entry::<std::borrow::Cow<'de, str>, u64>()?
                {
                    metrics.set_named(&name, value);
                }
                Ok(metrics)
            }
        }

        deserializer.deserialize_map(Names)
    }
}

#[cfg(test)]
mod tests {
    //! Presence, names and equality.

    use super::*;

    #[test]
    fn absent_is_not_zero() {
        let mut metrics = Metrics::new();
        assert!(metrics.is_empty());
        metrics.set(Metric::NetRx, 0);
        assert_eq!(
            (metrics.len(), metrics.get(Metric::NetRx), metrics.get(Metric::NetTx)),
            (1, Some(0), None)
        );
        assert_ne!(metrics, Metrics::new());
        assert_eq!(metrics.remove(Metric::NetRx), Some(0));
        assert_eq!(metrics, Metrics::new());
    }

    #[test]
    fn a_removed_metric_leaves_no_value_behind() {
        let mut metrics = Metrics::new().with(Metric::Pids, 5);
        metrics.remove(Metric::Pids);
        assert_eq!(metrics.values().iter().sum::<u64>(), 0);
    }

    #[test]
    fn a_known_name_is_the_known_metric() {
        let metrics = Metrics::new().with_named("pids", 3).with_named("fans", 4);
        assert_eq!(metrics.get(Metric::Pids), Some(3));
        assert_eq!(metrics.get_named("pids"), Some(3));
        assert_eq!(metrics.custom().unwrap().len(), 1);
    }

    #[test]
    fn iteration_is_in_the_order_of_the_names() {
        let metrics: Metrics = [
            ("zeta", 1),
            ("pids", 2),
            ("alpha", 3),
            ("cpu_total", 4),
            ("net_rx", 5),
            ("middle", 6),
        ]
        .into_iter()
        .collect();
        let names: Vec<_> = metrics.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["alpha", "cpu_total", "middle", "net_rx", "pids", "zeta"]);
        assert_eq!(metrics.len(), 6);
    }
}
