//! How a private Podman is configured.

use std::ffi::OsString;
use std::fs;

use anyhow::{Context, Result};
use serde_json::json;

use super::Private;
use super::network::Range;

/// A registry on this host needs no TLS, as Docker has it.
const REGISTRIES: &str = "[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n";

/// Writes the configuration and gives the command.
pub(super) fn prepare(
    private: &Private,
    range: Range,
    storage: Option<&str>,
) -> Result<Vec<OsString>> {
    let write = |name: &str, text: String| {
        let file = private.dir.join(name);
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        Ok::<_, anyhow::Error>(file)
    };
    let networks = private.dir.join("networks");
    fs::create_dir_all(&networks).context("make the folder of networks")?;
    write("networks/podman.json", format!("{:#}\n", default_network(private, range)))?;
    let containers = write("containers.conf", containers(private, range))?;
    let storage = write("storage.conf", storage_conf(private, storage))?;
    let registries = write("registries.conf", REGISTRIES.to_owned())?;
    let variable = |name: &str, value: OsString| {
        let mut text = OsString::from(format!("{name}="));
        text.push(value);
        text
    };
    Ok(vec![
        "env".into(),
        variable("CONTAINERS_CONF", containers.into()),
        variable("CONTAINERS_STORAGE_CONF", storage.into()),
        variable("CONTAINERS_REGISTRIES_CONF", registries.into()),
        // Podman 5 else stops at every command on a host with cgroup v1.
        "PODMAN_IGNORE_CGROUPSV1_WARNING=1".into(),
        // Docker's own rules are made by iptables too.
        "NETAVARK_FW=iptables".into(),
        "podman".into(),
        "--root".into(),
        private.data().into(),
        "--runroot".into(),
        private.exec_root().into(),
        "system".into(),
        "service".into(),
        "--time=0".into(),
        private.endpoint().to_string().into(),
    ])
}

fn containers(private: &Private, range: Range) -> String {
    let quoted = |path: std::path::PathBuf| json!(path).to_string();
    format!(
        "[containers]\n\
         # Raising a limit needs CAP_SYS_RESOURCE, which root in a container lacks.\n\
         default_ulimits = []\n\
         [engine]\n\
         cgroup_manager = \"cgroupfs\"\n\
         events_logger = \"file\"\n\
         runtime = \"runc\"\n\
         static_dir = {}\n\
         tmp_dir = {}\n\
         volume_path = {}\n\
         [network]\n\
         network_backend = \"netavark\"\n\
         network_config_dir = {}\n\
         default_subnet_pools = [{{ base = \"{}\", size = 24 }}]\n",
        quoted(private.data().join("libpod")),
        quoted(private.run.join("libpod")),
        quoted(private.data().join("volumes")),
        quoted(private.dir.join("networks")),
        range.pool(),
    )
}

fn storage_conf(private: &Private, storage: Option<&str>) -> String {
    format!(
        "[storage]\ndriver = \"{}\"\ngraphroot = {}\nrunroot = {}\n",
        storage.unwrap_or("overlay"),
        json!(private.data()),
        json!(private.exec_root()),
    )
}

/// The network that a task gets if it names none, on a bridge that no other Podman has.
fn default_network(private: &Private, range: Range) -> serde_json::Value {
    json!({
        "name": "podman",
        "id": "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9",
        "driver": "bridge",
        "network_interface": private.bridge,
        "created": "2024-01-01T00:00:00Z",
        "subnets": [{"subnet": range.bridge_subnet(), "gateway": range.gateway()}],
        "ipv6_enabled": false,
        "internal": false,
        "dns_enabled": false,
        "ipam_options": {"driver": "host-local"},
    })
}
