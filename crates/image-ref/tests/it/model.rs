//! The rules once more, as plainly as they can be said: a model to hold the parser against.

use std::sync::OnceLock;

use longshore_image_ref::RefParts;
use regex::Regex;

/// What the model answers for a valid reference.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// The parser and the model agree on `text`.
pub(crate) fn check(text: &str) {
    let ours = RefParts::parse(text).ok().map(|parts| Answer {
        domain: parts.domain().to_owned(),
        path: parts.path().to_string(),
        tag: parts.tag().map(str::to_owned),
        digest: parts.digest().map(str::to_owned),
    });
    assert_eq!(ours, parse(text), "{text:?}");
}

/// Whether there is a reference that starts with `text`; or would be, if it were not too long.
pub(crate) fn can_go_on(text: &str) -> bool {
    let digest = format!("sha256:{}", "0".repeat(64));
    let ends = ["", "a", "/a", "a/a", "0/a", ":1/a", "]/a", "::]/a", &digest].map(str::to_owned);
    let digits = text.split_once('@').and_then(|(_, digest)| digest.split_once(':'));
    let missing = digits.map_or(0..=0, |(_, digits)| 0..=128_usize.saturating_sub(digits.len()));
    let zeros = missing.map(|count| "0".repeat(count));
    ends.into_iter().chain(zeros).any(|end| of_any_length(&(text.to_owned() + &end)).is_some())
}

fn parse(text: &str) -> Option<Answer> {
    of_any_length(text).filter(|answer| answer.path.len() <= 255)
}

fn of_any_length(text: &str) -> Option<Answer> {
    let is_id = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let captures = (!is_id).then(|| {
        grammar().captures(&normalize(text)).map(|found| {
            let part = |index| found.get(index).map(|part| part.as_str().to_owned());
            Answer {
                domain: part(1).unwrap_or_default(),
                path: part(2).unwrap_or_default(),
                tag: part(3),
                digest: part(4),
            }
        })
    });
    captures.flatten()
}

/// Adds Docker Hub's domain and `library/` where they are left out.
fn normalize(text: &str) -> String {
    let (domain, rest) = match text.split_once('/') {
        Some(("index.docker.io", rest)) => ("docker.io", rest),
        Some((first, rest)) if is_domain(first) => (first, rest),
        _ => ("docker.io", text),
    };
    let library = if domain == "docker.io" && !rest.contains('/') { "library/" } else { "" };
    format!("{domain}/{library}{rest}")
}

fn is_domain(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.contains(|char: char| char.is_ascii_uppercase())
}

fn grammar() -> &'static Regex {
    static GRAMMAR: OnceLock<Regex> = OnceLock::new();
    GRAMMAR.get_or_init(|| {
        let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
        let host = format!(r"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])");
        let component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
        let tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
        let digest = "sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}";
        let path = format!("{component}(?:/{component})*");
        let domain = format!("{host}(?::[0-9]+)?");
        let whole = format!("^(?:({domain})/)?({path})(?::({tag}))?(?:@({digest}))?$");
        Regex::new(&whole).unwrap()
    })
}

#[test]
fn the_parser_agrees_with_the_model_on_every_short_text() {
    const ALPHABET: &[u8] = b"aZ0._-/:@[]";
    let mut texts = vec![String::new()];
    let mut previous = texts.clone();
    for _ in 0..4 {
        previous = previous
            .iter()
            .flat_map(|text| {
                ALPHABET.iter().map(move |byte| format!("{text}{}", char::from(*byte)))
            })
            .collect();
        texts.extend_from_slice(&previous);
    }
    assert_eq!(texts.len(), 1 + 11 + 121 + 1331 + 14641);
    texts.iter().for_each(|text| check(text));
}

#[test]
fn the_parser_agrees_with_the_model_after_every_kind_of_start() {
    const ALPHABET: &[u8] = b"aZ0._-/:@]";
    let digest = format!("sha256:{}", "0".repeat(64));
    for start in
        ["a.b/c", "docker.io/", "localhost", "localhost:5/a", "[::1", "[ab]", "a_b.c/", "a:b"]
    {
        for first in ALPHABET {
            for second in ALPHABET {
                let text = format!("{start}{}{}", char::from(*first), char::from(*second));
                check(&text);
                check(&format!("{text}/a"));
                check(&format!("{text}@{digest}"));
            }
        }
    }
}
