//! How a private Docker is configured.

use std::ffi::OsString;
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Private;
use super::network::Range;

/// Writes the configuration and gives the command.
pub(super) fn prepare(
    private: &Private,
    range: Range,
    storage: Option<&str>,
) -> Result<Vec<OsString>> {
    let config = configuration(private, range, storage);
    let file = private.dir.join("daemon.json");
    fs::write(&file, format!("{config:#}\n")).context("write daemon.json")?;
    let label = &private.label;
    Ok(vec![
        "dockerd".into(),
        "--config-file".into(),
        file.into(),
        // Engine 20.10 takes these two from the command line only.
        format!("--containerd-namespace={label}").into(),
        format!("--containerd-plugins-namespace=plugins.{label}").into(),
    ])
}

fn configuration(private: &Private, range: Range, storage: Option<&str>) -> Value {
    let mut config = json!({
        "data-root": private.data(),
        "exec-root": private.exec_root(),
        "pidfile": private.pid_file(),
        "hosts": [private.endpoint().to_string()],
        "bridge": private.bridge,
        // Without the slash it would be under whatever cgroup this command happens to be in.
        "cgroup-parent": format!("/{}", private.label),
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "live-restore": private.live().exists(),
    });
    // A Docker that finds a `bridge` network of its own from before, and has pools of addresses, takes
    // away the interface `docker0`, whoever's that is.
    if !private.was_restarted() {
        config["default-address-pools"] = json!([{"base": range.pool(), "size": 24}]);
    }
    // What the machine's owner chose for storage and network suits this engine as well.
    let default = fs::read("/etc/docker/daemon.json").ok();
    let default: Value =
        default.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    for key in ["storage-driver", "storage-opts", "mtu"] {
        if !default[key].is_null() {
            config[key] = default[key].clone();
        }
    }
    if let Some(storage) = storage {
        config["storage-driver"] = storage.into();
        config["storage-opts"] = json!([]);
    }
    config
}
