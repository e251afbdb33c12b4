//! Where a running task can be reached.

use std::net::IpAddr;

use serde::Serialize;

use crate::task::Protocol;

/// Where a running task can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NetworkInfo {
    /// The networks that it is on, in the order of their names.
    pub networks: Vec<Attachment>,
    /// Its published ports, with the ports of the host that they got. A port that is published on
    /// two addresses of the host comes twice.
    pub ports: Vec<BoundPort>,
}

impl NetworkInfo {
    /// Nothing yet: a backend fills it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first address that it has on any network.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.networks.iter().find_map(|network| network.addresses.first().copied())
    }

    /// The port of the host that one of its ports is published on.
    #[must_use]
    pub fn host_port(&self, port: u16, protocol: Protocol) -> Option<u16> {
        let found = self.ports.iter().find(|it| it.port == port && it.protocol == protocol);
        found.map(|it| it.host_port)
    }
}

/// A network that a task is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attachment {
    /// The network's name.
    pub network: String,
    /// The task's addresses there, IPv4 first. The host's own network and none give none.
    pub addresses: Vec<IpAddr>,
}

impl Attachment {
    /// A network that a task is on.
    pub fn new(network: impl Into<String>, addresses: Vec<IpAddr>) -> Self {
        Self { network: network.into(), addresses }
    }
}

/// A published port, with the port of the host that it got.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct BoundPort {
    /// The port that the task listens on.
    pub port: u16,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// The host's address that is listened on.
    pub host_address: IpAddr,
    /// The port of the host.
    pub host_port: u16,
}

impl BoundPort {
    /// A published port.
    #[must_use]
    pub fn new(port: u16, protocol: Protocol, host_address: IpAddr, host_port: u16) -> Self {
        Self { port, protocol, host_address, host_port }
    }
}
