//! Sizes, CPU shares, durations and signals in the units that people write.

mod cpus;
pub mod duration;
mod signal;
mod size;

pub use cpus::Cpus;
pub use signal::Signal;
pub use size::ByteSize;

/// A text that is not a value of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{input:?} is not a {what}: expected {expected}")]
pub struct ParseUnitError {
    input: String,
    what: &'static str,
    expected: &'static str,
}

impl ParseUnitError {
    pub(crate) fn new(input: &str, what: &'static str, expected: &'static str) -> Self {
        let input = input.chars().take(64).collect();
        Self { input, what, expected }
    }
}

/// Serialises by `Display` and reads a text by `FromStr` or a plain whole number by `from_number`.
macro_rules! serde_by_text {
    ($type:ty, $expecting:literal, $from_number:expr) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<$type, E> {
                        let from_number: fn(u64) -> Option<$type> = $from_number;
                        from_number(number).ok_or_else(|| {
                            E::invalid_value(serde::de::Unexpected::Unsigned(number), &self)
                        })
                    }

                    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }

                    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<$type, E> {
                        let unsigned = u64::try_from(number).map_err(|_| {
                            E::invalid_value(serde::de::Unexpected::Signed(number), &self)
                        })?;
                        self.visit_u64(unsigned)
                    }
                }

                deserializer.deserialize_any(Visitor)
            }
        }
    };
}
pub(crate) use serde_by_text;
