//! Which test targets need an engine, and which of them are not for Podman.

use std::collections::BTreeMap;

use crate::workspace::Workspace;

/// Its tests restart their engine, which has to be one of this workspace's own.
pub(crate) const RESTART: &str = "engine_restart";

/// Its tests are about what it makes of Docker's words.
pub(crate) const COMMAND: &str = "longshore-cli";

/// What is refused on Podman by design, as other tests see, and why.
const NOT_ON_PODMAN: [(&str, &str); 3] = [
    ("engine_keeper", "there are no keepers on Podman"),
    ("engine_prefork", "placeholders are refused on Podman"),
    ("engine_registry_cache", "a bound on images is refused on Podman"),
];

/// Targets of one name, which run together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EngineTests {
    /// How they are shown.
    pub(crate) label: String,
    /// The name that cargo knows them by.
    pub(crate) name: String,
    /// Why they are not for this engine.
    pub(crate) refused: Option<&'static str>,
}

/// Every target that needs an engine, in a fixed order.
pub(crate) fn engine_tests(workspace: &Workspace, podman: bool) -> Vec<EngineTests> {
    let mut packages: BTreeMap<(&str, Option<&'static str>), Vec<&str>> = BTreeMap::new();
    for package in &workspace.packages {
        for target in package.engine_tests() {
            let refused = if podman { not_on_podman(&package.name, &target.name) } else { None };
            packages.entry((&target.name, refused)).or_default().push(&package.name);
        }
    }
    let tests = packages.into_iter().map(|((name, refused), packages)| EngineTests {
        label: format!("{}/{name}", packages.join("+")),
        name: name.to_owned(),
        refused,
    });
    let mut tests: Vec<_> = tests.collect();
    tests.sort_by(|a, b| a.label.cmp(&b.label));
    tests
}

fn not_on_podman(package: &str, target: &str) -> Option<&'static str> {
    if package == COMMAND {
        return Some("Podman has words of its own, and these tests are about Docker's");
    }
    NOT_ON_PODMAN.iter().find(|(name, _)| *name == target).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::manifests::tests::package;
    use crate::workspace::Target;

    fn workspace() -> Workspace {
        let with = |name: &str, targets: &[&str]| {
            let mut package = package(name, vec![]);
            let target = |name: &&str| Target {
                name: (*name).to_owned(),
                kind: vec!["test".to_owned()],
                test: false,
            };
            package.targets = targets.iter().map(target).collect();
            package
        };
        Workspace {
            root: "/x".into(),
            target: "/x/target".into(),
            packages: vec![
                with(COMMAND, &["engine_input", "it"]),
                with("longshore-docker", &["engine_input"]),
                with("tests", &["engine_faults", "engine_keeper", "engine_prefork", RESTART]),
            ],
        }
    }

    #[test]
    fn targets_of_one_name_run_together_and_docker_runs_all() {
        let tests = engine_tests(&workspace(), false);
        let labels: Vec<_> = tests.iter().map(|tests| tests.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "longshore-cli+longshore-docker/engine_input",
                "tests/engine_faults",
                "tests/engine_keeper",
                "tests/engine_prefork",
                "tests/engine_restart",
            ]
        );
        assert!(tests.iter().all(|tests| tests.refused.is_none()));
    }

    #[test]
    fn what_is_not_for_podman_is_told_with_its_reason() {
        let tests = engine_tests(&workspace(), true);
        let told = tests.iter().map(|tests| (tests.label.as_str(), tests.refused));
        let reason = |name| NOT_ON_PODMAN.iter().find(|(known, _)| *known == name).map(|it| it.1);
        let words = "Podman has words of its own, and these tests are about Docker's";
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                ("longshore-cli/engine_input", Some(words)),
                ("longshore-docker/engine_input", None),
                ("tests/engine_faults", None),
                ("tests/engine_keeper", reason("engine_keeper")),
                ("tests/engine_prefork", reason("engine_prefork")),
                ("tests/engine_restart", None),
            ]
        );
        assert_eq!(tests.iter().filter(|tests| tests.refused.is_some()).count(), 3);
    }
}
