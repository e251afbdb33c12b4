//! Which documents must be there, and that their links and the tests that they name lead somewhere.

use super::{Problem, problem};

const DOCUMENTS: [&str; 8] = [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "docs/ARCHITECTURE.md",
    "docs/SHORTCOMINGS.md",
    "docs/benchmarks.md",
    "docs/defects.md",
    "docs/seeds.md",
];

pub(super) fn check_present(exists: impl Fn(&str) -> bool) -> Vec<Problem> {
    let missing = DOCUMENTS.iter().filter(|path| !exists(path));
    missing.map(|path| problem(*path, "is missing")).collect()
}

/// `exists` answers for a path beside the document.
pub(super) fn check_text(place: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (link, _) in links {
            let file = link.split('#').next().unwrap_or_default();
            let elsewhere = file.is_empty() || file.contains("://") || file.starts_with("mailto:");
            if !elsewhere && !exists(file) {
                let text = format!("the link to {link:?} leads nowhere");
                problems.push(problem(format!("{place}:{number}"), text));
            }
        }
    }
    problems
}

/// Every `crate::file::function` in backquotes is a function in such a file, or folder, of that crate.
pub(super) fn check_functions(
    place: &str,
    text: &str,
    sources: &[(String, String)],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for name in line.split('`').skip(1).step_by(2) {
            let parts: Vec<_> = name.split("::").collect();
            let [package, file, function] = parts[..] else { continue };
            let plain = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte)
            };
            if ![package, file, function].iter().all(|part| part.bytes().all(plain)) {
                continue;
            }
            let begin = format!("fn {function}(");
            let is_there = sources.iter().any(|(path, text)| {
                let mut parts = path.strip_suffix(".rs").unwrap_or(path).split('/');
                parts.next() == Some("crates")
                    && parts.next() == Some(package)
                    && parts.any(|part| part == file)
                    && text.contains(&begin)
            });
            if !is_there {
                problems.push(problem(format!("{place}:{number}"), format!("there is no {name}")));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_named_must_be_there() {
        let source = ("crates/a-b/src/x/tests.rs".to_owned(), "fn works() {}".to_owned());
        let check = |text: &str| check_functions("a.md", text, std::slice::from_ref(&source));
        assert_eq!(check("`a-b::x::works`, `a-b::tests::works`, `A::x::y`, `x::y`, `works`\n"), []);
        for wrong in ["a-b::x::work", "a-b::y::works", "a::x::works"] {
            let expected = problem("a.md:2", format!("there is no {wrong}"));
            assert_eq!(check(&format!("text\n| `{wrong}` |\n")), [expected]);
        }
    }

    #[test]
    fn a_missing_document_is_a_problem() {
        assert!(check_present(|_| true).is_empty());
        let missing = check_present(|path| path != "README.md");
        assert_eq!(missing, [problem("README.md", "is missing")]);
    }

    #[test]
    fn a_link_must_lead_somewhere() {
        let exists = |path: &str| path == "docs/here.md";
        let good = "[a](docs/here.md) [b](docs/here.md#part) [c](#part) [d](https://x.y/z)\n\
                    ```\n[e](nowhere.md)\n```\n";
        assert_eq!(check_text("a.md", good, exists), []);
        let bad = check_text("a.md", "text\n[a](docs/here.md) and [b](nowhere.md)\n", exists);
        assert_eq!(bad.len(), 1);
        assert_eq!(bad[0].place, "a.md:2");
    }
}
