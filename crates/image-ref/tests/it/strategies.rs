//! Generators of references, of near misses and of noise.

use proptest::prelude::*;
use proptest::sample::Index;

/// A valid reference in some spelling. (A few are longer than a repository name may be.)
pub(crate) fn reference() -> impl Strategy<Value = String> {
    (option(domain()), path(), option(tag()), option(digest())).prop_map(
        |(domain, path, tag, digest)| {
            let domain = domain.map(|domain| domain + "/").unwrap_or_default();
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
            domain + &path + &tag + &digest
        },
    )
}

/// A reference with up to three bytes put in, taken out or replaced.
pub(crate) fn near_reference() -> impl Strategy<Value = String> {
    let edit = (any::<Index>(), prop::option::of(piece()), any::<bool>());
    (reference(), prop::collection::vec(edit, 0..=3)).prop_map(|(reference, edits)| {
        let mut chars: Vec<String> = reference.chars().map(String::from).collect();
        for (index, piece, replace) in edits {
            let at = index.index(chars.len() + 1);
            let end = if replace || piece.is_none() { (at + 1).min(chars.len()) } else { at };
            chars.splice(at..end, piece.map(str::to_owned));
        }
        chars.concat()
    })
}

/// Pieces of references in any order.
pub(crate) fn noise() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..20).prop_map(|pieces| pieces.concat())
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b",
        "0",
        "9",
        "f",
        "g",
        "A",
        "Z",
        ".",
        "_",
        "__",
        "-",
        "/",
        ":",
        "@",
        "[",
        "]",
        "é",
        "\n",
        " ",
        "docker.io",
        "index.docker.io",
        "library/",
        "localhost",
        "::1",
        ":5000",
        "sha256:",
        "sha512:",
    ])
}

fn option<T: Strategy<Value = String>>(part: T) -> impl Strategy<Value = Option<String>> {
    prop::option::of(part)
}

fn domain() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("docker.io".to_owned()),
        Just("index.docker.io".to_owned()),
        "localhost(:[0-9]{1,5})?",
        "[a-z0-9]{1,8}(\\.[a-z0-9]{1,3}-{0,2}[a-z0-9]{1,3}){1,3}(:[0-9]{1,5})?",
        "[A-Z][a-zA-Z0-9]{0,5}(\\.[a-zA-Z0-9]{1,5})?(:[0-9]{1,5})?",
        "\\[[0-9a-fA-F:]{0,6}:[0-9a-fA-F:]{0,6}\\](:[0-9]{1,5})?",
        "[a-z]{1,3}_{1,2}[a-z]{1,3}\\.[a-z]{1,3}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let component = "[a-z0-9]{1,6}((\\.|_|__|-|--)[a-z0-9]{1,5}){0,3}";
    prop_oneof![
        8 => prop::collection::vec(component, 1..=4).prop_map(|components| components.join("/")),
        2 => component.prop_map(|component| format!("library/{component}")),
        1 => "[a-f0-9]{64}",
        1 => "([a-z]{1,9}/){20,60}[a-z]",
    ]
}

fn tag() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,12}",
        1 => "[0-9]{1,5}",
        1 => "[a-zA-Z0-9_][a-zA-Z0-9_.-]{127}",
    ]
}

fn digest() -> impl Strategy<Value = String> {
    prop_oneof![3 => "sha256:[0-9a-f]{64}", 1 => "sha384:[0-9a-f]{96}", 1 => "sha512:[0-9a-f]{128}"]
}
