//! The owned form: the canonical text and where its parts end.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::ParseError;
use crate::normalize::DOCKER_HUB;
use crate::parts::{Form, RefParts, RepoPath};

/// An image reference that owns its text. Clones share it.
///
/// It is kept, compared, ordered, hashed and displayed in its [canonical](Self::canonical) form.
///
/// ```
/// use longshore_image_ref::ImageRef;
///
/// let image: ImageRef = "busybox".parse()?;
/// assert_eq!(image.to_string(), "docker.io/library/busybox");
/// assert_eq!(image.familiar().to_string(), "busybox");
/// assert_eq!(image.with_default_tag().canonical(), "docker.io/library/busybox:latest");
/// # Ok::<(), longshore_image_ref::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    // The canonical form, which alone decides the lengths below.
    text: Arc<str>,
    domain_len: usize,
    path_len: u8,
    // 0 without a tag.
    tag_len: u8,
}

impl ImageRef {
    /// Parses and normalises a reference.
    ///
    /// # Errors
    ///
    /// The text is not a reference; the error says where and why.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        RefParts::parse(text).map(Self::from)
    }

    /// The full form: domain, path, then the tag and the digest that are given.
    ///
    /// Parsed again, it gives an equal reference.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.text
    }

    /// The form that Docker shows; see [`RefParts::familiar`], also for its ambiguity.
    #[must_use]
    pub fn familiar(&self) -> Form<'_> {
        self.parts().familiar()
    }

    /// The domain and the path alone, as `docker.io/library/busybox`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[..self.path_end()]
    }

    /// The registry's host name or address, with its port if one is written; see
    /// [`RefParts::domain`].
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[..self.domain_len]
    }

    /// The repository's name within its registry, as `library/busybox`: 1 to 255 bytes.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text[self.path_end() - usize::from(self.path_len)..self.path_end()]
    }

    /// The tag, 1 to 128 bytes, if one is given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        let start = self.path_end() + 1;
        (self.tag_len > 0).then(|| &self.text[start..start + usize::from(self.tag_len)])
    }

    /// The digest with its algorithm, as `sha256:…`, if one is given.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        let tag_end =
            self.path_end() + if self.tag_len > 0 { 1 + usize::from(self.tag_len) } else { 0 };
        self.text.get(tag_end + 1..)
    }

    /// Whether the registry is Docker Hub; see [`RefParts::is_docker_hub`].
    #[must_use]
    pub fn is_docker_hub(&self) -> bool {
        self.domain() == DOCKER_HUB
    }

    /// The same with the tag `latest`, if it has neither a tag nor a digest.
    #[must_use]
    pub fn with_default_tag(self) -> Self {
        let parts = self.parts();
        let tagged = parts.with_default_tag();
        if tagged == parts { self } else { tagged.into() }
    }

    /// The parts, borrowed.
    #[must_use]
    pub fn parts(&self) -> RefParts<'_> {
        RefParts {
            domain: self.domain(),
            path: RepoPath { library: false, written: self.path() },
            tag: self.tag(),
            digest: self.digest(),
        }
    }

    fn path_end(&self) -> usize {
        let slash = usize::from(self.domain_len > 0);
        self.domain_len + slash + usize::from(self.path_len)
    }
}

impl From<RefParts<'_>> for ImageRef {
    fn from(parts: RefParts<'_>) -> Self {
        let length = |part: usize| {
            u8::try_from(part).expect("the parser bounds a path to 255 bytes and a tag to 128")
        };
        Self {
            text: parts.canonical().pieces().concat().into(),
            domain_len: parts.domain.len(),
            path_len: length(parts.path.len()),
            tag_len: length(parts.tag.map_or(0, str::len)),
        }
    }
}

impl FromStr for ImageRef {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for ImageRef {
    type Error = ParseError;

    fn try_from(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl AsRef<str> for ImageRef {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ImageRef").field(&self.text).finish()
    }
}
