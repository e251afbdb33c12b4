//! How the policy for an empty pool is read: by hand, so that what is wrong is told as people write it.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::WhenEmpty;
use crate::units::duration;

impl<'de> Deserialize<'de> for WhenEmpty {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written)
    }
}

struct Written;

#[derive(Deserialize)]
struct Time(#[serde(with = "duration::text")] Duration);

impl<'de> Visitor<'de> for Written {
    type Value = WhenEmpty;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#""error", "fall_back" or { wait = "5s" }"#)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<WhenEmpty, E> {
        match word {
            "error" => Ok(WhenEmpty::Error),
            "fall_back" => Ok(WhenEmpty::FallBack),
            "wait" => Err(E::custom(r#""wait" needs a time: { wait = "5s" }"#)),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WhenEmpty, A::Error> {
        let wrong = || A::Error::invalid_value(Unexpected::Map, &self);
        if map.next_key::<String>()?.as_deref() != Some("wait") {
            return Err(wrong());
        }
        let Time(time) = map.next_value()?;
        match map.next_key::<IgnoredAny>()? {
            None => Ok(WhenEmpty::Wait(time)),
            Some(_) => Err(wrong()),
        }
    }
}
