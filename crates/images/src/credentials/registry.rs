//! Which registry a configured name means, and which one an image asks for.

use longshore_image_ref::ImageRef;

/// The name under which helpers keep Docker Hub's credential.
pub(crate) const HUB_SERVER: &str = "https://index.docker.io/v1/";

const HUB: &str = "docker.io";
/// Other hosts of Docker Hub's registry.
const HUB_REGISTRIES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];
/// A name of Docker Hub's that appears in configurations, though no image is pulled from it.
const HUB_SITE: &str = "hub.docker.com";
/// The paths of a registry's interface, which older clients wrote behind the host.
const INTERFACES: [&str; 5] = ["", "v1", "v1/", "v2", "v2/"];

/// A registry: its host as it is written in an image, with the port if one is written there.
///
/// Two are equal only if host and port are; a host never stands for its subdomains or for those
/// above it, nor a host without a port for one with a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Registry(String);

impl Registry {
    /// The registry that a configuration's key means: a host, or a URL of its interface.
    ///
    /// None if the key is neither, such as one with a repository's path or a user's name: it is
    /// for less than the whole host.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        let key = key.trim().to_ascii_lowercase();
        let rest = ["https://", "http://"].iter().find_map(|scheme| key.strip_prefix(scheme));
        let rest = rest.unwrap_or(&key);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_host = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
        if !is_host || !INTERFACES.contains(&path) {
            return None;
        }
        let is_hub = host == HUB_SITE || HUB_REGISTRIES.contains(&host);
        Some(Self(if is_hub { HUB } else { host }.to_owned()))
    }

    /// The registry that holds an image; none if the reference names no host.
    pub(crate) fn of_image(image: &ImageRef) -> Option<Self> {
        let host = image.domain().to_ascii_lowercase();
        if HUB_REGISTRIES.contains(&host.as_str()) {
            return Some(Self(HUB.to_owned()));
        }
        (!host.is_empty()).then_some(Self(host))
    }

    /// The host, in lower case.
    pub(crate) fn host(&self) -> &str {
        &self.0
    }

    /// What a credential helper is asked for.
    pub(crate) fn server(&self) -> &str {
        if self.0 == HUB { HUB_SERVER } else { &self.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Option<String> {
        Registry::of_key(text).map(|registry| registry.0)
    }

    fn image(text: &str) -> Option<String> {
        Registry::of_image(&text.parse().unwrap()).map(|registry| registry.0)
    }

    #[test]
    fn a_key_is_a_host_or_a_url_of_its_interface() {
        for (text, host) in [
            ("ghcr.io", "ghcr.io"),
            ("https://ghcr.io", "ghcr.io"),
            ("https://ghcr.io/", "ghcr.io"),
            ("https://ghcr.io/v1/", "ghcr.io"),
            ("https://ghcr.io/v2", "ghcr.io"),
            ("http://ghcr.io/v1", "ghcr.io"),
            ("ghcr.io/v2/", "ghcr.io"),
            (" GHCR.io ", "ghcr.io"),
            ("HTTPS://ghcr.io", "ghcr.io"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("host:5000", "host:5000"),
            ("http://host:5000", "host:5000"),
            ("[::1]:5000", "[::1]:5000"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(key(text).as_deref(), Some(host), "{text}");
        }
    }

    #[test]
    fn a_key_for_less_than_a_host_is_for_no_registry() {
        for text in
            ["", "/", "https://", "ghcr.io/org", "ftp://ghcr.io", "ann@ghcr.io", "ghcr.io//", "a b"]
        {
            assert_eq!(key(text), None, "{text}");
        }
    }

    #[test]
    fn docker_hub_has_many_names_in_a_configuration() {
        for text in [
            "docker.io",
            "index.docker.io",
            "registry-1.docker.io",
            "hub.docker.com",
            "https://index.docker.io/v1/",
            "https://registry-1.docker.io/v2/",
        ] {
            assert_eq!(key(text).as_deref(), Some("docker.io"), "{text}");
        }
    }

    #[test]
    fn an_image_asks_for_its_own_host() {
        for (text, host) in [
            ("busybox", "docker.io"),
            ("index.docker.io/library/busybox", "docker.io"),
            ("registry-1.docker.io/library/busybox", "docker.io"),
            ("ghcr.io/org/app", "ghcr.io"),
            ("Registry.local/app", "registry.local"),
            ("localhost:5000/app", "localhost:5000"),
            ("hub.docker.com/app", "hub.docker.com"),
        ] {
            assert_eq!(image(text).as_deref(), Some(host), "{text}");
        }
        // Its first component can be no host and, with a dot, no part of a path on Docker Hub.
        assert_eq!(image("x_y.z/a"), None);
    }

    #[test]
    fn helpers_know_docker_hub_by_its_old_url() {
        assert_eq!(Registry::of_key("docker.io").unwrap().server(), HUB_SERVER);
        assert_eq!(Registry::of_key("ghcr.io").unwrap().server(), "ghcr.io");
    }

    proptest! {
        #[test]
        fn no_key_panics_and_every_registry_is_its_own_key(text in "\\PC{0,40}|[a-z.:/-]{0,30}") {
            if let Some(registry) = Registry::of_key(&text) {
                prop_assert_eq!(Registry::of_key(registry.host()), Some(registry));
            }
        }
    }
}
