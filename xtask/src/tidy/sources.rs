//! What every source file must be.

use super::{Problem, problem};

/// Beyond this a file is a table, generated, or two files.
const LONGEST: usize = 600;

/// Texts that no source file may hold, and why.
const FORBIDDEN: [(&str, &str); 9] = [
    ("#[allow(", "use #[expect(.., reason = \"..\")]"),
    ("#![allow(", "use #![expect(.., reason = \"..\")]"),
    ("todo!(", "finish it"),
    ("unimplemented!(", "finish it"),
    ("dbg!(", "remove it"),
    ("FIXME", "mend it, or say it in docs/SHORTCOMINGS.md"),
    ("XXX", "mend it, or say it in docs/SHORTCOMINGS.md"),
    ("TODO", "do it, or say it in docs/SHORTCOMINGS.md"),
    ("HACK", "mend it, or say it in docs/SHORTCOMINGS.md"),
];

pub(super) fn check(place: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let excepted = |folder: &str| place.split('/').any(|part| part == folder);
    if excepted("generated") {
        return problems;
    }
    if !text.starts_with("//!") {
        problems.push(problem(place, "must start with a //! line that says what it is for"));
    }
    let lines = text.lines().count();
    if lines > LONGEST && !excepted("data") {
        problems.push(problem(place, format!("has {lines} lines, more than {LONGEST}: split it")));
    }
    // These rules are written down here, in the words that they forbid.
    if place.starts_with("xtask/src/tidy/") {
        return problems;
    }
    // A process that the other tests start may be an ignored test of the same file.
    let runs_ignored = text.contains("\"--ignored\"");
    for (number, line) in (1..).zip(text.lines()) {
        if line.contains("#[ignore") && !runs_ignored {
            let text =
                "nothing runs this test; one that needs an engine goes into a target engine_…";
            problems.push(problem(format!("{place}:{number}"), text));
        }
        for (word, why) in FORBIDDEN {
            if line.contains(word) {
                problems.push(problem(format!("{place}:{number}"), format!("{word:?}: {why}")));
            }
        }
        if line.contains("bollard") && !place.starts_with("crates/docker/") {
            let text = "names bollard, which only crates/docker may";
            problems.push(problem(format!("{place}:{number}"), text));
        }
    }
    problems
}

/// The extra rule for the `lib.rs` of a published crate.
pub(super) fn check_library(place: &str, text: &str) -> Vec<Problem> {
    if text.lines().any(|line| line == "#![deny(missing_docs)]") {
        return Vec::new();
    }
    vec![problem(place, "a published library must say #![deny(missing_docs)]")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(place: &str, text: &str) -> Vec<String> {
        check(place, text).into_iter().map(|problem| problem.text).collect()
    }

    #[test]
    fn a_file_says_first_what_it_is_for() {
        assert!(texts("a.rs", "//! Good.\n").is_empty());
        assert_eq!(texts("a.rs", "use std::fmt;\n").len(), 1);
        assert_eq!(texts("a.rs", "\n//! Late.\n").len(), 1);
        assert_eq!(texts("a.rs", "").len(), 1);
        assert!(texts("crates/a/src/generated/a.rs", "use std::fmt;\n").is_empty());
    }

    #[test]
    fn a_long_file_is_a_problem_unless_it_is_data() {
        let long = format!("//! Long.\n{}", "\n".repeat(600));
        assert_eq!(texts("a.rs", &long).len(), 1);
        assert!(texts("crates/a/tests/data/a.rs", &long).is_empty());
        assert!(texts("a.rs", &long[..long.len() - 1]).is_empty());
    }

    #[test]
    fn each_forbidden_text_is_found_with_its_line() {
        for (word, _) in FORBIDDEN {
            let found = check("crates/a/src/b.rs", &format!("//! Bad.\n\n    {word}x)\n"));
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].place, "crates/a/src/b.rs:3");
        }
    }

    #[test]
    fn an_ignored_test_must_be_run_by_its_own_file() {
        let ignored = "//! Tests.\n#[test]\n#[ignore = \"too long\"]\nfn a() {}\n";
        assert_eq!(texts("a.rs", ignored).len(), 1);
        assert!(
            texts("a.rs", &(ignored.to_owned() + "// args([\"--ignored\", \"a\"])\n")).is_empty()
        );
    }

    #[test]
    fn bollard_is_named_in_docker_alone() {
        let text = "//! Uses it.\nuse bollard::Docker;\n";
        assert!(texts("crates/docker/src/client/api.rs", text).is_empty());
        assert_eq!(texts("crates/images/src/lib.rs", text).len(), 1);
    }

    #[test]
    fn a_published_library_has_to_be_documented() {
        assert!(check_library("a", "//! Good.\n#![deny(missing_docs)]\n").is_empty());
        assert_eq!(check_library("a", "//! Bad.\n").len(), 1);
        assert_eq!(check_library("a", "//! Bad.\n// #![deny(missing_docs)]\n").len(), 1);
    }
}
