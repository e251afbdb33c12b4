//! Versions of the engine's API, and which one to speak.

use std::fmt;
use std::str::FromStr;

use super::error::{ClientError, Result};

/// The oldest API that is spoken: 1.41 (Docker 20.10) is the first that takes a platform when it
/// creates a container and tells its cgroup version, and the oldest that the tests run against.
pub(crate) const MIN_API_VERSION: ApiVersion = ApiVersion { major: 1, minor: 41 };

/// The newest API that is spoken. A newer engine still speaks it; what later versions change is
/// thereby kept away until it is known.
pub(crate) const MAX_API_VERSION: ApiVersion = ApiVersion { major: 1, minor: 45 };

/// A version of the engine's API, such as 1.41.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ApiVersion {
    /// Before the dot.
    pub(crate) major: u16,
    /// After the dot.
    pub(crate) minor: u16,
}

/// Why there is no version that both sides speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCommonVersion {
    /// The engine's newest API is older than our oldest.
    EngineTooOld,
    /// The engine's oldest API is newer than our newest, and it does not take an older one.
    EngineTooNew,
}

/// The newest version that both sides speak.
pub(crate) fn negotiate(
    engine_newest: ApiVersion,
    engine_oldest: Option<ApiVersion>,
) -> std::result::Result<ApiVersion, NoCommonVersion> {
    if engine_newest < MIN_API_VERSION {
        return Err(NoCommonVersion::EngineTooOld);
    }
    let version = engine_newest.min(MAX_API_VERSION);
    if engine_oldest.is_some_and(|oldest| version < oldest) {
        return Err(NoCommonVersion::EngineTooNew);
    }
    Ok(version)
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || ClientError::Protocol(format!("`{text}` is no API version"));
        let (major, minor) = text.split_once('.').ok_or_else(wrong)?;
        Ok(Self {
            major: major.parse().map_err(|_| wrong())?,
            minor: minor.parse().map_err(|_| wrong())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> ApiVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_compare_by_number_and_not_by_text() {
        assert!(v("1.9") < v("1.41"));
        assert_eq!(v("1.41").to_string(), "1.41");
        assert!("1".parse::<ApiVersion>().is_err());
        assert!("one.two".parse::<ApiVersion>().is_err());
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        assert_eq!(negotiate(v("1.41"), Some(v("1.12"))), Ok(v("1.41")));
        assert_eq!(negotiate(v("1.53"), Some(v("1.44"))), Ok(MAX_API_VERSION));
        assert_eq!(negotiate(v("1.41"), None), Ok(v("1.41")));
        assert_eq!(negotiate(v("1.40"), None), Err(NoCommonVersion::EngineTooOld));
        assert_eq!(negotiate(v("1.60"), Some(v("1.50"))), Err(NoCommonVersion::EngineTooNew));
    }
}
