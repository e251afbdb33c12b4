//! The grammar's corners, by hand: limits, hosts, Docker Hub's spellings.

use longshore_image_ref::{Expected, ImageRef, RefParts};

fn valid(input: &str, domain: &str, path: &str, tag: Option<&str>) {
    let parts = RefParts::parse(input).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parts.domain(), domain, "{input:?}");
    assert_eq!(parts.path(), path, "{input:?}");
    assert_eq!(parts.tag(), tag, "{input:?}");
}

fn invalid(input: &str, offset: usize, expected: Expected) {
    let error = RefParts::parse(input).expect_err(input);
    assert_eq!((error.offset(), error.expected()), (offset, expected), "{error}");
}

#[test]
fn docker_hub_is_meant_by_both_its_domains_and_by_none() {
    for input in [
        "busybox",
        "library/busybox",
        "docker.io/busybox",
        "docker.io/library/busybox",
        "index.docker.io/busybox",
        "index.docker.io/library/busybox",
    ] {
        valid(input, "docker.io", "library/busybox", None);
        assert!(RefParts::parse(input).unwrap().is_docker_hub());
        assert!(ImageRef::parse(input).unwrap().is_docker_hub());
        assert_eq!(RefParts::parse(input).unwrap().familiar().to_string(), "busybox");
    }
    valid("library/a/b", "docker.io", "library/a/b", None);
    valid("docker.io/docker.io/a", "docker.io", "docker.io/a", None);
}

#[test]
fn a_port_or_a_capital_makes_another_registry_of_docker_hub() {
    for (input, domain) in [
        ("docker.io:443/busybox", "docker.io:443"),
        ("index.docker.io:443/busybox", "index.docker.io:443"),
        ("Docker.io/busybox", "Docker.io"),
    ] {
        valid(input, domain, "busybox", None);
        assert!(!RefParts::parse(input).unwrap().is_docker_hub());
        assert!(!ImageRef::parse(input).unwrap().is_docker_hub());
    }
}

#[test]
fn the_first_of_several_components_is_a_domain_by_dot_colon_capital_or_localhost() {
    valid("a.b/c", "a.b", "c", None);
    valid("a:5/c", "a:5", "c", None);
    valid("A/c", "A", "c", None);
    valid("aB-c/d", "aB-c", "d", None);
    valid("localhost/c", "localhost", "c", None);
    valid("LOCALHOST/c", "LOCALHOST", "c", None);
    valid("localhosts/c", "docker.io", "localhosts/c", None);
    valid("a-b/c", "docker.io", "a-b/c", None);
    valid("a--b/c", "docker.io", "a--b/c", None);
    valid("a--b.c/d", "a--b.c", "d", None);
    valid("1.2.3.4:0/c", "1.2.3.4:0", "c", None);
}

#[test]
fn a_single_component_is_a_name_whatever_it_looks_like() {
    valid("localhost", "docker.io", "library/localhost", None);
    valid("a.b", "docker.io", "library/a.b", None);
    valid("localhost:5000", "docker.io", "library/localhost", Some("5000"));
    valid("docker.io", "docker.io", "library/docker.io", None);
}

#[test]
fn a_dot_and_an_underscore_in_the_first_component_leave_no_domain() {
    valid("x_y.z/a", "", "x_y.z/a", None);
    valid("x_y.z/a/b:c", "", "x_y.z/a/b", Some("c"));
    let owned = ImageRef::parse("x_y.z/a:b").unwrap();
    assert_eq!((owned.domain(), owned.path(), owned.tag()), ("", "x_y.z/a", Some("b")));
    assert_eq!(owned.familiar().to_string(), "x_y.z/a:b");
    valid("x_y/a", "docker.io", "x_y/a", None);
    invalid("x_y:5/a", 1, Expected::Domain);
    invalid("ab_C/d", 3, Expected::LowerCaseOrDigit);
    invalid("ab_C..d", 3, Expected::LowerCaseOrDigit);
}

#[test]
fn hosts_in_brackets_are_ipv6_addresses() {
    valid("[::1]/a", "[::1]", "a", None);
    valid("[::1]:5000/a/b:c", "[::1]:5000", "a/b", Some("c"));
    valid("[::]/a", "[::]", "a", None);
    // A capital or a port is enough for the reference implementation to see a domain.
    valid("[AB]/a", "[AB]", "a", None);
    valid("[ab]:1/a", "[ab]:1", "a", None);
    invalid("[ab]/a", 3, Expected::Ipv6);
    invalid("[]/a", 1, Expected::Ipv6);
    invalid("[::1", 4, Expected::Ipv6);
    invalid("[::g]/a", 3, Expected::Ipv6);
    invalid("[fe80::1%eth0]/a", 8, Expected::Ipv6);
    invalid("[::ffff:1.2.3.4]/a", 9, Expected::Ipv6);
    invalid("[::1]", 5, Expected::Slash);
    invalid("[::1]a/b", 5, Expected::Slash);
    invalid("[::1]:/a", 6, Expected::Port);
    invalid("[::1]:5000", 10, Expected::Slash);
    invalid("[::1]/", 6, Expected::LowerCaseOrDigit);
    invalid("a/[::1]/b", 2, Expected::LowerCaseOrDigit);
}

#[test]
fn components_are_runs_with_single_separators() {
    for path in ["a.b", "a_b", "a__b", "a-b", "a----b", "0", "a.b_c__d-e"] {
        valid(&format!("reg.io/x/{path}"), "reg.io", &format!("x/{path}"), None);
    }
    for (path, fault) in [
        ("a..b", 2),
        ("a___b", 3),
        ("a._b", 2),
        ("a-.b", 2),
        ("a_-b", 2),
        (".a", 0),
        ("-a", 0),
        ("_a", 0),
        ("a.", 2),
        ("a-", 2),
        ("a_", 2),
        ("a__", 3),
        ("a/", 2),
        ("a//b", 2),
        ("", 0),
    ] {
        invalid(&format!("reg.io/x/{path}"), 9 + fault, Expected::LowerCaseOrDigit);
        invalid(
            path,
            fault,
            match path.contains('/') {
                true => Expected::LowerCaseOrDigit,
                false => Expected::LetterOrDigit,
            },
        );
    }
}

#[test]
fn a_repository_name_has_at_most_255_bytes_with_library_and_without_the_domain() {
    let name = |length: usize| "a".repeat(length);
    valid(&format!("reg.io/{}", name(255)), "reg.io", &name(255), None);
    invalid(&format!("reg.io/{}", name(256)), 7 + 255, Expected::ShorterName);
    valid(&format!("b/{}", name(253)), "docker.io", &format!("b/{}", name(253)), None);
    invalid(&format!("b/{}:tag", name(254)), 255, Expected::ShorterName);
    valid(&name(247), "docker.io", &format!("library/{}", name(247)), None);
    invalid(&name(248), 247, Expected::ShorterName);
    invalid(&format!("docker.io/{}", name(248)), 10 + 247, Expected::ShorterName);
    let owned = ImageRef::parse(&format!("reg.io/{}", name(255))).unwrap();
    assert_eq!(owned.path().len(), 255);
}

#[test]
fn a_domain_and_its_port_may_be_of_any_length() {
    let domain = format!("{}.io:{}", "x".repeat(1000), "1".repeat(1000));
    valid(&format!("{domain}/a:b"), &domain, "a", Some("b"));
    let owned = ImageRef::parse(&format!("{domain}/a:b")).unwrap();
    assert_eq!((owned.domain(), owned.path(), owned.tag()), (&*domain, "a", Some("b")));
}

#[test]
fn a_tag_has_at_most_128_bytes_and_starts_with_a_letter_digit_or_underscore() {
    let longest = format!("T{}", "-".repeat(127));
    valid(&format!("a:{longest}"), "docker.io", "library/a", Some(&longest));
    assert_eq!(ImageRef::parse(&format!("a:{longest}")).unwrap().tag(), Some(&*longest));
    invalid(&format!("a:{longest}-"), 2 + 128, Expected::ShorterTag);
    valid("a:_", "docker.io", "library/a", Some("_"));
    invalid("a:", 2, Expected::TagStart);
    invalid("a:.b", 2, Expected::TagStart);
    invalid("a:-b", 2, Expected::TagStart);
    invalid("reg.io:/a", 7, Expected::TagStart);
    invalid("a:b:c", 3, Expected::Tag);
    invalid("a:5000x/b", 7, Expected::Tag);
    invalid("a:é", 2, Expected::TagStart);
    invalid("a:bé", 3, Expected::Tag);
}

#[test]
fn digests_are_of_known_algorithms_and_have_exactly_their_digits() {
    for (algorithm, count) in [("sha256", 64_u8), ("sha384", 96), ("sha512", 128)] {
        let start = 3 + algorithm.len();
        let digits = "0f".repeat(usize::from(count) / 2);
        let digest = format!("{algorithm}:{digits}");
        let input = format!("a@{digest}");
        assert_eq!(RefParts::parse(&input).unwrap().digest(), Some(&*digest));
        let end = input.len();
        invalid(&input[..end - 1], end - 1, Expected::DigestDigit(count));
        invalid(&format!("{input}0"), end, Expected::DigestEnd(count));
        invalid(&format!("{input}/b"), end, Expected::DigestEnd(count));
        invalid(&format!("{input}@{digest}"), end, Expected::DigestEnd(count));
        for wrong in ["F", "g", ":", "é"] {
            let input =
                format!("a@{algorithm}:{}{wrong}{}", &digits[..20], &digits[20 + wrong.len()..]);
            invalid(&input, start + 20, Expected::DigestDigit(count));
        }
        invalid(&format!("a@{algorithm}:"), start, Expected::DigestDigit(count));
        invalid(&format!("a@{algorithm}"), 2, Expected::DigestAlgorithm);
    }
    let digits = "0".repeat(64);
    for algorithm in ["", "md5", "SHA256", "sha256+b64", "sha1", "blake3"] {
        invalid(&format!("a:b@{algorithm}:{digits}"), 4, Expected::DigestAlgorithm);
    }
    invalid("a@", 2, Expected::DigestAlgorithm);
    invalid("@sha256:", 0, Expected::LetterOrDigit);
}

#[test]
fn exactly_64_lower_case_hexadecimal_digits_are_no_name() {
    let id = "0123456789abcdef".repeat(4);
    invalid(&id, 0, Expected::NotAnId);
    for (input, tag) in [(format!("{id}:x"), Some("x")), (format!("docker.io/{id}"), None)] {
        valid(&input, "docker.io", &format!("library/{id}"), tag);
    }
    valid(&format!("{id}0"), "docker.io", &format!("library/{id}0"), None);
    valid(&id[1..], "docker.io", &format!("library/{}", &id[1..]), None);
    let no_id = id.replace('f', "g");
    valid(&no_id, "docker.io", &format!("library/{no_id}"), None);
    invalid(&id.to_uppercase(), 10, Expected::LowerCaseOrDigit);
}

#[test]
fn capitals_in_a_repository_name_are_pointed_at() {
    invalid("Foo", 0, Expected::LowerCaseOrDigit);
    invalid("fooBar:tag", 3, Expected::LowerCaseOrDigit);
    invalid("foo/bAr", 5, Expected::LowerCaseOrDigit);
    invalid("foo/Bar", 4, Expected::LowerCaseOrDigit);
    invalid("Foo@sha256:", 0, Expected::LowerCaseOrDigit);
}

#[test]
fn a_scheme_is_called_a_scheme() {
    for input in ["http://reg.io/a", "https://reg.io:5000/a", "docker://busybox"] {
        invalid(input, 0, Expected::NoScheme);
    }
    invalid("a/b://c", 4, Expected::TagStart);
    invalid("http:/reg.io", 5, Expected::TagStart);
}

#[test]
fn bytes_outside_the_grammar_end_a_name() {
    for wrong in ["é", " ", "\n", "\0", "%", "+", "]", "\u{7f}"] {
        invalid(&format!("foo{wrong}"), 3, Expected::RepositoryName);
        invalid(&format!("reg.io/a/foo{wrong}"), 12, Expected::RepositoryName);
        invalid(&format!("{wrong}foo"), 0, Expected::LetterOrDigit);
    }
}
