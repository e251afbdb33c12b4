//! What a task sees of the network.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, NetworkingConfig, PortBinding,
};
use longshore_driver_api::{Network, NetworkMode};

/// More networks than the first are joined by calls of their own: older engines take only one here.
pub(super) fn fill(
    network: &Network,
    chosen: Option<&NetworkMode>,
    container: &mut ContainerCreateBody,
    host: &mut HostConfig,
) {
    let mode = match &network.mode {
        NetworkMode::Auto => chosen.unwrap_or(&NetworkMode::Bridge),
        mode => mode,
    };
    host.network_mode = Some(mode.as_str().to_owned());
    if let NetworkMode::Named(name) = mode
        && !network.aliases.is_empty()
    {
        let endpoint =
            EndpointSettings { aliases: Some(network.aliases.clone()), ..Default::default() };
        container.networking_config =
            Some(NetworkingConfig { endpoints_config: Some([(name.clone(), endpoint)].into()) });
    }
    container.hostname.clone_from(&network.hostname);
    let texts = |list: Vec<String>| (!list.is_empty()).then_some(list);
    host.dns = texts(network.dns.iter().map(ToString::to_string).collect());
    host.dns_search = texts(network.dns_search.clone());
    host.dns_options = texts(network.dns_options.clone());
    let hosts = network.extra_hosts.iter().map(|(name, address)| format!("{name}:{address}"));
    host.extra_hosts = texts(hosts.collect());
    publish(network, container, host);
}

fn publish(network: &Network, container: &mut ContainerCreateBody, host: &mut HostConfig) {
    if network.publish.is_empty() {
        return;
    }
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &network.publish {
        let binding = PortBinding {
            host_ip: port.address.map(|address| address.to_string()),
            // An empty text lets the engine choose.
            host_port: Some(port.fixed_host().map(|host| host.to_string()).unwrap_or_default()),
        };
        let name = format!("{}/{}", port.port, port.protocol);
        bindings.entry(name).or_default().get_or_insert_default().push(binding);
    }
    let exposed: Vec<String> = bindings.keys().cloned().collect();
    container.exposed_ports = Some(exposed);
    host.port_bindings = Some(bindings);
}
