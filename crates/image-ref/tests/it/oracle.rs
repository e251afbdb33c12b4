//! Every answer of the original, from `tests/data/references.tsv`.

use longshore_image_ref::{Expected, ImageRef, ParseError, RefParts};

use crate::model;

/// One line of the table.
pub(crate) struct Case {
    pub(crate) input: String,
    pub(crate) answer: Result<Answer, String>,
}

/// What the originals answer for a valid reference.
pub(crate) struct Answer {
    domain: String,
    path: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
    familiar: String,
    pub(crate) parse_image: [String; 3],
}

/// The whole table.
pub(crate) fn cases() -> Vec<Case> {
    let lines = include_str!("../data/references.tsv").lines();
    lines.filter(|line| !line.starts_with('#')).map(case).collect()
}

fn case(line: &str) -> Case {
    let columns: Vec<&str> = line.split('\t').collect();
    let input = unescape(columns[0]);
    if let Some(error) = columns[1].strip_prefix('!') {
        return Case { input, answer: Err(error.to_owned()) };
    }
    let [_, domain, path, tag, digest, familiar, registry, repository, old_tag] = columns[..]
    else {
        panic!("a line of 9 columns: {line:?}");
    };
    let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let short = |column: &str, sign: &str, meaning: &str| {
        if column == sign { meaning.to_owned() } else { column.to_owned() }
    };
    let after_at = input.split_once('@').map_or("", |(_, digest)| digest);
    let digest = part(&short(digest, "@", after_at));
    let tag = part(tag);
    let answered_tag = digest.as_deref().or(tag.as_deref()).unwrap_or("latest");
    let answer = Answer {
        familiar: short(familiar, "=", &input),
        parse_image: [
            short(registry, "=", domain),
            short(repository, "=", path),
            short(old_tag, "=", answered_tag),
        ],
        domain: domain.to_owned(),
        path: path.to_owned(),
        tag,
        digest,
    };
    Case { input, answer: Ok(answer) }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        out.push(match char {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('\\') => '\\',
                other => panic!("an unknown escape {other:?} in {text:?}"),
            },
            other => other,
        });
    }
    out
}

fn join(domain: &str, path: &str, tag: Option<&str>, digest: Option<&str>) -> String {
    let mut text = String::new();
    if !domain.is_empty() {
        text += &format!("{domain}/");
    }
    text += path;
    if let Some(tag) = tag {
        text += &format!(":{tag}");
    }
    if let Some(digest) = digest {
        text += &format!("@{digest}");
    }
    text
}

#[test]
fn the_table_is_whole() {
    let cases = cases();
    assert_eq!(cases.len(), 4000);
    assert_eq!(cases.iter().filter(|case| case.answer.is_ok()).count(), 2452);
}

#[test]
fn every_valid_reference_has_the_originals_parts_and_forms() {
    for Case { input, answer } in cases() {
        let Ok(answer) = answer else { continue };
        let (tag, digest) = (answer.tag.as_deref(), answer.digest.as_deref());
        let canonical = join(&answer.domain, &answer.path, tag, digest);
        let default = if digest.is_some() { None } else { Some("latest") };
        let tagged = join(&answer.domain, &answer.path, tag.or(default), digest);

        let parts = RefParts::parse(&input).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(parts.domain(), answer.domain, "{input:?}");
        assert_eq!(parts.path(), *answer.path, "{input:?}");
        assert_eq!(parts.path().to_string(), answer.path, "{input:?}");
        assert_eq!(parts.tag(), tag, "{input:?}");
        assert_eq!(parts.digest(), digest, "{input:?}");
        assert_eq!(parts.familiar().to_string(), answer.familiar, "{input:?}");
        assert_eq!(parts.canonical().to_string(), canonical, "{input:?}");
        assert_eq!(parts.with_default_tag().to_string(), tagged, "{input:?}");
        assert_eq!(parts.name().to_string(), join(&answer.domain, &answer.path, None, None));

        let owned = ImageRef::parse(&input).unwrap();
        assert_eq!(owned.domain(), answer.domain, "{input:?}");
        assert_eq!(owned.path(), answer.path, "{input:?}");
        assert_eq!(owned.tag(), tag, "{input:?}");
        assert_eq!(owned.digest(), digest, "{input:?}");
        assert_eq!(owned.familiar().to_string(), answer.familiar, "{input:?}");
        assert_eq!(owned.canonical(), canonical, "{input:?}");
        assert_eq!(owned.name(), join(&answer.domain, &answer.path, None, None));
        assert_eq!(owned.with_default_tag().canonical(), tagged, "{input:?}");
    }
}

#[test]
fn every_invalid_reference_is_refused_for_the_originals_reason() {
    for Case { input, answer } in cases() {
        let Err(reason) = answer else { continue };
        let error = RefParts::parse(&input).expect_err(&input);
        let expected = error.expected();
        let agrees = match reason.as_str() {
            "repository name must not be more than 255 characters" => {
                expected == Expected::ShorterName
            }
            "invalid repository name, cannot specify 64-byte hexadecimal strings" => {
                expected == Expected::NotAnId
            }
            "unsupported digest algorithm" => expected == Expected::DigestAlgorithm,
            // It means capitals: among the digits or in the algorithm.
            "invalid checksum digest format" if input.contains("@SHA") => {
                expected == Expected::DigestAlgorithm
            }
            "invalid checksum digest format" => matches!(expected, Expected::DigestDigit(_)),
            "invalid checksum digest length" => {
                matches!(expected, Expected::DigestDigit(_) | Expected::DigestEnd(_))
            }
            // It looks for capitals before anything else; here the first fault is named.
            "invalid reference format: repository name must be lowercase" => {
                input.bytes().any(|byte| byte.is_ascii_uppercase())
                    && is_first_fault(&input, &error)
            }
            "invalid reference format" => is_first_fault(&input, &error),
            other => panic!("a reason that this test doesn't know: {other}"),
        };
        assert!(agrees, "{reason} against {error}");
    }
}

/// Whether an error stands where a text stops to be the start of a reference, or at what it documents
/// to say before that; and names what is not there.
///
/// The original names no place. The model of the rules, which agrees with it on every line, gives it.
fn is_first_fault(text: &str, error: &ParseError) -> bool {
    let (before, after) = text.split_at(error.offset());
    let found = after.chars().next();
    let next = &text[..error.offset() + found.map_or(0, char::len_utf8)];
    let first = model::can_go_on(before) && (found.is_none() || !model::can_go_on(next));
    let isnt = |good: &dyn Fn(char) -> bool| !found.is_some_and(good);
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    match error.expected() {
        // Behind a separator; or there is no way to go on without a capital that is there already.
        Expected::LetterOrDigit => first && isnt(&|c| c.is_ascii_alphanumeric()),
        Expected::LowerCaseOrDigit if found.is_some_and(|c| c.is_ascii_uppercase()) => {
            model::can_go_on(before)
        }
        Expected::LowerCaseOrDigit => first && isnt(&lower),
        Expected::RepositoryName => {
            first && found.is_some() && isnt(&|c| lower(c) || "/:@".contains(c))
        }
        Expected::NoScheme => before.is_empty() && text.contains("://"),
        Expected::Domain => found == Some('_') && text.contains(":"),
        Expected::Ipv6 => first && before.starts_with('[') && isnt(&|c| c.is_ascii_hexdigit()),
        Expected::Port => first && before.ends_with(':') && isnt(&|c| c.is_ascii_digit()),
        Expected::Slash => first && isnt(&|c| c == '/'),
        Expected::TagStart => {
            first && before.ends_with(':') && isnt(&|c| c.is_ascii_alphanumeric() || c == '_')
        }
        Expected::Tag => first && isnt(&|c| c.is_ascii_alphanumeric() || "_.-@".contains(c)),
        Expected::ShorterTag => {
            first && before.rsplit(':').next().is_some_and(|tag| tag.len() == 128)
        }
        Expected::DigestAlgorithm => {
            let known = ["sha256:", "sha384:", "sha512:"];
            before.ends_with('@') && !known.iter().any(|known| after.starts_with(known))
        }
        Expected::DigestDigit(_) => {
            first && isnt(&|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
        }
        Expected::DigestEnd(_) => first && found.is_some(),
        // More may be wrong behind it.
        Expected::ShorterName => {
            let longest = RefParts::parse(before).map(|parts| parts.path().to_string().len());
            longest == Ok(255) && model::can_go_on(next)
        }
        // The original has words of its own for what is no longer about the form.
        _ => false,
    }
}
