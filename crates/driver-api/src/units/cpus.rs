//! Amounts of CPU.

use std::fmt;
use std::str::FromStr;

use super::{ParseUnitError, serde_by_text};

/// An amount of CPU in thousandths of one.
///
/// Reads `"500m"`, `"0.5"`, `"2"` and a plain number of whole CPUs. Writes thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(u32);

impl Cpus {
    /// `n` thousandths of a CPU.
    #[must_use]
    pub const fn milli(n: u32) -> Self {
        Self(n)
    }

    /// The amount in thousandths of a CPU.
    #[must_use]
    pub const fn as_milli(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m", self.0)
    }
}

impl FromStr for Cpus {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let fail = || ParseUnitError::new(text, "CPU amount", "\"500m\", \"0.5\" or \"2\"");
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let trimmed = text.trim();
        if let Some(milli) = trimmed.strip_suffix('m') {
            return if digits(milli) {
                milli.parse().map(Self).map_err(|_| fail())
            } else {
                Err(fail())
            };
        }
        let (whole, decimals) = match trimmed.split_once('.') {
            Some((_, "")) => return Err(fail()),
            Some((whole, decimals)) => (whole, decimals),
            None => (trimmed, ""),
        };
        if !digits(whole) || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fail());
        }
        format!("{whole}{decimals:0<3}").parse().map(Self).map_err(|_| fail())
    }
}

serde_by_text!(Cpus, "a CPU amount such as \"500m\" or 0.5", |n| {
    u32::try_from(n).ok().and_then(|n| n.checked_mul(1000)).map(Cpus)
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thousandths_decimals_and_whole_cpus_are_read() {
        for (text, milli) in [("500m", 500), ("0.5", 500), ("2", 2000), ("1.25", 1250), ("0", 0)] {
            assert_eq!(text.parse(), Ok(Cpus::milli(milli)), "{text}");
        }
        let read: Vec<Cpus> = serde_json::from_str(r#"[2, 0.5, "500m"]"#).unwrap();
        assert_eq!(read, [Cpus::milli(2000), Cpus::milli(500), Cpus::milli(500)]);
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in ["", "m", "-1", "1.", "0.0001", "1e3", "+1", ".5", "5000000", "99999999999"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(milli: u32) {
            prop_assert_eq!(Cpus::milli(milli).to_string().parse(), Ok(Cpus::milli(milli)));
        }
    }
}
