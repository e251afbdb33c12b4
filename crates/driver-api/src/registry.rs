//! Backends by name.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Driver, Error, ErrorKind, Result};

type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn Driver>>> + Send>>;
type Open<C> = Box<dyn Fn(C) -> Opening + Send + Sync>;

/// Backends by name, each with the way to open it from a configuration `C`. It is a plain value:
/// there is no global one.
pub struct Registry<C> {
    backends: BTreeMap<String, Open<C>>,
}

impl<C> Registry<C> {
    /// No backend.
    #[must_use]
    pub fn new() -> Self {
        Self { backends: BTreeMap::new() }
    }

    /// Adds a backend.
    ///
    /// # Errors
    ///
    /// `Conflict` if the name is taken.
    pub fn register<F, O>(&mut self, name: impl Into<String>, open: F) -> Result<()>
    where
        F: Fn(C) -> O + Send + Sync + 'static,
        O: Future<Output = Result<Arc<dyn Driver>>> + Send + 'static,
    {
        let name = name.into();
        if self.backends.contains_key(&name) {
            return Err(Error::new(ErrorKind::Conflict, "register")
                .message(format!("a backend named {name:?} is registered already")));
        }
        self.backends.insert(name, Box::new(move |config| Box::pin(open(config))));
        Ok(())
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.backends.keys().map(String::as_str)
    }

    /// Opens a backend. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a name that is not registered; what the backend returns.
    pub async fn open(&self, name: &str, config: C) -> Result<Arc<dyn Driver>> {
        let Some(open) = self.backends.get(name) else {
            let known: Vec<&str> = self.names().collect();
            return Err(Error::new(ErrorKind::InvalidInput, "open").message(format!(
                "there is no backend named {name:?}; there is: {}",
                known.join(", ")
            )));
        };
        open(config).await
    }
}

impl<C> Default for Registry<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> fmt::Debug for Registry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.backends.keys()).finish()
    }
}
