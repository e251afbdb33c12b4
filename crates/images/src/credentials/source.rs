//! Sources that need no configuration file, and how sources are put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{Credential, CredentialSource, Error, Result, TaskHooks};
use longshore_image_ref::ImageRef;

use super::misconfigured;
use super::registry::Registry;

/// The credential for one task's image: the task's own hook is asked first, then `configured`.
///
/// Dropping the future stops the search.
///
/// # Errors
///
/// The first error of either ends the search: a pull without the credential that was meant for it
/// would only fail later, or fetch something else.
pub async fn resolve(
    hooks: &dyn TaskHooks,
    configured: &dyn CredentialSource,
    image: &ImageRef,
) -> Result<Option<Credential>> {
    match hooks.credential(image).await? {
        Some(credential) => Ok(Some(credential)),
        None => configured.credential(image).await,
    }
}

/// Credentials by registry, given in code.
#[derive(Debug, Clone, Default)]
pub struct StaticCredentials {
    by_registry: BTreeMap<Registry, Credential>,
}

impl StaticCredentials {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a registry's credential; a former one for the same registry is replaced.
    ///
    /// `registry` is a host with its port, if it has one, as it is written in an image; or a URL
    /// such as `https://host/v1/`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is neither.
    pub fn with(mut self, registry: &str, credential: Credential) -> Result<Self> {
        let host = Registry::of_key(registry).ok_or_else(|| {
            misconfigured(format!(
                "{registry:?} is not a registry's host: write `host` or `host:port`"
            ))
        })?;
        self.by_registry.insert(host, credential);
        Ok(self)
    }
}

#[async_trait]
impl CredentialSource for StaticCredentials {
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>> {
        Ok(Registry::of_image(image).and_then(|host| self.by_registry.get(&host).cloned()))
    }
}

/// Several sources, asked in order; the first credential counts.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    sources: Vec<Arc<dyn CredentialSource>>,
}

impl Chain {
    /// No sources yet: every pull is anonymous.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source, to be asked after those that are there.
    #[must_use]
    pub fn then(mut self, source: impl CredentialSource) -> Self {
        self.sources.push(Arc::new(source));
        self
    }

    /// Adds a source that could not be read: whoever asks gets this error, unless a source before it
    /// has a credential.
    #[must_use]
    pub fn then_error(self, error: Error) -> Self {
        self.then(Unreadable(error))
    }

    /// As [`then`](Self::then), for a source that is shared.
    #[must_use]
    pub fn then_shared(mut self, source: Arc<dyn CredentialSource>) -> Self {
        self.sources.push(source);
        self
    }
}

#[async_trait]
impl CredentialSource for Chain {
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>> {
        for source in &self.sources {
            if let Some(credential) = source.credential(image).await? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }
}

/// Stands for a source that could not be read.
#[derive(Debug)]
struct Unreadable(Error);

#[async_trait]
impl CredentialSource for Unreadable {
    async fn credential(&self, _image: &ImageRef) -> Result<Option<Credential>> {
        Err(self.0.duplicate())
    }
}
