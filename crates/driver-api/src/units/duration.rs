//! Durations as people write them (`"5s"`, `"1m 30s"`, `"500ms"`), for the fields of what is read from a
//! file. A plain number is refused, since nobody knows its unit.
//!
//! ```
//! use std::time::Duration;
//!
//! use longshore_driver_api::duration;
//!
//! #[derive(serde::Deserialize)]
//! struct Times {
//!     #[serde(with = "duration::text")]
//!     call: Duration,
//!     #[serde(default, with = "duration::optional")]
//!     pause: Option<Duration>,
//! }
//!
//! let times: Times = toml::from_str(r#"call = "1m 30s""#)?;
//! assert_eq!((times.call, times.pause), (Duration::from_secs(90), None));
//! let error = toml::from_str::<Times>("call = 5").err().expect("it has no unit");
//! assert_eq!(error.message(), r#"invalid type: integer `5`, expected a duration such as "5s""#);
//! # Ok::<(), toml::de::Error>(())
//! ```

/// For a field that is a duration: `#[serde(with = "duration::text")]`.
pub mod text {
    use std::fmt;
    use std::time::Duration;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    /// Writes a duration.
    ///
    /// # Errors
    ///
    /// What it is written to refuses a text.
    pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*time))
    }

    /// Reads a duration.
    ///
    /// # Errors
    ///
    /// What stands there is no text, or one that is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_str(Written)
    }

    struct Written;

    impl Visitor<'_> for Written {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(r#"a duration such as "5s""#)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
            humantime::parse_duration(text).map_err(|error| {
                E::custom(format_args!(r#"{text:?} is not a duration such as "5s": {error}"#))
            })
        }
    }
}

/// For a field that may be absent: `#[serde(default, with = "duration::optional")]`.
pub mod optional {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a duration, if there is one.
    ///
    /// # Errors
    ///
    /// What it is written to refuses a text.
    pub fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::text::serialize(time, to),
            None => to.serialize_none(),
        }
    }

    /// Reads a duration, or that there is none.
    ///
    /// # Errors
    ///
    /// What stands there is neither nothing nor a text that is a duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        #[derive(Deserialize)]
        struct Text(#[serde(with = "super::text")] Duration);

        Ok(Option::<Text>::deserialize(from)?.map(|Text(time)| time))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        #[serde(with = "super::text")]
        must: Duration,
        #[serde(default, with = "super::optional")]
        may: Option<Duration>,
    }

    fn read(text: &str) -> Result<Times, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_reads_back() {
        for may in [None, Some(Duration::ZERO), Some(Duration::from_millis(90_500))] {
            let times = Times { must: Duration::from_secs(3600), may };
            assert_eq!(read(&serde_json::to_string(&times).unwrap()), Ok(times));
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_what_is_expected() {
        for (text, told) in [
            (r#"{"must": 5}"#, r#"invalid type: integer `5`, expected a duration such as "5s""#),
            (r#"{"must": null}"#, r#"invalid type: null, expected a duration such as "5s""#),
            (r#"{"must": "soon"}"#, r#""soon" is not a duration such as "5s": "#),
            (r#"{"must": "5"}"#, r#""5" is not a duration such as "5s": "#),
            (
                r#"{"must": "1s", "may": 0.5}"#,
                r#"invalid type: floating point `0.5`, expected a duration such as "5s""#,
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }
}
