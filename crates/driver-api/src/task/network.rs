//! What a task sees of the network.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PublishedPort;
use crate::WhenEmpty;

/// What a task sees of the network. By default it sees none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Network {
    /// Which network.
    #[serde(skip_serializing_if = "NetworkMode::is_none")]
    pub mode: NetworkMode,
    /// More networks that exist on the engine, by name. Each costs a call before the start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Ports that the engine's host listens on for the task. The ports of the host that they got
    /// are told by [`Running::network`](crate::Running::network).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<PublishedPort>,
    /// What to do when there is none to borrow, for [`Prefork`](NetworkMode::Prefork) only. Absent:
    /// as the driver's pool is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_empty: Option<WhenEmpty>,
    /// Other names of the container on all of its networks that are given by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The host name inside. Absent: the engine's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Name servers. These three need a network: without one there is nobody to ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// Domains that short names are looked up in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// Options of the resolver, such as `ndots:1`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_options: Vec<String>,
    /// More lines of `/etc/hosts`: name to address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_hosts: BTreeMap<String, IpAddr>,
}

/// Which network a task is on. Reads and writes `"none"`, `"bridge"`, `"host"`, `"auto"`, `"prefork"`
/// or a network's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NetworkMode {
    /// Only a loopback of its own.
    #[default]
    None,
    /// The engine's default network.
    Bridge,
    /// The engine's host's own network. The task is then not isolated from it.
    Host,
    /// The one of the networks in the driver's configuration that fewest of its containers are on;
    /// the engine's default network where none is configured.
    Auto,
    /// One that the driver borrows from its pool, made beforehand. Refused by a driver without a pool.
    Prefork,
    /// A network that exists on the engine.
    Named(String),
}

impl NetworkMode {
    /// Whether it is none at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Auto => "auto",
            Self::Prefork => "prefork",
            Self::Named(name) => name,
        }
    }
}

impl From<&str> for NetworkMode {
    fn from(word: &str) -> Self {
        match word {
            "none" => Self::None,
            "bridge" => Self::Bridge,
            "host" => Self::Host,
            "auto" => Self::Auto,
            "prefork" => Self::Prefork,
            name => Self::Named(name.to_owned()),
        }
    }
}

impl FromStr for NetworkMode {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(Self::from(word))
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for NetworkMode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for NetworkMode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}
