//! Ports of a task that the engine's host listens on for it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::units::{ParseUnitError, serde_by_text};

/// What is spoken on a port.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The word for it, such as `tcp`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A port of a task that the engine's host listens on for it.
///
/// It is written as for `docker run --publish`, one port at a time: `[[address:][host]:]port[/protocol]`.
///
/// ```
/// use longshore_driver_api::PublishedPort;
///
/// let port: PublishedPort = "127.0.0.1:8080:80".parse()?;
/// assert_eq!((port.port, port.host), (80, Some(8080)));
/// assert_eq!(port.to_string(), "127.0.0.1:8080:80/tcp");
/// // The engine chooses the port of the host.
/// assert_eq!("53/udp".parse::<PublishedPort>()?.host, None);
/// # Ok::<(), longshore_driver_api::ParseUnitError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PublishedPort {
    /// The port that the task listens on.
    pub port: u16,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// The port of the host. Absent, or zero: one that the engine chooses.
    pub host: Option<u16>,
    /// The host's address to listen on. Absent: all of them.
    pub address: Option<IpAddr>,
}

impl PublishedPort {
    /// A TCP port, on a port of the host that the engine chooses.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self { port, protocol: Protocol::Tcp, host: None, address: None }
    }

    /// Sets what is spoken on it.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets the port of the host.
    #[must_use]
    pub fn host(mut self, port: u16) -> Self {
        self.host = Some(port);
        self
    }

    /// Sets the host's address to listen on.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The port of the host that is asked for, if one is.
    #[must_use]
    pub fn fixed_host(&self) -> Option<u16> {
        self.host.filter(|port| *port != 0)
    }
}

impl fmt::Display for PublishedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            Some(IpAddr::V4(address)) => write!(f, "{address}:")?,
            None => {}
        }
        match self.fixed_host() {
            Some(port) => write!(f, "{port}:")?,
            None if self.address.is_some() => f.write_str(":")?,
            None => {}
        }
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

impl FromStr for PublishedPort {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let wrong =
            || ParseUnitError::new(text, "port", "[[address:][host port]:]port[/tcp|udp|sctp]");
        let number = |text: &str| text.parse::<u16>().map_err(|_| wrong());
        let (rest, protocol) = match text.rsplit_once('/') {
            None => (text, Protocol::Tcp),
            Some((rest, "tcp")) => (rest, Protocol::Tcp),
            Some((rest, "udp")) => (rest, Protocol::Udp),
            Some((rest, "sctp")) => (rest, Protocol::Sctp),
            Some(_) => return Err(wrong()),
        };
        let Some((before, port)) = rest.rsplit_once(':') else {
            return Ok(Self::tcp(number(rest)?).protocol(protocol));
        };
        let mut published = Self::tcp(number(port)?).protocol(protocol);
        let (address, host) = match before.rsplit_once(':') {
            Some((address, host)) => (Some(address), host),
            None => (None, before),
        };
        if !host.is_empty() {
            published.host = Some(number(host)?);
        } else if address.is_none() {
            return Err(wrong());
        }
        if let Some(address) = address {
            let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            published.address = Some(bare.unwrap_or(address).parse().map_err(|_| wrong())?);
        }
        Ok(published)
    }
}

serde_by_text!(PublishedPort, "a port such as 80 or \"127.0.0.1:8080:80/tcp\"", |n| {
    u16::try_from(n).ok().map(PublishedPort::tcp)
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_form_is_read_and_written_back() {
        for (text, written) in [
            ("80", "80/tcp"),
            ("8080:80/udp", "8080:80/udp"),
            ("127.0.0.1::80", "127.0.0.1::80/tcp"),
            ("[::1]:8080:80/sctp", "[::1]:8080:80/sctp"),
            ("0:80", "80/tcp"),
        ] {
            let port: PublishedPort = text.parse().unwrap();
            assert_eq!(port.to_string(), written);
        }
    }

    #[test]
    fn what_is_no_port_is_refused_and_shown() {
        for text in ["", ":80", "80/http", "65536", "a:80", "1.2.3:1:80", "80-90", "1:2:3:4:5"] {
            let error = text.parse::<PublishedPort>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
