//! What a task may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::units::{ParseUnitError, serde_by_text};

/// What a task may do. The default is hardened: an ordinary user, no capability, nothing to gain,
/// the engine's seccomp profile, and an init that reaps and forwards signals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Security {
    /// `user[:group]` by name or number. Empty: as the image says, which is often root.
    pub user: String,
    /// More groups, by name or number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Which of the engine's usual capabilities are taken away.
    pub cap_drop: CapabilityDrop,
    /// Capabilities that are given on top.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<Capability>,
    /// Whether set-user-id programs and file capabilities give nothing.
    pub no_new_privileges: bool,
    /// Whether the root file system can only be read.
    pub read_only_root: bool,
    /// The filter of system calls.
    pub seccomp: Seccomp,
    /// The AppArmor profile. Absent: the engine's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<String>,
    /// Whether an init runs as process 1, reaps orphans and forwards signals.
    pub init: bool,
    /// All capabilities, all devices, no filter. Never for code that is not trusted. It does not go
    /// together with what takes some of that away: `cap_drop` must then be an empty list.
    pub privileged: bool,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            user: "1000:1000".to_owned(),
            groups: Vec::new(),
            cap_drop: CapabilityDrop::All,
            cap_add: Vec::new(),
            no_new_privileges: true,
            read_only_root: false,
            seccomp: Seccomp::Default,
            apparmor: None,
            init: true,
            privileged: false,
        }
    }
}

impl Security {
    /// What the engine and the image would give by themselves: the image's user, the engine's
    /// usual capabilities, set-user-id programs allowed. An init still runs.
    #[must_use]
    pub fn engine_default() -> Self {
        Self {
            user: String::new(),
            cap_drop: CapabilityDrop::These(Vec::new()),
            no_new_privileges: false,
            ..Self::default()
        }
    }
}

/// Which of the engine's usual capabilities are taken away: `"all"`, or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapabilityDrop {
    /// All of them.
    All,
    /// These.
    These(Vec<Capability>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"all\" or a list of capabilities")]
enum DropText {
    Word(AllWord),
    These(Vec<Capability>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AllWord {
    All,
}

impl Serialize for CapabilityDrop {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => AllWord::All.serialize(serializer),
            Self::These(list) => list.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for CapabilityDrop {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match DropText::deserialize(deserializer)? {
            DropText::Word(AllWord::All) => Self::All,
            DropText::These(list) => Self::These(list),
        })
    }
}

/// A capability by name, such as `NET_ADMIN`. Reads it with or without `CAP_`, in any case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(String);

impl Capability {
    /// The name, upper case, without `CAP_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Capability {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let upper = text.trim().to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
            return Err(ParseUnitError::new(text, "capability", "a name such as \"NET_ADMIN\""));
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_by_text!(Capability, "a capability such as \"NET_ADMIN\"", |_| None);

/// The filter of system calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Seccomp {
    /// The engine's own profile.
    #[default]
    Default,
    /// No filter.
    Unconfined,
    /// A profile in the engine's JSON format.
    Profile(String),
}
