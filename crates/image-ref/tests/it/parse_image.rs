//! `parse_image` against the original's answers, and the one rule by which it differs.

use longshore_image_ref::parse_image;

use crate::oracle::{Case, cases};

#[test]
fn parse_image_answers_as_the_original_but_where_it_cuts_inside_the_registry() {
    let mut differences = 0;
    for Case { input, answer } in cases() {
        let Ok(answer) = answer else { continue };
        let (registry, repository, tag) = parse_image(&input).unwrap();
        let ours = [registry, &*repository, tag];
        let name = input.split('@').next().unwrap();
        if answer.digest.is_some() && answer.tag.is_none() && name.contains(':') {
            differences += 1;
            let (domain, rest) = name.split_once('/').unwrap();
            assert_eq!(ours, [domain, rest, answer.digest.as_deref().unwrap()], "{input:?}");
            // The original's answer: all before the last colon, taken for a name.
            let (cut, _) = name.rsplit_once(':').unwrap();
            assert_eq!(answer.parse_image[0], "", "{input:?}");
            assert_eq!(answer.parse_image[1], format!("library/{cut}"), "{input:?}");
            assert_eq!(answer.parse_image[2], ours[2], "{input:?}");
        } else {
            assert_eq!(ours, answer.parse_image, "{input:?}");
        }
    }
    assert_eq!(differences, 153);
}

#[test]
fn parse_image_refuses_what_is_no_reference() {
    for Case { input, answer } in cases() {
        assert_eq!(parse_image(&input).is_err(), answer.is_err(), "{input:?}");
    }
    // The original's answers for these: `library/`, `library/a` with the digest lost, `foo:tag/x`.
    for input in
        ["", ":", "@", "a@b@c", "Foo", "foo/", "/foo", "a//b", "foo:", "foo:tag/x", "localhost:"]
    {
        assert!(parse_image(input).is_err(), "{input:?}");
    }
}

#[test]
fn parse_image_keeps_the_first_component_as_it_is_written() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let table = [
        ("busybox", "", "library/busybox", "latest"),
        ("docker.io/busybox", "docker.io", "busybox", "latest"),
        ("index.docker.io/busybox:1", "index.docker.io", "busybox", "1"),
        ("docker.io:443/busybox", "docker.io:443", "busybox", "latest"),
        ("foo/bar", "", "foo/bar", "latest"),
        ("Foo/bar", "", "Foo/bar", "latest"),
        ("localhost", "", "library/localhost", "latest"),
        ("localhost:5000", "", "library/localhost", "5000"),
        ("localhost/foo", "localhost", "foo", "latest"),
        ("x_y.z/a", "x_y.z", "a", "latest"),
        ("[::1]:5000/foo", "[::1]:5000", "foo", "latest"),
    ];
    for (input, registry, repository, tag) in table {
        assert_eq!(parse_image(input).unwrap(), (registry, repository.into(), tag), "{input}");
    }
    for name in
        ["reg:5000/foo", "localhost:5000/foo", "a.b:5000/c/d", "[::1]:5000/foo", "[::1]/foo"]
    {
        let (registry, repository) = name.split_once('/').unwrap();
        for tag in ["", ":v1"] {
            let input = format!("{name}{tag}@{digest}");
            let ours = parse_image(&input).unwrap();
            assert_eq!(ours, (registry, repository.into(), digest.as_str()), "{input}");
        }
    }
}
