//! Credentials for registries, and where they come from.

use std::fmt;

use async_trait::async_trait;
use longshore_image_ref::ImageRef;

use crate::Result;

/// A secret text: it shows itself to nobody but the one who asks for it by name.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// What is shown to a registry.
///
/// It is sent only to the registry host of the image that it was found for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// A user's name and password, or an access token in the password's place.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A token that the registry's authority exchanges for an access token.
    IdentityToken(Secret),
    /// A bearer token that the registry takes as it is.
    RegistryToken(Secret),
}

impl Credential {
    /// A user's name and password.
    pub fn password(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Password { username: username.into(), password: Secret::new(password) }
    }
}

/// Finds the credential for an image.
///
/// `Ok(None)` means that there is none: the pull is then anonymous. An error stops the pull.
/// Dropping the future stops the search.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// The credential for the registry that holds `image`.
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>>;
}

/// No credential for any image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

#[async_trait]
impl CredentialSource for Anonymous {
    async fn credential(&self, _image: &ImageRef) -> Result<Option<Credential>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_a_secret() {
        let all = [
            Credential::password("ann", "hunter2"),
            Credential::IdentityToken(Secret::new("hunter2")),
            Credential::RegistryToken(Secret::new("hunter2")),
        ];
        assert!(!format!("{all:?}").contains("hunter2"));
    }
}
