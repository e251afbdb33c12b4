//! Why a text is no reference: where it goes wrong, and what would have been right there.

use std::fmt;

/// The text is not a valid image reference.
///
/// The message quotes the reference (a piece around the fault if it is long), and says what was
/// expected at which byte:
///
/// ```
/// use longshore_image_ref::{Expected, RefParts};
///
/// let error = RefParts::parse("ghcr.io/Org/app").unwrap_err();
/// assert_eq!(error.offset(), 8);
/// assert_eq!(error.expected(), Expected::LowerCaseOrDigit);
/// assert_eq!(
///     error.to_string(),
///     "invalid image reference \"ghcr.io/Org/app\": \
///      expected a lower-case letter or a digit at byte 8, found 'O'",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    offset: usize,
    expected: Expected,
    found: Option<char>,
    quote: Box<str>,
}

/// What would have been right at the place where a reference goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expected {
    /// A letter or a digit: the start of the reference, or what follows a separator in its first
    /// component.
    LetterOrDigit,
    /// A lower-case letter or a digit: a component of the repository name, which has no capitals.
    LowerCaseOrDigit,
    /// More of the repository name, a tag, a digest, or the end.
    RepositoryName,
    /// The end of a repository name that is already 255 bytes long (with `library/`, where that is
    /// left out).
    ShorterName,
    /// A name other than exactly 64 hexadecimal digits, which would look like an image's id.
    NotAnId,
    /// No `scheme://` before the reference.
    NoScheme,
    /// A letter, a digit, `.` or `-`: a registry's domain has no underscore.
    Domain,
    /// A hexadecimal digit or `:` of an IPv6 address.
    Ipv6,
    /// A digit of the registry's port.
    Port,
    /// `/` and a repository name after the registry's address.
    Slash,
    /// A letter, a digit or `_` to start a tag.
    TagStart,
    /// More of the tag, a digest, or the end.
    Tag,
    /// The end of a tag that is already 128 bytes long.
    ShorterTag,
    /// A digest of a known algorithm: `sha256:`, `sha384:` or `sha512:`.
    DigestAlgorithm,
    /// A lower-case hexadecimal digit of a digest that has this many.
    DigestDigit(u8),
    /// The end of the reference after a digest, which has this many digits.
    DigestEnd(u8),
}

/// A fault as the parser finds it, without a copy of anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    pub(crate) expected: Expected,
}

/// References up to this many bytes are quoted whole, which is more than any sensible one has.
const QUOTED_WHOLE: usize = 160;
/// How much of a longer one is quoted on either side of the fault.
const QUOTED_AROUND: usize = 60;

impl ParseError {
    #[cold]
    pub(crate) fn new(text: &str, Fault { offset, expected }: Fault) -> Self {
        Self {
            offset,
            expected,
            found: text.get(offset..).and_then(|rest| rest.chars().next()),
            quote: quote(text, offset).into(),
        }
    }

    /// The first byte at fault, counted from 0 in the text that was parsed. It is the text's length
    /// where something is missing at its end.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What would have been right at [`offset`](Self::offset).
    #[must_use]
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// The character found instead; `None` at the end of the text.
    #[must_use]
    pub fn found(&self) -> Option<char> {
        self.found
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, expected, found, quote } = self;
        write!(f, "invalid image reference {quote}: expected {expected} at byte {offset}, found ")?;
        match (expected, found) {
            (Expected::NotAnId, _) => f.write_str("64 hexadecimal digits"),
            (Expected::NoScheme, _) => f.write_str("a scheme"),
            (_, Some(found)) => write!(f, "{found:?}"),
            (_, None) => f.write_str("the end"),
        }
    }
}

impl std::error::Error for ParseError {}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LetterOrDigit => "a letter or a digit",
            Self::LowerCaseOrDigit => "a lower-case letter or a digit",
            Self::RepositoryName => {
                "more of the repository name, ':' and a tag, '@' and a digest, or the end"
            }
            Self::ShorterName => "the end of the repository name, which has at most 255 bytes,",
            Self::NotAnId => "a repository name, which an image's id is not,",
            Self::NoScheme => {
                "a reference that starts with the registry or the repository, without \"://\","
            }
            Self::Domain => "a letter, a digit, '.' or '-' in the registry's domain",
            Self::Ipv6 => "a hexadecimal digit or ':' of an IPv6 address",
            Self::Port => "a digit of the registry's port",
            Self::Slash => "'/' and a repository name after the registry",
            Self::TagStart => "a tag that starts with a letter, a digit or '_'",
            Self::Tag => "more of the tag, '@' and a digest, or the end",
            Self::ShorterTag => "the end of the tag, which has at most 128 bytes,",
            Self::DigestAlgorithm => "a digest with \"sha256:\", \"sha384:\" or \"sha512:\"",
            Self::DigestDigit(count) => {
                return write!(f, "a lower-case hexadecimal digit (the digest has {count})");
            }
            Self::DigestEnd(count) => {
                return write!(f, "the end after the digest's {count} digits");
            }
        })
    }
}

/// `text` in quotation marks, escaped; if it is long, the piece around `offset`, with an ellipsis
/// for what is left out.
fn quote(text: &str, offset: usize) -> String {
    if text.len() <= QUOTED_WHOLE {
        return format!("{text:?}");
    }
    let start = text.floor_char_boundary(offset.saturating_sub(QUOTED_AROUND));
    let end = text.ceil_char_boundary(offset.saturating_add(QUOTED_AROUND).min(text.len()));
    let before = if start > 0 { "…" } else { "" };
    let after = if end < text.len() { "…" } else { "" };
    format!("{before}{:?}{after}", &text[start..end])
}
