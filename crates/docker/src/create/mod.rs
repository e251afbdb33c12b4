//! From a task to the request that creates its container: pure functions, one file for each group
//! of fields.

mod health;
mod limits;
mod log;
mod mounts;
mod network;
mod process;
mod security;

use std::collections::BTreeMap;

use bollard::models::{ContainerCreateBody, HostConfig};
use longshore_driver_api::{ByteSize, LABELS, NetworkMode, TaskSpec};
use serde_json::Value;

use crate::client::api::Streams;

/// The body of the request that creates a container for `spec`, on the network that the driver has
/// `chosen` if it was left to the driver.
///
/// The same task always gives the same body: lists that come from maps are in the order of their
/// names.
pub(crate) fn body(
    spec: &TaskSpec,
    image: &str,
    streams: Streams,
    chosen: Option<&NetworkMode>,
) -> Value {
    let mut container = ContainerCreateBody::default();
    let mut host = HostConfig::default();
    process::fill(spec, image, streams, &mut container);
    host.console_size = spec.tty_size.map(|size| vec![size.rows.into(), size.columns.into()]);
    health::fill(&spec.health, &mut container);
    limits::fill(&spec.limits, &mut host);
    mounts::fill(spec, &mut host);
    network::fill(&spec.network, chosen, &mut container, &mut host);
    security::fill(&spec.security, &mut container, &mut host);
    log::fill(&spec.log, &mut host);
    container.host_config = Some(host);
    // The model is made of texts, numbers, lists and maps with text keys: always JSON.
    serde_json::to_value(container).expect("a request of plain values is valid JSON")
}

/// Sets the driver's labels, whatever the body says about them by now. Those of a name of ours that
/// are not among `labels` are set without a value, so that the image's do not stand for them.
pub(crate) fn label(body: &mut Value, labels: &BTreeMap<String, String>) {
    if !body["Labels"].is_object() {
        body["Labels"] = Value::Object(serde_json::Map::new());
    }
    for name in LABELS {
        body["Labels"][name] = Value::from("");
    }
    for (name, value) in labels {
        body["Labels"][name] = Value::from(value.as_str());
    }
}

/// A size as the engine's signed number.
fn signed(size: ByteSize) -> i64 {
    i64::try_from(size.bytes()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
