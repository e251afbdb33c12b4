//! The release of an engine, as distributions write it, and whether it is new enough.

use std::cmp::Ordering;
use std::fmt;

use longshore_driver_api::{Capabilities, Error, ErrorKind, Result};

/// What marks a release that came before the one with the same number.
const EARLY: [&str; 6] = ["alpha", "beta", "dev", "rc", "tp", "pre"];

/// A release by its number: `20.10.24+dfsg1`, `28.2.2-0ubuntu1~24.04.1`, `24.0.7-ce`, `v5.4`.
///
/// What distributions and editions add makes a release neither older nor newer. Only `rc`, `beta` and
/// the like after the number make it older, as they do for those who write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    number: [u64; 3],
    // `false` comes first.
    is_final: bool,
}

impl Release {
    /// Reads a version. `None`: it has no number, as an engine that somebody built from its source
    /// (`dev`, `library-import`, `0.0.0-dev`).
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        let mut number = [0; 3];
        for (index, part) in digits.trim_end_matches('.').split('.').enumerate() {
            let part = part.parse().ok()?;
            // A fourth number is a distribution's.
            if let Some(place) = number.get_mut(index) {
                *place = part;
            }
        }
        let rest = rest.trim_start_matches(['-', '~', '.', '+']).to_ascii_lowercase();
        let is_early = |word: &&str| {
            let after = rest.strip_prefix(*word);
            after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphabetic()))
        };
        let is_final = !EARLY.iter().any(is_early);
        (number != [0; 3]).then_some(Self { number, is_final })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.number;
        write!(f, "{major}.{minor}.{patch}")?;
        if self.is_final { Ok(()) } else { f.write_str(" (before its release)") }
    }
}

/// Refuses an engine that is older than the configuration asks for.
pub(crate) fn check(least: Option<&str>, can: &Capabilities) -> Result<()> {
    let Some((text, least)) = least.and_then(|text| Some((text, Release::read(text)?))) else {
        return Ok(());
    };
    let Some(found) = Release::read(&can.engine_version) else {
        tracing::warn!(
            engine = can.engine,
            version = can.engine_version,
            server_version = text,
            "the engine's version has no number, so whether it is new enough is not known"
        );
        return Ok(());
    };
    if found.cmp(&least) != Ordering::Less {
        return Ok(());
    }
    Err(Error::new(ErrorKind::EngineTooOld, "open").message(format!(
        "{} {} is older than server_version = {text:?} in the configuration: {found} is before {least}; upgrade the engine, or ask for less",
        can.engine, can.engine_version
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        Release::read(text).unwrap_or_else(|| panic!("{text:?} has a number"))
    }

    #[test]
    fn what_distributions_add_makes_a_release_neither_older_nor_newer() {
        for (text, number) in [
            ("20.10.24+dfsg1", "20.10.24"),
            ("28.2.2-0ubuntu1~24.04.1", "28.2.2"),
            ("26.1.5+dfsg1-9+b11", "26.1.5"),
            ("24.0.7-ce", "24.0.7"),
            ("17.10.0-ce", "17.10"),
            ("18.09.1.m.0", "18.9.1"),
            ("19.03.13-azure", "19.3.13"),
            ("20.10.17-k3s1", "20.10.17"),
            ("5.4.2", "v5.4.2"),
            ("4.9.4-rhel", "4.9.4"),
            ("5.2.1.7-1", "5.2.1"),
            ("24.0.5-0ubuntu1", "24.0.5"),
        ] {
            assert_eq!(release(text), release(number), "{text}");
        }
    }

    #[test]
    fn releases_compare_by_number_and_early_ones_come_before() {
        let order = [
            "4.9.4",
            "17.10.0-ce",
            "20.10.9",
            "20.10.24+dfsg1",
            "28.0.0-beta.1",
            "28.0.0",
            "28.0.1-rc.2",
            "28.0.1",
            "28.1",
        ];
        assert!(order.is_sorted_by(|a, b| release(a) < release(b)));
        for early in ["28.0.0-rc.3", "28.0.0-rc3", "28.0.0~rc1-1", "28.0.0-dev", "28.0.0-tp5"] {
            assert!(release(early) < release("28.0.0"), "{early}");
        }
        // Words that only begin alike.
        assert_eq!(release("28.0.0-develop2"), release("28.0.0"));
        assert_eq!(release("28.0.0-rcloud"), release("28.0.0"));
    }

    #[test]
    fn a_version_without_a_number_is_none() {
        for text in ["", "dev", "library-import", "0.0.0-dev", "0.0.0-20240101120000-abcdef", "v"] {
            assert_eq!(Release::read(text), None, "{text:?}");
        }
        assert_eq!(Release::read("99999999999999999999.1"), None);
    }

    #[test]
    fn an_engine_that_is_too_old_is_told_with_both_versions_and_what_to_do() {
        let docker = |version| Capabilities::nothing("docker", version);
        for fine in [None, Some("20.10"), Some("17.10.0-ce"), Some("20.10.24")] {
            check(fine, &docker("20.10.24+dfsg1")).unwrap();
        }
        let error = check(Some("23.0"), &docker("20.10.24+dfsg1")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::EngineTooOld);
        let text = error.to_string();
        for word in ["docker 20.10.24+dfsg1", "\"23.0\"", "upgrade the engine"] {
            assert!(text.contains(word), "{text}");
        }
        check(Some("9999.0.0"), &docker("28.0.0-rc.1")).unwrap_err();
        check(Some("23.0"), &docker("dev")).unwrap();
    }
}
