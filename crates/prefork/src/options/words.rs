//! How options are written: lists as texts, flags as numbers. What is wrong is told in plain words, not
//! by the types of this language.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserializer, Serialize, Serializer};

pub(super) fn serialize<S: Serializer>(words: &Vec<String>, to: S) -> Result<S::Ok, S::Error> {
    words.serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_any(Words)
}

struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text of words or a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(text.split_whitespace().map(ToOwned::to_owned).collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = list.next_element()? {
            words.push(word);
        }
        Ok(words)
    }
}

pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    from.deserialize_any(Flag)
}

struct Flag;

impl Visitor<'_> for Flag {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, 1 or 0")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<bool, E> {
        Ok(flag)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<bool, E> {
        Ok(number != 0)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<bool, E> {
        let number = not_negative(number, &self)?;
        self.visit_u64(number)
    }
}

pub(super) fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(Whole(PhantomData))
}

struct Whole<T>(PhantomData<T>);

impl<T: TryFrom<u64>> Visitor<'_> for Whole<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, 0 or more")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::custom(format!("the number {number} is too large")))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let number = not_negative(number, &self)?;
        self.visit_u64(number)
    }
}

/// Readers of TOML tell every number as one that could be negative.
fn not_negative<E: Error>(number: i64, expected: &dyn serde::de::Expected) -> Result<u64, E> {
    u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), expected))
}

#[cfg(test)]
mod tests {
    use crate::PoolOptions;

    #[test]
    fn what_is_expected_is_told_in_plain_words() {
        let whole = "expected a whole number, 0 or more";
        let flag = "expected true, false, 1 or 0";
        let words = "expected a text of words or a list of texts";
        let time = "expected a duration such as \"5s\"";
        let when = "expected \"error\", \"fall_back\" or { wait = \"5s\" }";
        for (text, told) in [
            ("pre_fork_pool_size = -1", whole),
            ("pre_fork_pool_size = 'x'", whole),
            ("pre_fork_pool_max = 1.5", whole),
            ("pids = -1", whole),
            ("rate = true", whole),
            ("burst = 4294967296", "the number 4294967296 is too large"),
            ("pre_fork_use_once = 'yes'", flag),
            ("pre_fork_use_once = -1", flag),
            ("pre_fork_cmd = 5", words),
            ("pre_fork_networks = true", words),
            ("pre_fork_networks = ['a', 5]", "expected a string"),
            ("shrink_after = 5", time),
            ("when_empty = { wait = 5 }", time),
            ("when_empty = 'wait'", "\"wait\" needs a time: { wait = \"5s\" }"),
            ("when_empty = 'never'", when),
            ("when_empty = 5", when),
            ("when_empty = { error = true }", when),
            ("when_empty = { wait = '5s', error = true }", when),
            ("when_empty = {}", when),
        ] {
            let error = toml::from_str::<PoolOptions>(text).unwrap_err();
            assert!(error.message().ends_with(told), "{text}: {error}");
        }
    }

    #[test]
    fn numbers_are_read_of_toml_and_json() {
        let text = "pre_fork_pool_size = 3\nrate = 0\npre_fork_use_once = 1";
        let options: PoolOptions = toml::from_str(text).unwrap();
        assert_eq!((options.size, options.rate, options.use_once), (3, 0, true));
        let text = r#"{"pre_fork_pool_max": 7, "pids": 4294967295, "pre_fork_use_once": 0}"#;
        let options: PoolOptions = serde_json::from_str(text).unwrap();
        assert_eq!((options.max_size, options.pids, options.use_once), (7, u32::MAX, false));
    }
}
