//! Where credentials for registries come from.

use std::path::PathBuf;
use std::sync::Arc;

use longshore_driver_api::CredentialSource;
use longshore_images::{Chain, ConfigFile, InlineConfig};
use serde::{Deserialize, Serialize};

/// Where credentials for registries come from, if [`DockerConfig::credentials`] is not set. The
/// first source that has one for an image's registry counts.
///
/// [`DockerConfig::credentials`]: crate::docker::DockerConfig::credentials
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CredentialsConfig {
    /// The environment variable that holds a configuration of Docker's as its text. It is asked
    /// first; one that is not set has none. As with Fn, it is `FN_DOCKER_AUTH` by default.
    pub variable: String,
    /// Docker's configuration file. Absent: the user's own, where `docker login` writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl CredentialsConfig {
    /// The sources, put together. The variable is read now, and what is wrong with it stays unsaid
    /// until a credential is asked for: whoever pulls nothing needs none.
    #[must_use]
    pub fn source(&self) -> Arc<dyn CredentialSource> {
        let chain = match InlineConfig::from_env(&self.variable) {
            Ok(Some(inline)) => Chain::new().then(inline),
            Ok(None) => Chain::new(),
            Err(error) => Chain::new().then_error(error),
        };
        let file = self.file.as_ref().map_or_else(ConfigFile::usual, ConfigFile::new);
        Arc::new(chain.then(file))
    }
}

impl Default for CredentialsConfig {
    fn default() -> Self {
        Self { variable: "FN_DOCKER_AUTH".to_owned(), file: None }
    }
}
