//! Sizes in bytes.

use std::fmt;
use std::str::FromStr;

use super::{ParseUnitError, serde_by_text};

/// A number of bytes.
///
/// Reads `"64MiB"` (1024-based), `"64MB"` (1000-based), `"64m"` (1024-based, as Docker's options
/// read a single letter) and a plain number of bytes, upper or lower case, with up to three
/// decimals (`"1.5GiB"`). Writes the largest 1024-based unit that gives a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 16] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pib", 1 << 50),
    ("pb", 1_000_000_000_000_000),
];

impl ByteSize {
    /// `n` × 1024 bytes.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` × 1024² bytes.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// `n` × 1024³ bytes.
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in [
            ("PiB", 1_u64 << 50),
            ("TiB", 1 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ] {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl FromStr for ByteSize {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let fail = || {
            ParseUnitError::new(text, "size", "a number and a unit, such as \"64MiB\" or \"64MB\"")
        };
        let trimmed = text.trim();
        let split =
            trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let unit = unit.trim_start().to_ascii_lowercase();
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(fail)?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || (number.contains('.') && decimals.is_empty()) || decimals.len() > 3 {
            return Err(fail());
        }
        let thousandths: u128 = format!("{whole}{decimals:0<3}").parse().map_err(|_| fail())?;
        let scaled = thousandths.checked_mul(u128::from(*scale)).ok_or_else(fail)?;
        if scaled % 1000 != 0 && *scale == 1 {
            return Err(fail());
        }
        u64::try_from(scaled / 1000).map(Self).map_err(|_| fail())
    }
}

serde_by_text!(ByteSize, "a size such as \"64MiB\", or a number of bytes", |n| Some(ByteSize(n)));

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_1024_or_1000_based_as_written() {
        let cases = [
            ("0", 0),
            ("12", 12),
            ("64MiB", 64 << 20),
            ("64MB", 64_000_000),
            ("64m", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("1g", 1 << 30),
            ("10 kib", 10 << 10),
            ("0.001kb", 1),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in
            ["", "MiB", "-1", "1.5", "1.", "1.2345MiB", "64 mops", "99999999PiB", "1e3", "０"]
        {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<ByteSize>();
        }
    }
}
