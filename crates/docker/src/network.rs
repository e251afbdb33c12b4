//! A container on its networks: joining more than one, and where it can be reached.

use std::net::{IpAddr, Ipv4Addr};

use longshore_driver_api::{
    Attachment, BoundPort, Error, ErrorKind, NetworkInfo, Protocol, Result,
};

use crate::borrow;
use crate::client::error::ClientError;
use crate::client::reply::NetworkSettings;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::retry::{again, repeat};

/// Puts a container that was just made on its further networks. To be on one already is fine.
pub(crate) async fn join(core: &Core, id: &str) -> std::result::Result<(), ClientError> {
    let network = &core.spec.network;
    for name in &network.also {
        let joined = repeat("connect_network", || {
            core.shared.api.connect_network(name, id, &network.aliases)
        })
        .await;
        match joined {
            Err(error) if !is_on_it(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn is_on_it(error: &ClientError) -> bool {
    matches!(error, ClientError::Status { message, .. }
        if message.contains("already exists in network")
            || message.contains("already attached to network")
            || message.contains("already connected to network"))
}

/// Asks where a running container can be reached.
pub(crate) async fn look(core: &Core, id: &str) -> Result<NetworkInfo> {
    let loan = core.loan();
    let holder = loan.as_ref().and_then(|loan| loan.namespaces()).map(|it| it.holder.as_str());
    let gone = || if holder.is_some() { borrow::gone(core) } else { ended(core) };
    // Who has borrowed is where the holder is.
    let asked =
        again("inspect_container", || core.shared.api.inspect_container(holder.unwrap_or(id)))
            .await;
    let container = asked.map_err(|error| match error {
        error if error.is_not_found() => gone(),
        error => engine_error("network", &core.subject(), error),
    })?;
    if container.state.running { Ok(info(&container.network_settings)) } else { Err(gone()) }
}

/// The error for a task that ended before it was asked for.
pub(crate) fn ended(core: &Core) -> Error {
    Error::new(ErrorKind::InvalidState, "network").message(format!(
        "{} has ended, and the engine has forgotten its addresses: ask while it runs",
        core.subject()
    ))
}

fn info(settings: &NetworkSettings) -> NetworkInfo {
    let mut info = NetworkInfo::new();
    for (name, endpoint) in &settings.networks {
        let addresses = [&endpoint.ipv4, &endpoint.ipv6];
        let addresses = addresses.into_iter().filter_map(|text| text.parse().ok()).collect();
        info.networks.push(Attachment::new(name, addresses));
    }
    for (port, bindings) in &settings.ports {
        let Some((port, protocol)) = port_of(port) else { continue };
        for binding in bindings.iter().flatten() {
            let Ok(host_port) = binding.host_port.parse() else { continue };
            // Nothing stands for all addresses.
            let address = binding.host_ip.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            info.ports.push(BoundPort::new(port, protocol, address, host_port));
        }
    }
    info
}

/// `80/tcp`.
fn port_of(text: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/')?;
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let protocol = known.into_iter().find(|known| known.as_str() == protocol)?;
    Some((port.parse().ok()?, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ports_are_read_whatever_the_engine_leaves_out() {
        let settings: NetworkSettings = serde_json::from_str(
            r#"{"Networks":{
                    "b":{"IPAddress":"10.0.0.2","GlobalIPv6Address":"fd00::2"},
                    "a":{"IPAddress":"","GlobalIPv6Address":null}},
                "Ports":{
                    "80/tcp":[{"HostIp":"0.0.0.0","HostPort":"49153"},{"HostIp":"::","HostPort":"49153"}],
                    "53/udp":[{"HostIp":"","HostPort":"5353"}],
                    "81/tcp":null,
                    "9/new":[{"HostIp":"","HostPort":"1"}]}}"#,
        )
        .unwrap();
        let info = info(&settings);
        assert_eq!(info.address(), Some("10.0.0.2".parse().unwrap()));
        assert_eq!(info.networks[0], Attachment::new("a", vec![]));
        assert_eq!(info.networks[1].addresses.len(), 2);
        assert_eq!(info.ports.len(), 3);
        assert_eq!(info.host_port(80, Protocol::Tcp), Some(49153));
        assert_eq!(info.host_port(53, Protocol::Udp), Some(5353));
        assert_eq!(info.host_port(81, Protocol::Tcp), None);
    }
}
