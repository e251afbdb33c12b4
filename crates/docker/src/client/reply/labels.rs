//! The labels of a thing: those that are ours. The values of all others are passed over, whatever
//! their length.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use longshore_driver_api::LABELS;
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};

/// Reads those that are ours; none from nothing.
pub(super) fn our_labels<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<HashMap<String, String>, D::Error> {
    from.deserialize_any(Ours)
}

struct Ours;

impl<'de> Visitor<'de> for Ours {
    type Value = HashMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(HashMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut labels = HashMap::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if LABELS.contains(&name.as_ref()) {
                let value: Option<String> = map.next_value()?;
                labels.insert(name.into_owned(), value.unwrap_or_default());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Thing {
        #[serde(default, deserialize_with = "our_labels")]
        labels: HashMap<String, String>,
    }

    #[test]
    fn only_ours_are_kept_and_none_is_no_failure() {
        let read = |text: &str| serde_json::from_str::<Thing>(text).unwrap().labels;
        let some = r#"{"labels":{"a":"x","longshore.owner":"o","b":null,"longshore.task":null}}"#;
        let expected = [("longshore.owner", "o"), ("longshore.task", "")];
        assert_eq!(read(some), expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        assert!(read(r#"{"labels":null}"#).is_empty() && read("{}").is_empty());
        assert!(serde_json::from_str::<Thing>(r#"{"labels":[]}"#).is_err());
    }
}
