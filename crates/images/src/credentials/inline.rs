//! A configuration given as text, such as in an environment variable.

use std::env;

use async_trait::async_trait;
use longshore_driver_api::{Credential, CredentialSource, Result};
use longshore_image_ref::ImageRef;

use super::config::Config;
use super::config_file::find;
use super::helper::HelperOptions;
use super::misconfigured;
use super::registry::Registry;

/// Credentials from the text of a Docker configuration (`config.json`, or the older
/// `.dockercfg`).
///
/// The rules are those of [`ConfigFile`](super::ConfigFile).
#[derive(Debug, Clone)]
pub struct InlineConfig {
    config: Config,
    helpers: HelperOptions,
}

impl InlineConfig {
    /// Reads the text.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not a configuration at all. A broken entry is an error only when
    /// its registry is asked for. No error quotes the text.
    pub fn parse(text: &str) -> Result<Self> {
        Self::named(text, "the configuration text")
    }

    /// Reads the text in the environment variable `name`, such as Fn's `FN_DOCKER_AUTH`; none if
    /// it is not set or empty.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_env(name: &str) -> Result<Option<Self>> {
        match env::var(name) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Self::named(&text, &format!("the environment variable {name}")).map(Some),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(misconfigured(format!(
                "the environment variable {name} is not text: correct it"
            ))),
        }
    }

    /// How credential helpers are run.
    #[must_use]
    pub fn helpers(mut self, options: HelperOptions) -> Self {
        self.helpers = options;
        self
    }

    fn named(text: &str, origin: &str) -> Result<Self> {
        Ok(Self { config: Config::parse(text, origin)?, helpers: HelperOptions::new() })
    }
}

#[async_trait]
impl CredentialSource for InlineConfig {
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>> {
        match Registry::of_image(image) {
            Some(registry) => find(&self.config, &registry, &self.helpers).await,
            None => Ok(None),
        }
    }
}
