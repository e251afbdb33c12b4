//! Where the engine itself keeps the output.

use bollard::models::{HostConfig, HostConfigLogConfig};
use longshore_driver_api::LogDriver;

pub(super) fn fill(log: &LogDriver, host: &mut HostConfig) {
    let options = log.options.iter().map(|(name, value)| (name.clone(), value.clone()));
    host.log_config = Some(HostConfigLogConfig {
        typ: Some(log.driver.clone()),
        config: Some(options.collect()),
    });
}
