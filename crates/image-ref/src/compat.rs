//! Fn's way to split a reference, for code and stored data that rely on its answers.

use std::borrow::Cow;

use crate::error::ParseError;
use crate::normalize::{DEFAULT_TAG, LIBRARY};
use crate::parts::RefParts;

/// Splits a reference into registry, repository and tag, with the answers of `ParseImage` of Fn's
/// drivers.
///
/// - The registry is the first component as it is written, if it has a `.` or a `:` or is
///   `localhost`; else it is empty, which means Docker Hub. (So it is `docker.io` or
///   `index.docker.io` only where that is written, and a first component that is a domain because
///   of a capital, as in `HOST/app`, stays with the repository.)
/// - The repository is the rest, with `library/` before a name that is a single component.
/// - The tag is the digest if there is one, else the tag, else `latest`.
///
/// Two differences:
///
/// - `ParseImage` cuts a reference with a digest and no tag at the last colon, even where that
///   belongs to the registry's port or IPv6 address, and answers `("", "library/reg", "sha256:…")`
///   for `reg:5000/app@sha256:…`. Here the answer is `("reg:5000", "app", "sha256:…")`.
/// - `ParseImage` answers something for any text. Here a text that is not a reference is an error.
///
/// New code uses [`RefParts`] or [`ImageRef`](crate::ImageRef), which keep a tag beside a digest.
///
/// ```
/// use longshore_image_ref::parse_image;
///
/// let (registry, repository, tag) = parse_image("ghcr.io/org/app:v1.2.3")?;
/// assert_eq!((registry, &*repository, tag), ("ghcr.io", "org/app", "v1.2.3"));
/// let (registry, repository, tag) = parse_image("busybox")?;
/// assert_eq!((registry, &*repository, tag), ("", "library/busybox", "latest"));
/// # Ok::<(), longshore_image_ref::ParseError>(())
/// ```
///
/// # Errors
///
/// The text is not a reference; the error says where and why.
pub fn parse_image(text: &str) -> Result<(&str, Cow<'_, str>, &str), ParseError> {
    let RefParts { tag, digest, .. } = RefParts::parse(text)?;
    let suffix = |part: Option<&str>| part.map_or(0, |part| part.len() + 1);
    let name = &text[..text.len() - suffix(digest) - suffix(tag)];
    let tag = digest.or(tag).unwrap_or(DEFAULT_TAG);
    Ok(match name.split_once('/') {
        None => ("", [LIBRARY, name].concat().into(), tag),
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => {
            (first, rest.into(), tag)
        }
        Some(_) => ("", name.into(), tag),
    })
}
