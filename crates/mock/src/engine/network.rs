//! Networks, addresses and published ports. Nothing is sent over them.

use std::net::{IpAddr, Ipv4Addr};

use longshore_driver_api::{
    Attachment, BoundPort, Error, ErrorKind, Network, NetworkInfo, NetworkMode, Protocol, Result,
};

use super::shared::Shared;
use crate::Op;
use crate::sandbox::{Phase, Sandbox};

/// The first port that is given to those who leave the choice to the engine.
const FIRST_PORT: u16 = 49_153;
/// What addresses begin with: 10.88.0.0.
const FIRST_ADDRESS: u32 = 0x0a58_0000;

/// A task's network with the driver's choice put in.
pub(crate) fn resolved(network: &Network, chosen: Option<String>) -> Network {
    let mut network = network.clone();
    if network.mode == NetworkMode::Auto {
        network.mode = chosen.map_or(NetworkMode::Bridge, NetworkMode::Named);
    }
    network
}

impl Shared {
    /// Whether all of a task's networks are there.
    pub(crate) fn check_networks(&self, network: &Network) -> Result<()> {
        let first = match &network.mode {
            NetworkMode::Named(name) => Some(name),
            _ => None,
        };
        let state = self.state();
        let missing =
            first.into_iter().chain(&network.also).find(|it| !state.networks.contains(*it));
        missing.map_or(Ok(()), |name| {
            Err(Error::new(ErrorKind::NetworkNotFound, Op::Create.name())
                .message(format!("there is no network named {name:?}: make it first")))
        })
    }

    /// Puts a container that is being started on its networks and gives it its ports.
    pub(crate) fn join(&self, sandbox: &Sandbox) -> Result<()> {
        let network = &sandbox.spec.network;
        let mut info = NetworkInfo::new();
        let mut state = self.state();
        let has_address = !matches!(network.mode, NetworkMode::None | NetworkMode::Host);
        let names =
            std::iter::once(network.mode.as_str()).chain(network.also.iter().map(String::as_str));
        for name in names {
            let mut addresses = Vec::new();
            if has_address {
                state.addresses += 1;
                addresses.push(IpAddr::V4(Ipv4Addr::from(FIRST_ADDRESS + state.addresses)));
            }
            info.networks.push(Attachment::new(name, addresses));
        }
        info.networks.sort_by(|one, other| one.network.cmp(&other.network));
        let running = state.containers.values().filter(|it| it.life().phase == Phase::Running);
        let mut taken: Vec<(Protocol, u16)> = running
            .flat_map(|it| it.network().ports)
            .map(|port| (port.protocol, port.host_port))
            .collect();
        for port in &network.publish {
            let protocol = port.protocol;
            let host = match port.fixed_host() {
                Some(host) => Some(host).filter(|host| !taken.contains(&(protocol, *host))),
                None => (FIRST_PORT..).find(|host| !taken.contains(&(protocol, *host))),
            };
            let Some(host) = host else {
                return Err(Error::new(ErrorKind::Conflict, Op::Start.name()).message(format!(
                    "port {port} of task {:?}: the port of the host is taken",
                    sandbox.spec.id
                )));
            };
            taken.push((protocol, host));
            let address = port.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            info.ports.push(BoundPort::new(port.port, protocol, address, host));
        }
        sandbox.set_network(info);
        Ok(())
    }
}
