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
    pub credentials: crate::CredentialsConfig,
    /// The pool of networks that are made beforehand, for tasks that ask to borrow one. Without a
    /// size there is none.
    #[cfg(feature = "prefork")]
    pub prefork: crate::prefork::PoolOptions,
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
