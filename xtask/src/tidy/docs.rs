//! Which documents must be there, and that their links lead somewhere.

use super::{Problem, problem};

const DOCUMENTS: [&str; 7] = [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "docs/ARCHITECTURE.md",
    "docs/SHORTCOMINGS.md",
    "docs/benchmarks.md",
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

#[cfg(test)]
mod tests {
    use super::*;

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
