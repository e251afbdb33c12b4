//! Samples in a row, with the forms in which they are stored.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Sample, decimate};

/// The samples of one task.
///
/// Two forms:
/// - serde: a JSON array of samples. Reading takes `null` for no sample.
/// - text ([`Display`](fmt::Display), [`FromStr`]), for a database's column: the empty string for
///   no sample, else that JSON. Reading also takes `null`, `[]` and space around the array. Fn's
///   driver stores the same, with a line feed at the end.
///
/// It derefs to a slice of samples.
///
/// ```
/// use longshore_stats::Series;
///
/// let stored = r#"[{"timestamp":"2026-01-31T12:00:00.000Z","metrics":{"pids":3}}]"#;
/// let series: Series = stored.parse()?;
/// assert_eq!(series.len(), 1);
/// assert_eq!(series.to_string(), stored);
/// assert_eq!(Series::new().to_string(), "");
/// # Ok::<(), longshore_stats::ParseSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Series(Vec<Sample>);

/// A stored text is no series.
#[derive(Debug, thiserror::Error)]
#[error("stored stats are not a JSON array of samples: {source}; clear the value or restore it")]
pub struct ParseSeriesError {
    source: serde_json::Error,
}

impl Series {
    /// No samples.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts one more sample at the end.
    pub fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// The samples as a slice, without those forms.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.0
    }

    /// The samples.
    #[must_use]
    pub fn into_samples(self) -> Vec<Sample> {
        self.0
    }

    /// At most `max` points that stand for these samples: see [`decimate`].
    #[must_use]
    pub fn decimate(&self, max: usize) -> Self {
        Self(decimate(max, &self.0))
    }
}

impl Deref for Series {
    type Target = [Sample];

    fn deref(&self) -> &[Sample] {
        &self.0
    }
}

impl DerefMut for Series {
    fn deref_mut(&mut self) -> &mut [Sample] {
        &mut self.0
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Series {
    type Err = ParseSeriesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self::new());
        }
        serde_json::from_str(text).map_err(|source| ParseSeriesError { source })
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(deserializer)?.unwrap_or_default()))
    }
}

impl From<Vec<Sample>> for Series {
    fn from(samples: Vec<Sample>) -> Self {
        Self(samples)
    }
}

impl FromIterator<Sample> for Series {
    fn from_iter<I: IntoIterator<Item = Sample>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

impl Extend<Sample> for Series {
    fn extend<I: IntoIterator<Item = Sample>>(&mut self, samples: I) {
        self.0.extend(samples);
    }
}

impl IntoIterator for Series {
    type Item = Sample;
    type IntoIter = std::vec::IntoIter<Sample>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Series {
    type Item = &'a Sample;
    type IntoIter = std::slice::Iter<'a, Sample>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    //! The two forms, and what is refused.

    use super::*;

    const ONE: &str = r#"[{"timestamp":"2016-08-11T00:04:30.000Z","metrics":{"x":1}}]"#;

    #[test]
    fn the_empty_series_is_the_empty_text_and_the_empty_array() {
        assert_eq!(Series::new().to_string(), "");
        assert_eq!(serde_json::to_string(&Series::new()).unwrap(), "[]");
        for text in ["", "null", "[]", " [ ]\n"] {
            assert_eq!(text.parse::<Series>().unwrap(), Series::new(), "{text:?}");
        }
    }

    #[test]
    fn what_fns_driver_stored_is_read() {
        let stored = format!("{ONE}\n");
        assert_eq!(stored.parse::<Series>().unwrap().to_string(), ONE);
    }

    #[test]
    fn an_unreadable_text_names_the_place_and_the_remedy() {
        for text in [" ", "{}", "[1]", "[{}]", ONE.split_at(30).0] {
            let error = text.parse::<Series>().unwrap_err().to_string();
            assert!(error.contains("line 1") && error.contains("restore"), "{error}");
        }
    }
}
