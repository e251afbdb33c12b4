//! Where credentials for registries come from.

mod config;
mod config_file;
mod helper;
mod inline;
mod registry;
mod source;
#[cfg(test)]
mod tests;

pub use config_file::ConfigFile;
pub use helper::HelperOptions;
pub use inline::InlineConfig;
pub use source::{Chain, StaticCredentials, resolve};

use longshore_driver_api::{Error, ErrorKind};

/// An error of a configuration, found when a credential is looked for.
fn misconfigured(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, "find credential").message(message)
}
