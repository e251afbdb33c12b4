//! The borrowed form: the parts of a reference as slices of the text that was parsed.

use std::fmt;

use crate::error::ParseError;
use crate::normalize::{DEFAULT_TAG, DOCKER_HUB, LIBRARY, official_image};

/// The parts of an image reference, borrowed from the text. Parsing allocates nothing.
///
/// The parts are normalised: a name without a registry has the domain `docker.io`, and the Hub's
/// `library/` is there even where the text leaves it out. Two references are equal if their
/// [canonical](Self::canonical) forms are. [`Display`] writes the canonical form.
///
/// ```
/// use longshore_image_ref::RefParts;
///
/// let parts = RefParts::parse("busybox:1.36")?;
/// assert_eq!(parts.domain(), "docker.io");
/// assert_eq!(parts.path(), "library/busybox");
/// assert_eq!(parts.tag(), Some("1.36"));
/// assert_eq!(parts, RefParts::parse("docker.io/library/busybox:1.36")?);
/// # Ok::<(), longshore_image_ref::ParseError>(())
/// ```
///
/// [`Display`]: fmt::Display
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefParts<'a> {
    pub(crate) domain: &'a str,
    pub(crate) path: RepoPath<'a>,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: Option<&'a str>,
}

/// A repository's name without its domain, as `library/` (where the text leaves it out) and what is
/// written.
///
/// It compares with text, and [`Display`](fmt::Display) writes it, as the whole that it stands for.
#[derive(Clone, Copy)]
pub struct RepoPath<'a> {
    pub(crate) library: bool,
    pub(crate) written: &'a str,
}

/// A reference in one of its written forms, for [`Display`](fmt::Display). Writing it allocates
/// nothing.
#[derive(Clone, Copy)]
pub struct Form<'a>(RefParts<'a>);

impl<'a> RefParts<'a> {
    /// Parses and normalises a reference.
    ///
    /// # Errors
    ///
    /// The text is not a reference; the error says where and why.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        crate::parse::parse(text).map_err(|fault| ParseError::new(text, fault))
    }

    /// The registry's host name or address, with its port if one is written; `docker.io` for Docker
    /// Hub.
    ///
    /// It is empty for a first component like that of `x_y.z/app`: its dot keeps it from being a
    /// namespace on Docker Hub, and its underscore from being a domain. Such a reference names no
    /// registry.
    #[must_use]
    pub fn domain(&self) -> &'a str {
        self.domain
    }

    /// The repository's name within its registry: 1 to 255 bytes.
    #[must_use]
    pub fn path(&self) -> RepoPath<'a> {
        self.path
    }

    /// The tag, 1 to 128 bytes, if one is given.
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        self.tag
    }

    /// The digest with its algorithm, as `sha256:…`, if one is given.
    #[must_use]
    pub fn digest(&self) -> Option<&'a str> {
        self.digest
    }

    /// Whether the registry is Docker Hub. With a port written, as in `docker.io:443/app`, it is
    /// not.
    #[must_use]
    pub fn is_docker_hub(&self) -> bool {
        self.domain == DOCKER_HUB
    }

    /// The same with the tag `latest`, if it has neither a tag nor a digest.
    #[must_use]
    pub fn with_default_tag(self) -> Self {
        let tag = if self.digest.is_none() { self.tag.or(Some(DEFAULT_TAG)) } else { self.tag };
        Self { tag, ..self }
    }

    /// The full form: domain, path, then the tag and the digest that are given.
    #[must_use]
    pub fn canonical(&self) -> Form<'a> {
        Form(*self)
    }

    /// The domain and the path alone.
    #[must_use]
    pub fn name(&self) -> Form<'a> {
        Form(Self { tag: None, digest: None, ..*self })
    }

    /// The form that Docker shows: without `docker.io/`, and without `library/` before an official
    /// image.
    ///
    /// It means the same reference when it is parsed again, but for three kinds of names on Docker
    /// Hub, which the reference implementation shortens all the same: those with a dot in their
    /// namespace (`docker.io/a.b/app` becomes `a.b/app`), those in the namespace `localhost`, and
    /// an official image named with 64 hexadecimal digits. To store a reference, use the canonical
    /// form.
    #[must_use]
    pub fn familiar(&self) -> Form<'a> {
        if !self.is_docker_hub() {
            return Form(*self);
        }
        let written = self.path.written;
        let written =
            if self.path.library { written } else { official_image(written).unwrap_or(written) };
        Form(Self { domain: "", path: RepoPath { library: false, written }, ..*self })
    }
}

impl<'a> TryFrom<&'a str> for RefParts<'a> {
    type Error = ParseError;

    fn try_from(text: &'a str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl fmt::Display for RefParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.canonical().fmt(f)
    }
}

impl<'a> RepoPath<'a> {
    /// `library/` where the text leaves it out, else nothing.
    #[must_use]
    pub fn prefix(&self) -> &'static str {
        if self.library { LIBRARY } else { "" }
    }

    /// What the text has of the path: all that follows the [prefix](Self::prefix).
    #[must_use]
    pub fn written(&self) -> &'a str {
        self.written
    }

    pub(crate) fn len(&self) -> usize {
        self.prefix().len() + self.written.len()
    }
}

impl PartialEq for RepoPath<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.library, other.library) {
            (true, false) => other.written.strip_prefix(LIBRARY) == Some(self.written),
            (false, true) => self.written.strip_prefix(LIBRARY) == Some(other.written),
            _ => self.written == other.written,
        }
    }
}

impl Eq for RepoPath<'_> {}

impl PartialEq<str> for RepoPath<'_> {
    fn eq(&self, other: &str) -> bool {
        other.strip_prefix(self.prefix()) == Some(self.written)
    }
}

impl PartialEq<&str> for RepoPath<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for RepoPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix())?;
        f.write_str(self.written)
    }
}

impl fmt::Debug for RepoPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl<'a> Form<'a> {
    /// The pieces whose concatenation is the form.
    pub(crate) fn pieces(&self) -> [&'a str; 8] {
        let RefParts { domain, path, tag, digest } = self.0;
        [
            domain,
            if domain.is_empty() { "" } else { "/" },
            path.prefix(),
            path.written,
            if tag.is_some() { ":" } else { "" },
            tag.unwrap_or(""),
            if digest.is_some() { "@" } else { "" },
            digest.unwrap_or(""),
        ]
    }
}

impl fmt::Display for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().into_iter().try_for_each(|piece| f.write_str(piece))
    }
}

impl fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
