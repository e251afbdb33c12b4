//! The metrics of one sample: slots for the known ones, a map for the rest.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::Metric;

/// Named numbers: each of [`Metric`] at most once, and any number of others under names of their
/// own.
///
/// A metric that is absent differs from one that is zero. Those of Fn's driver and
/// [`Pids`](Metric::Pids) need no allocation; the other known ones share one. In JSON: an object of
/// name to whole number, in the order of the names.
///
/// ```
/// use longshore_stats::{Metric, Metrics};
///
/// let metrics = Metrics::new().with(Metric::CpuTotal, 150).with_named("gpu_total", 7);
/// assert_eq!(metrics.get(Metric::CpuTotal), Some(150));
/// assert_eq!(metrics.get(Metric::Pids), None);
/// assert_eq!(metrics.get_named("gpu_total"), Some(7));
/// ```
// Small, because decimation is bound by memory: a sample with Fn's metrics has 112 bytes, with slots
// for all it would have 224.
#[derive(Clone, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Metrics {
    present: u32,
    more: Option<Box<More>>,
    /// Of the first metrics. The slot of an absent metric is zero, so that equality is by content.
    values: [u64; Metrics::INLINE],
}

/// What most samples do not have. Never boxed without content, so that equality is by content.
#[derive(Clone, PartialEq, Eq, Default)]
struct More {
    /// Of the metrics that follow the inline ones. The slot of an absent metric is zero.
    values: [u64; Metrics::BOXED],
    custom: Custom,
}

/// Metrics that [`Metric`] does not know.
pub(crate) type Custom = BTreeMap<Box<str>, u64>;

impl Metrics {
    /// How many metrics have a slot that is not boxed: the nine of Fn's driver, and [`Metric::Pids`]
    /// where there would be padding.
    pub(crate) const INLINE: usize = Metric::Pids.index() + 1;
    /// How many have one that is.
    pub(crate) const BOXED: usize = Metric::COUNT - Self::INLINE;

    /// No metric at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `metric`, if present.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<u64> {
        (self.present & metric.bit() != 0).then(|| self.value(metric.index()))
    }

    /// Puts `value` in place of what `metric` was.
    pub fn set(&mut self, metric: Metric, value: u64) {
        self.present |= metric.bit();
        match metric.index().checked_sub(Self::INLINE) {
            None => self.values[metric.index()] = value,
            Some(slot) => self.more.get_or_insert_default().values[slot] = value,
        }
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
        let old = self.get(metric)?;
        self.set(metric, 0);
        self.present &= !metric.bit();
        if self.present >> Self::INLINE == 0 && self.custom().is_none() {
            self.more = None;
        }
        Some(old)
    }

    /// The value under this name, be it a known metric's or another.
    #[must_use]
    pub fn get_named(&self, name: &str) -> Option<u64> {
        match Metric::from_name(name) {
            Some(metric) => self.get(metric),
            None => self.custom()?.get(name).copied(),
        }
    }

    /// Puts `value` under `name`. A known metric's name is that metric; each other allocates.
    pub fn set_named(&mut self, name: &str, value: u64) {
        match Metric::from_name(name) {
            Some(metric) => self.set(metric, value),
            None => {
                self.more.get_or_insert_default().custom.insert(name.into(), value);
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
        self.present.count_ones() as usize + self.custom().map_or(0, Custom::len)
    }

    /// Whether no metric is present.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.present == 0 && self.more.is_none()
    }

    /// Every present metric with its name, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut known = Metric::BY_NAME
            .iter()
            .filter_map(|&metric| Some((metric.name(), self.get(metric)?)))
            .peekable();
        let mut custom =
            self.custom().into_iter().flatten().map(|(name, &value)| (&**name, value)).peekable();
        std::iter::from_fn(move || match (known.peek(), custom.peek()) {
            (Some((left, _)), Some((right, _))) if right < left => custom.next(),
            (None, _) => custom.next(),
            _ => known.next(),
        })
    }

    /// The metrics of the mask `present`, with the values of all slots; those of absent metrics
    /// must be zero. `boxed` is needed only where one of the metrics is among them.
    #[inline]
    pub(crate) fn of_slots(
        present: u32,
        inline: [u64; Self::INLINE],
        boxed: Option<[u64; Self::BOXED]>,
    ) -> Self {
        let more = boxed.map(|values| Box::new(More { values, custom: Custom::new() }));
        Self { present, more, values: inline }
    }

    /// The mask of the metrics that are present.
    pub(crate) fn present(&self) -> u32 {
        self.present
    }

    /// Whether exactly the metrics of this mask are present.
    #[inline]
    pub(crate) fn has_only(&self, mask: u32) -> bool {
        self.present == mask && self.custom().is_none()
    }

    /// What is in a metric's slot; zero if it is absent.
    pub(crate) fn value(&self, slot: usize) -> u64 {
        match slot.checked_sub(Self::INLINE) {
            None => self.values[slot],
            Some(slot) => self.more.as_ref().map_or(0, |more| more.values[slot]),
        }
    }

    /// The first slots.
    pub(crate) fn inline(&self) -> &[u64; Self::INLINE] {
        &self.values
    }

    /// The other slots, where there is more than the inline ones hold.
    pub(crate) fn boxed(&self) -> Option<&[u64; Self::BOXED]> {
        self.more.as_ref().map(|more| &more.values)
    }

    /// The metrics that have no slot, if there is one.
    pub(crate) fn custom(&self) -> Option<&Custom> {
        self.more.as_ref().map(|more| &more.custom).filter(|custom| !custom.is_empty())
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
    fn a_removed_metric_leaves_nothing_behind() {
        for metric in Metric::ALL {
            let mut metrics = Metrics::new().with(*metric, 5);
            assert_eq!(metrics.remove(*metric), Some(5));
            assert_eq!((metrics.remove(*metric), metrics.len()), (None, 0), "{metric}");
            assert_eq!(metrics, Metrics::new(), "{metric}");
            assert!(metrics.is_empty() && metrics.more.is_none(), "{metric}");
        }
    }

    #[test]
    fn the_nine_metrics_of_fn_need_no_allocation() {
        let (few, rest) = Metric::ALL.split_at(9);
        let mut metrics: Metrics = few.iter().map(|metric| (metric.name(), 1)).collect();
        assert!(metrics.more.is_none());
        assert!(size_of::<crate::Sample>() <= 112);
        metrics.set(rest[1], 1);
        assert!(metrics.more.is_some());
    }

    #[test]
    fn what_shares_a_box_outlives_its_neighbours() {
        let boxed = [Metric::CpuTime, Metric::PsiIoFull];
        let mut metrics = Metrics::new().with(boxed[0], 1).with(boxed[1], 2).with_named("x", 3);
        assert_eq!(metrics.remove(boxed[0]), Some(1));
        assert_eq!((metrics.get(boxed[0]), metrics.get(boxed[1])), (None, Some(2)));
        assert_eq!(metrics.remove(boxed[1]), Some(2));
        assert_eq!(metrics, Metrics::new().with_named("x", 3));
    }

    #[test]
    fn every_metric_has_a_slot_of_its_own() {
        let mut metrics = Metrics::new();
        for (value, metric) in Metric::ALL.iter().enumerate() {
            metrics.set(*metric, value as u64);
        }
        for (value, metric) in Metric::ALL.iter().enumerate() {
            assert_eq!(metrics.get(*metric), Some(value as u64), "{metric}");
        }
        assert_eq!(metrics.len(), Metric::COUNT);
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
