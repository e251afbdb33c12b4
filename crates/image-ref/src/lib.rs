//! Container image references: the grammar and normalisation of Docker's reference implementation,
//! parsed without allocating.
//!
//! ```
//! use longshore_image_ref::{ImageRef, RefParts};
//!
//! // Borrowed: slices of the text.
//! let parts = RefParts::parse("ghcr.io/org/app:v1.2.3")?;
//! assert_eq!(parts.domain(), "ghcr.io");
//! assert_eq!(parts.path(), "org/app");
//! assert_eq!(parts.tag(), Some("v1.2.3"));
//!
//! // Owned: a value to keep, compare and send.
//! let image: ImageRef = "busybox".parse()?;
//! assert_eq!(image.canonical(), "docker.io/library/busybox");
//!
//! // An error says where and why.
//! let error = RefParts::parse("ghcr.io/org/app:").unwrap_err();
//! assert_eq!(error.offset(), 16);
//! # Ok::<(), longshore_image_ref::ParseError>(())
//! ```
//!
//! # What is a reference
//!
//! Exactly what `ParseNormalizedNamed` of Go's `distribution/reference` accepts, with the same
//! parts:
//!
//! ```text
//! reference = [ domain "/" ] path [ ":" tag ] [ "@" digest ]
//! domain    = host [ ":" digit+ ]
//! host      = label *( "." label ) | "[" ( hex | ":" )+ "]"
//! label     = letters and digits, with any number of "-" inside
//! path      = component *( "/" component )            at most 255 bytes
//! component = run *( ( "." | "_" | "__" | "-"+ ) run )
//! run       = lower-case letters and digits
//! tag       = letters, digits, "_", "." and "-"       at most 128 bytes, no "." or "-" first
//! digest    = "sha256:" 64 hex | "sha384:" 96 hex | "sha512:" 128 hex, in lower case
//! ```
//!
//! All of it is ASCII. The first of several components is the domain if it is `localhost` or has a
//! `.`, a `:` or a capital; else the domain is `docker.io`, as it is for `index.docker.io`. On
//! `docker.io` a path of one component gets `library/` before it. Exactly 64 hexadecimal digits are
//! refused, because they look like an image's id.
//!
//! No tag is added unless it is asked for ([`RefParts::with_default_tag`],
//! [`ImageRef::with_default_tag`]), and a tag beside a digest is kept.
//!
//! # Features
//!
//! - `serde` (default): [`ImageRef`] as text.

#![deny(missing_docs)]

mod bytes;
mod compat;
mod error;
mod normalize;
mod parse;
mod parts;
mod reference;
#[cfg(feature = "serde")]
mod serde;

pub use compat::parse_image;
pub use error::{Expected, ParseError};
pub use parts::{Form, RefParts, RepoPath};
pub use reference::ImageRef;
