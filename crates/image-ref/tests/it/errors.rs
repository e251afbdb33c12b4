//! What an error says, and how it quotes.

use longshore_image_ref::{ImageRef, RefParts, parse_image};

fn message(input: &str) -> String {
    RefParts::parse(input).expect_err(input).to_string()
}

#[test]
fn a_message_names_the_reference_the_place_and_what_belongs_there() {
    let id = "0".repeat(64);
    for (input, what) in [
        ("", "a letter or a digit at byte 0, found the end"),
        ("a//b", "a lower-case letter or a digit at byte 2, found '/'"),
        (
            "a b",
            "more of the repository name, ':' and a tag, '@' and a digest, or the end at byte 1, \
             found ' '",
        ),
        (
            "https://reg.io/a",
            "a reference that starts with the registry or the repository, without \"://\", \
             at byte 0, found a scheme",
        ),
        ("x_y:5/a", "a letter, a digit, '.' or '-' in the registry's domain at byte 1, found '_'"),
        ("[::1%0]/a", "a hexadecimal digit or ':' of an IPv6 address at byte 4, found '%'"),
        ("[::1]:/a", "a digit of the registry's port at byte 6, found '/'"),
        ("[::1]", "'/' and a repository name after the registry at byte 5, found the end"),
        ("a:", "a tag that starts with a letter, a digit or '_' at byte 2, found the end"),
        ("a:b\n", "more of the tag, '@' and a digest, or the end at byte 3, found '\\n'"),
        ("a@md5:0", "a digest with \"sha256:\", \"sha384:\" or \"sha512:\" at byte 2, found 'm'"),
        ("a@sha256:0A", "a lower-case hexadecimal digit (the digest has 64) at byte 10, found 'A'"),
        (
            &id,
            "a repository name, which an image's id is not, at byte 0, found 64 hexadecimal digits",
        ),
        (&format!("a@sha256:{id}0"), "the end after the digest's 64 digits at byte 73, found '0'"),
        (
            &format!("a:{id}{id}0"),
            "the end of the tag, which has at most 128 bytes, at byte 130, found '0'",
        ),
    ] {
        assert_eq!(message(input), format!("invalid image reference {input:?}: expected {what}"));
    }
}

#[test]
fn every_way_to_parse_gives_the_same_error() {
    let error = RefParts::parse("a:").unwrap_err();
    assert_eq!(RefParts::try_from("a:").unwrap_err(), error);
    assert_eq!(ImageRef::parse("a:").unwrap_err(), error);
    assert_eq!(ImageRef::try_from("a:").unwrap_err(), error);
    assert_eq!("a:".parse::<ImageRef>().unwrap_err(), error);
    assert_eq!(parse_image("a:").unwrap_err(), error);
}

#[test]
fn a_long_reference_is_quoted_around_the_fault() {
    let input = format!("{}/{}!{}", "a".repeat(100), "b".repeat(100), "c".repeat(100_000));
    let quote = format!("…\"{}!{}\"…", "b".repeat(60), "c".repeat(59));
    let message = message(&input);
    assert!(message.starts_with(&format!("invalid image reference {quote}: ")), "{message}");
    assert!(message.ends_with("at byte 201, found '!'"), "{message}");
}

#[test]
fn a_long_reference_with_its_fault_at_an_end_is_quoted_from_there() {
    let long = "a".repeat(1000);
    let start = message(&format!("!{long}"));
    let quote = format!("\"!{}\"…", "a".repeat(59));
    assert!(start.starts_with(&format!("invalid image reference {quote}: ")), "{start}");
    let end = message(&format!("{long}.io/a:"));
    let quote = format!("…\"{}.io/a:\"", "a".repeat(54));
    assert!(end.starts_with(&format!("invalid image reference {quote}: ")), "{end}");
}

#[test]
fn a_long_reference_is_cut_between_characters() {
    let input = "é".repeat(1000);
    assert!(message(&input).contains(&format!("\"{}\"…", "é".repeat(30))));
}
