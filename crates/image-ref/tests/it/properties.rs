//! What holds for every text, and for every reference.

use longshore_image_ref::{Expected, ImageRef, ParseError, RefParts};
use proptest::prelude::*;

use crate::model;
use crate::strategies::{near_reference, noise, reference};

/// What holds for every text, reference or not.
fn check(text: &str) {
    model::check(text);
    match RefParts::parse(text) {
        Ok(parts) => check_parts(text, parts),
        Err(error) => check_error(text, &error),
    }
}

fn check_parts(text: &str, parts: RefParts<'_>) {
    let canonical = parts.canonical().to_string();
    assert_eq!(RefParts::parse(&canonical), Ok(parts), "{text:?}");
    assert_eq!(canonical, parts.to_string());

    let owned = ImageRef::parse(text).unwrap();
    assert_eq!(owned, ImageRef::from(parts));
    assert_eq!(owned.parts(), parts, "{text:?}");
    assert_eq!(owned.canonical(), canonical);
    assert_eq!(owned.to_string().parse(), Ok(owned.clone()));
    assert_eq!(owned.domain(), parts.domain());
    assert_eq!(parts.path(), owned.path());
    assert_eq!(owned.tag(), parts.tag());
    assert_eq!(owned.digest(), parts.digest());
    assert_eq!(owned.name(), parts.name().to_string());

    let familiar = parts.familiar().to_string();
    assert_eq!(familiar, owned.familiar().to_string());
    assert!(canonical.ends_with(&familiar));
    assert_eq!(RefParts::parse(&familiar) == Ok(parts), !familiar_is_ambiguous(&owned), "{text:?}");

    let tagged = owned.clone().with_default_tag();
    let added = owned.tag().is_none() && owned.digest().is_none();
    assert_eq!(tagged.tag(), if added { Some("latest") } else { owned.tag() });
    assert_eq!((tagged.name(), tagged.digest()), (owned.name(), owned.digest()));
    assert_eq!(ImageRef::from(parts.with_default_tag()), tagged);
}

/// Whether the short form of a name on Docker Hub means something else, by the documented rule.
fn familiar_is_ambiguous(image: &ImageRef) -> bool {
    let official = image.path().strip_prefix("library/").filter(|name| !name.contains('/'));
    image.is_docker_hub()
        && match (official, image.path().split_once('/')) {
            (Some(name), _) => {
                image.tag().is_none()
                    && image.digest().is_none()
                    && name.len() == 64
                    && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }
            (None, Some((namespace, _))) => namespace == "localhost" || namespace.contains('.'),
            (None, None) => panic!("a path of one component on Docker Hub: {image}"),
        }
}

/// An error points at the first byte with which no reference goes on, or at one before it that
/// says more (a capital, a scheme, the start of an algorithm).
fn check_error(text: &str, error: &ParseError) {
    let offset = error.offset();
    assert!(text.is_char_boundary(offset), "{error}");
    assert_eq!(error.found(), text[offset..].chars().next());
    let message = error.to_string();
    assert!(!message.contains('\n'));
    assert!(message.len() < 1000, "{message}");
    assert!(can_go_on(&text[..offset]), "{error}");
}

/// Whether there is a reference that starts with `text`; or would be, if it were not too long.
fn can_go_on(text: &str) -> bool {
    let digest = format!("sha256:{}", "0".repeat(64));
    let ends = ["", "a", "/a", "a/a", "0/a", ":1/a", "]/a", "::]/a", &digest].map(str::to_owned);
    let digits = text.split_once('@').and_then(|(_, digest)| digest.split_once(':'));
    let missing = digits.map_or(0..=0, |(_, digits)| 0..=128_usize.saturating_sub(digits.len()));
    let zeros = missing.map(|count| "0".repeat(count));
    ends.into_iter().chain(zeros).map(|end| text.to_owned() + &end).any(|longer| {
        let error = RefParts::parse(&longer).err();
        error.is_none_or(|error| error.expected() == Expected::ShorterName)
    })
}

proptest! {
    #[test]
    fn references_keep_their_meaning_in_every_form(text in reference()) {
        check(&text);
    }

    #[test]
    fn near_references_are_read_as_the_rules_say(text in near_reference()) {
        check(&text);
    }

    #[test]
    fn noise_is_read_as_the_rules_say(text in noise()) {
        check(&text);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn generated_references_are_valid_unless_too_long_or_an_id(text in reference()) {
        if let Err(error) = RefParts::parse(&text) {
            let known = [Expected::ShorterName, Expected::NotAnId];
            prop_assert!(known.contains(&error.expected()), "{}", error);
        }
    }
}

#[test]
fn references_are_equal_if_and_only_if_their_canonical_forms_are() {
    let mut texts = vec![String::new()];
    for pieces in [
        &["", "docker.io/", "index.docker.io/", "reg.io/"][..],
        &["", "library/", "a/"],
        &["a", "b"],
        &["", ":latest", ":b"],
    ] {
        texts = texts
            .iter()
            .flat_map(|text| pieces.iter().map(move |piece| text.to_owned() + piece))
            .collect();
    }
    for a in &texts {
        for b in &texts {
            let [a, b] = [a, b].map(|text| RefParts::parse(text).unwrap());
            let equal = a.to_string() == b.to_string();
            assert_eq!(a == b, equal, "{a} {b}");
            assert_eq!(ImageRef::from(a) == ImageRef::from(b), equal, "{a} {b}");
        }
    }
}

#[test]
fn a_path_equals_the_text_that_it_stands_for() {
    let path = |text| RefParts::parse(text).unwrap().path();
    assert_eq!(path("busybox"), path("library/busybox"));
    assert_eq!(path("docker.io/library/busybox"), path("busybox"));
    assert_ne!(path("busybox"), path("a/busybox"));
    assert_ne!(path("busybox"), path("reg.io/busybox"));
    assert_eq!(path("busybox"), "library/busybox");
    assert_ne!(path("busybox"), "busybox");
    assert_eq!((path("busybox").prefix(), path("busybox").written()), ("library/", "busybox"));
    assert_eq!((path("a/b").prefix(), path("a/b").written()), ("", "a/b"));
}
