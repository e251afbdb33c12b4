//! What a task sees of the network.

use bollard::models::{ContainerCreateBody, EndpointSettings, HostConfig, NetworkingConfig};
use longshore_driver_api::{Network, NetworkMode};

pub(super) fn fill(network: &Network, container: &mut ContainerCreateBody, host: &mut HostConfig) {
    host.network_mode = Some(network.mode.as_str().to_owned());
    if let NetworkMode::Named(name) = &network.mode
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
}
