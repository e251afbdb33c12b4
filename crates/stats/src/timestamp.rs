//! A moment, in nanoseconds since the Unix epoch, and its text form.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

const NANOS_PER_MILLI: i128 = 1_000_000;

/// A moment, exact to the nanosecond, between the years 0 and 9999.
///
/// Its text form ([`Display`](fmt::Display), serde) is RFC 3339 in UTC with exactly three decimals;
/// what is finer than a millisecond is cut off there. Reading accepts any offset and any number of
/// decimals, and keeps nine.
///
/// ```
/// use longshore_stats::Timestamp;
///
/// let moment: Timestamp = "2026-01-31T13:00:00.123456789+01:00".parse()?;
/// assert_eq!(moment.unix_nanos(), 1_769_860_800_123_456_789);
/// assert_eq!(moment.to_string(), "2026-01-31T12:00:00.123Z");
/// # Ok::<(), longshore_stats::ParseTimestampError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i128);

/// The text of a [`Timestamp`] could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("timestamp {text:?} {reason}; write it like 2026-01-31T12:00:00.000Z")]
pub struct ParseTimestampError {
    text: String,
    reason: String,
}

impl Timestamp {
    /// The first moment of the year 0.
    pub const MIN: Self = Self(-62_167_219_200_000_000_000);
    /// The last moment that can be held: 9999-12-30T22:00:00.999999999Z.
    pub const MAX: Self = Self(253_402_207_200_999_999_999);
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);

    /// The moment this many nanoseconds after (before, if negative) the Unix epoch. Every `i64` is
    /// in range.
    #[must_use]
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        // A lossless widening: `From` is not const.
        Self(nanos as i128)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_nanos(self) -> i128 {
        self.0
    }

    /// The same moment as the standard library's type, or `None` where the platform's clock cannot
    /// express it.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = self.0.unsigned_abs();
        let seconds = u64::try_from(distance / 1_000_000_000).ok()?;
        let nanos = u32::try_from(distance % 1_000_000_000).ok()?;
        let distance = Duration::new(seconds, nanos);
        if self.0 < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }

    /// Nanoseconds that are known to be in range, because they lie between two moments that are.
    pub(crate) const fn between(nanos: i128) -> Self {
        debug_assert!(nanos >= Self::MIN.0 && nanos <= Self::MAX.0);
        Self(nanos)
    }
}

impl From<SystemTime> for Timestamp {
    /// A moment outside of [`MIN`](Self::MIN)..=[`MAX`](Self::MAX) becomes the nearer of the two.
    fn from(time: SystemTime) -> Self {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => {
                i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |nanos| -nanos)
            }
        };
        Self(nanos.clamp(Self::MIN.0, Self::MAX.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.div_euclid(NANOS_PER_MILLI) * NANOS_PER_MILLI;
        write!(f, "{:.3}", civil(whole))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.9}", civil(self.0))
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason: &str| ParseTimestampError {
            text: text.chars().take(64).collect(),
            reason: reason.to_owned(),
        };
        let text = nine_decimals(text);
        let moment: jiff::Timestamp = text.parse().map_err(|_| {
            // The library's moments end 26 hours before the year 10000 begins.
            match jiff::fmt::temporal::Pieces::parse(&*text) {
                Ok(it)
                    if it.offset().is_some() && it.time().is_some() && it.date().year() > 9000 =>
                {
                    error("lies after the last moment that can be told, 9999-12-30T22:00:00.999Z")
                }
                _ => error("is not an RFC 3339 date and time with an offset"),
            }
        })?;
        let nanos = moment.as_nanosecond();
        if nanos < Self::MIN.0 {
            return Err(error("lies before the year 0"));
        }
        Ok(Self(nanos))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 date and time")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

fn civil(nanos: i128) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(nanos)
        .expect("a timestamp is always within the years that the calendar knows")
}

/// Cuts what follows the ninth decimal: the calendar library refuses it, RFC 3339 allows it.
fn nine_decimals(text: &str) -> std::borrow::Cow<'_, str> {
    let Some(point) = text.find('.') else {
        return text.into();
    };
    let fraction = &text[point + 1..];
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if digits <= 9 {
        return text.into();
    }
    format!("{}{}", &text[..point + 10], &fraction[digits..]).into()
}

#[cfg(test)]
mod tests {
    //! Reading, writing and the ends of the range.

    use super::*;

    fn parse(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn exactly_three_decimals_are_written() {
        assert_eq!(parse("2016-08-11T00:04:30Z").to_string(), "2016-08-11T00:04:30.000Z");
        assert_eq!(parse("2016-08-11T00:04:30.5Z").to_string(), "2016-08-11T00:04:30.500Z");
        assert_eq!(parse("2016-08-11T00:04:30.123999999Z").to_string(), "2016-08-11T00:04:30.123Z");
        assert_eq!(parse("1969-12-31T23:59:59.9999Z").to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn any_precision_and_any_offset_is_read() {
        assert_eq!(
            parse("2016-08-11T02:04:30.000000001+02:00").unix_nanos(),
            1_470_873_870_000_000_001
        );
        assert_eq!(
            parse("2016-08-11T00:04:30.1234567890123456789Z").unix_nanos(),
            1_470_873_870_123_456_789
        );
        assert_eq!(parse("2016-08-10T19:04:30-05:00"), parse("2016-08-11T00:04:30Z"));
    }

    #[test]
    fn the_ends_of_the_range_survive_text() {
        assert_eq!(parse("0000-01-01T00:00:00Z"), Timestamp::MIN);
        assert_eq!(parse("9999-12-30T22:00:00.999999999Z"), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00.999Z");
        assert_eq!(Timestamp::from_unix_nanos(i64::MIN).to_string(), "1677-09-21T00:12:43.145Z");
        assert_eq!(format!("{:?}", Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn what_is_no_moment_is_refused_with_the_text_and_the_remedy() {
        for text in [
            "",
            "now",
            "2016-08-11",
            "2016-08-11T00:04:30",
            "2016-13-11T00:04:30Z",
            "-0001-01-01T00:00:00Z",
        ] {
            let error = text.parse::<Timestamp>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("{text:?}")) && error.contains("write it like"),
                "{error}"
            );
        }
        let late = "9999-12-31T23:59:59Z".parse::<Timestamp>().unwrap_err().to_string();
        assert!(late.contains("9999-12-30T22:00:00.999Z"), "{late}");
        assert!("x".repeat(5000).parse::<Timestamp>().unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn system_time_goes_there_and_back() {
        for nanos in [0, 1, -1, i64::MAX, i64::MIN] {
            let moment = Timestamp::from_unix_nanos(nanos);
            assert_eq!(Timestamp::from(moment.to_system_time().unwrap()), moment);
        }
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(Timestamp::from(far), Timestamp::MAX);
    }
}
