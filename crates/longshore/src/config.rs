//! One configuration for every backend.

use serde::{Deserialize, Serialize};

/// What [`open`](crate::open) opens: which backend, and a section for each.
///
/// An unknown key is an error. So is a section of a backend that this build is without.
///
/// ```
/// let config: longshore::Config = toml::from_str(r#"driver = "docker""#)?;
/// assert_eq!(config.driver.as_deref(), Some("docker"));
///
/// let error = toml::from_str::<longshore::Config>(r#"diver = "docker""#).unwrap_err();
/// assert!(error.to_string().contains("`diver`"));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The backend's name. Absent: the first that works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The Docker backend.
    #[cfg(feature = "docker")]
    pub docker: crate::docker::DockerConfig,
    /// Credentials for the registries from which the Docker backend pulls.
    #[cfg(feature = "docker")]
    pub credentials: CredentialsConfig,
    /// The backend in memory.
    #[cfg(feature = "mock")]
    pub mock: crate::MockConfig,
}

impl Config {
    /// A configuration for one backend, with its defaults.
    pub fn of(driver: impl Into<String>) -> Self {
        Self { driver: Some(driver.into()), ..Self::default() }
    }
}

/// Where credentials for registries come from, if [`DockerConfig::credentials`] is not set. The
/// first source that has one for an image's registry counts.
///
/// [`DockerConfig::credentials`]: crate::docker::DockerConfig::credentials
#[cfg(feature = "docker")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CredentialsConfig {
    /// The environment variable that holds a configuration of Docker's as its text. It is asked
    /// first; one that is not set has none. As with Fn, it is `FN_DOCKER_AUTH` by default.
    pub variable: String,
    /// Docker's configuration file. Absent: the user's own, where `docker login` writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<std::path::PathBuf>,
}

#[cfg(feature = "docker")]
impl CredentialsConfig {
    pub(crate) fn source(
        &self,
    ) -> longshore_driver_api::Result<std::sync::Arc<dyn longshore_driver_api::CredentialSource>>
    {
        use longshore_images::{Chain, ConfigFile, InlineConfig};

        let mut chain = Chain::new();
        if let Some(inline) = InlineConfig::from_env(&self.variable)? {
            chain = chain.then(inline);
        }
        let file = self.file.as_ref().map_or_else(ConfigFile::usual, ConfigFile::new);
        Ok(std::sync::Arc::new(chain.then(file)))
    }
}

#[cfg(feature = "docker")]
impl Default for CredentialsConfig {
    fn default() -> Self {
        Self { variable: "FN_DOCKER_AUTH".to_owned(), file: None }
    }
}
