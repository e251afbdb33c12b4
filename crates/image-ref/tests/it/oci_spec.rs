//! Agreement with the `oci-spec` crate, which differs from the original in known ways.

use longshore_image_ref::RefParts;
use oci_spec::distribution::Reference;
use proptest::prelude::*;

use crate::strategies::{near_reference, noise, reference};

/// The first of the known differences that `text` can show, in the order of [`DIFFERENCES`].
fn difference(text: &str) -> Option<usize> {
    let first = text.split_once('/').map_or("", |(first, _)| first);
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digest = text.split_once('@').map_or("", |(_, digest)| digest);
    [
        !text.is_ascii(),
        text.starts_with('['),
        first.bytes().any(|byte| byte.is_ascii_uppercase()) && !first.contains(['.', ':']),
        first.contains('_') && first.contains('.'),
        text.len() == 64 && text.bytes().all(is_hex),
        digest.bytes().any(|byte| byte.is_ascii_uppercase()),
    ]
    .into_iter()
    .position(|shows| shows)
}

/// Each known difference with a text that shows it.
fn examples() -> [String; 6] {
    [
        // A tag of letters beyond ASCII is accepted.
        "a:é".to_owned(),
        // IPv6 addresses are refused.
        "[::1]/a".to_owned(),
        // A first component with a capital is a namespace on Docker Hub, in spite of its capital.
        "Foo/a".to_owned(),
        // A first component with a dot and an underscore is a domain.
        "x_y.z/a".to_owned(),
        // A name that looks like an image's id is accepted.
        "0".repeat(64),
        // Capital hexadecimal digits are accepted.
        format!("a@sha256:{}", "A".repeat(64)),
    ]
}

type Parts = (String, String, Option<String>, Option<String>);

fn ours(text: &str) -> Option<Parts> {
    // It always adds the default tag.
    let parts = RefParts::parse(text).ok()?.with_default_tag();
    let owned = |part: &str| part.to_owned();
    Some((
        parts.domain().to_owned(),
        parts.path().to_string(),
        parts.tag().map(owned),
        parts.digest().map(owned),
    ))
}

fn theirs(text: &str) -> Option<Parts> {
    let parts = Reference::try_from(text).ok()?;
    let owned = |part: &str| part.to_owned();
    Some((
        parts.registry().to_owned(),
        parts.repository().to_owned(),
        parts.tag().map(owned),
        parts.digest().map(owned),
    ))
}

fn check(text: &str) {
    if difference(text).is_none() {
        assert_eq!(ours(text), theirs(text), "{text:?}");
    }
}

#[test]
fn every_known_difference_is_still_one() {
    for (index, text) in examples().iter().enumerate() {
        assert_eq!(difference(text), Some(index), "{text:?}");
        assert_ne!(ours(text), theirs(text), "{text:?}");
    }
}

proptest! {
    #[test]
    fn references_are_read_alike(text in reference()) {
        check(&text);
    }

    #[test]
    fn near_references_are_read_alike(text in near_reference()) {
        check(&text);
    }

    #[test]
    fn noise_is_read_alike(text in noise()) {
        check(&text);
    }
}
