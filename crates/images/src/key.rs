//! What makes two pulls the same.

use std::fmt;
use std::hash::{Hash, Hasher};

use longshore_driver_api::Credential;
use longshore_image_ref::ImageRef;
use sha2::{Digest, Sha256};

/// The key of a pull: two pulls are shared only if image, platform and credential are the same.
///
/// It holds a digest of the credential, never the credential.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PullKey {
    reference: ImageRef,
    platform: Option<String>,
    credential: Option<[u8; 32]>,
}

impl PullKey {
    /// The key for pulling `reference` for `platform` (such as `linux/arm64`) with `credential`.
    ///
    /// A reference without tag and digest is the one with `latest`.
    #[must_use]
    pub fn new(
        reference: &ImageRef,
        platform: Option<&str>,
        credential: Option<&Credential>,
    ) -> Self {
        Self {
            reference: reference.clone().with_default_tag(),
            platform: platform.map(str::to_owned),
            credential: credential.map(digest),
        }
    }

    /// The image.
    #[must_use]
    pub fn reference(&self) -> &ImageRef {
        &self.reference
    }
}

impl fmt::Debug for PullKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A digest of a weak password can be guessed.
        f.debug_struct("PullKey")
            .field("reference", &self.reference)
            .field("platform", &self.platform)
            .field("has_credential", &self.credential.is_some())
            .finish()
    }
}

fn digest(credential: &Credential) -> [u8; 32] {
    let mut digest = Digesting(Sha256::new());
    // Hashing a value feeds everything that equality looks at, kind and lengths included.
    credential.hash(&mut digest);
    digest.0.finalize().into()
}

/// SHA-256 as a consumer of what a value's `Hash` feeds.
struct Digesting(Sha256);

impl Hasher for Digesting {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        digest.iter().take(8).fold(0, |word, byte| word << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use longshore_driver_api::Secret;

    use super::*;

    fn key(reference: &str, platform: Option<&str>, credential: Option<&Credential>) -> PullKey {
        PullKey::new(&reference.parse().unwrap(), platform, credential)
    }

    #[test]
    fn different_credentials_platforms_and_images_do_not_share_a_pull() {
        let credentials = [
            None,
            Some(Credential::password("ann", "b")),
            Some(Credential::password("an", "nb")),
            Some(Credential::password("ann", "c")),
            Some(Credential::IdentityToken(Secret::new("b"))),
            Some(Credential::RegistryToken(Secret::new("b"))),
        ];
        let mut keys = HashSet::new();
        for image in ["busybox", "busybox:1", "ghcr.io/busybox"] {
            for platform in [None, Some("linux/amd64"), Some("linux/arm64")] {
                for credential in &credentials {
                    assert!(keys.insert(key(image, platform, credential.as_ref())));
                }
            }
        }
    }

    #[test]
    fn names_of_the_same_image_share_a_pull() {
        let credential = Credential::password("ann", "b");
        let one = key("busybox", None, Some(&credential));
        let two = key("docker.io/library/busybox:latest", None, Some(&credential.clone()));
        assert_eq!(one, two);
        assert_eq!(one.reference().tag(), Some("latest"));
    }

    #[test]
    fn debug_shows_neither_secret_nor_digest() {
        let key = key("busybox", None, Some(&Credential::password("ann", "hunter2")));
        let text = format!("{key:?}");
        assert!(text.contains("has_credential: true"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains('['), "{text}");
    }
}
