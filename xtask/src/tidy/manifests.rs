//! What every manifest must say.

use super::{Problem, problem};
use crate::workspace::Package;

/// Rules that cargo's own reading of the manifests answers.
pub(super) fn check_metadata(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        let mut say = |text: String| problems.push(problem(&package.name, text));
        if package.is_published() && package.description.is_none() {
            say("is published and has no description".to_owned());
        }
        for dependency in package.dependencies.iter().filter(|d| d.path.is_some()) {
            let (name, dev) = (&dependency.name, dependency.kind.as_deref() == Some("dev"));
            // A version on a dev-dependency makes circles that can't be published.
            if dev && dependency.req != "*" {
                say(format!("dev-dependency {name} must be by path, without a version"));
            }
            if !dev && dependency.req == "*" && package.is_published() {
                say(format!("dependency {name} needs a version to be published"));
            }
        }
        for target in package.targets.iter().filter(|target| target.kind == ["test"]) {
            // A test that only xtask runs must be one that xtask finds, and the other way round.
            if target.name.starts_with("engine_") == target.test {
                let name = &target.name;
                say(format!(
                    "test target {name}: `test = false` and a name that starts with `engine_` go together"
                ));
            }
        }
    }
    problems
}

/// Rules on the manifest's text.
pub(super) fn check_text(place: &str, text: &str) -> Vec<Problem> {
    let manifest: toml::Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![problem(place, format!("is no TOML: {error}"))],
    };
    let mut problems = Vec::new();
    let inherits = |table: &str| {
        let value = manifest.get(table).and_then(|table| table.get("workspace"));
        value.and_then(toml::Value::as_bool) == Some(true)
    };
    if !inherits("lints") {
        problems.push(problem(place, "must inherit the lints: [lints] workspace = true"));
    }
    for key in ["version", "edition", "rust-version", "license"] {
        let value = manifest.get("package").and_then(|package| package.get(key));
        let inherited = value.and_then(|value| value.get("workspace"));
        if inherited.and_then(toml::Value::as_bool) != Some(true) {
            problems.push(problem(place, format!("must inherit {key} from the workspace")));
        }
    }
    problems
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::workspace::{Dependency, Target};

    pub(crate) fn package(name: &str, dependencies: Vec<Dependency>) -> Package {
        Package {
            name: name.to_owned(),
            description: Some("something".to_owned()),
            publish: None,
            manifest_path: "/x/Cargo.toml".into(),
            dependencies,
            targets: Vec::new(),
            features: Default::default(),
        }
    }

    pub(in crate::tidy) fn dependency(name: &str, kind: Option<&str>, ours: bool) -> Dependency {
        Dependency {
            name: name.to_owned(),
            req: if kind == Some("dev") { "*" } else { "^0.1" }.to_owned(),
            kind: kind.map(str::to_owned),
            path: ours.then(|| "/x".into()),
        }
    }

    fn count(package: Package) -> usize {
        check_metadata(&[package]).len()
    }

    #[test]
    fn a_published_package_has_a_description() {
        let mut bad = package("a", vec![]);
        bad.description = None;
        assert_eq!(count(bad), 1);
        let mut private = package("a", vec![]);
        (private.description, private.publish) = (None, Some(vec![]));
        assert_eq!(count(private), 0);
    }

    #[test]
    fn versions_stand_where_publishing_needs_them_and_nowhere_else() {
        let with = |kind, req: &str| {
            let mut dependency = dependency("b", kind, true);
            req.clone_into(&mut dependency.req);
            count(package("a", vec![dependency]))
        };
        assert_eq!(with(Some("dev"), "^0.1"), 1);
        assert_eq!(with(Some("dev"), "*"), 0);
        assert_eq!(with(None, "*"), 1);
        assert_eq!(with(None, "^0.1"), 0);
    }

    #[test]
    fn a_test_that_cargo_leaves_out_is_one_that_xtask_finds() {
        let with = |name: &str, test| {
            let mut package = package("a", vec![]);
            package.targets.push(Target {
                name: name.to_owned(),
                kind: vec!["test".to_owned()],
                test,
            });
            count(package)
        };
        assert_eq!(with("engine_faults", false), 0);
        assert_eq!(with("wire", true), 0);
        assert_eq!(with("engine_faults", true), 1);
        assert_eq!(with("wire", false), 1);
    }

    #[test]
    fn a_manifest_inherits_lints_and_versions() {
        let good = "[package]\nversion.workspace = true\nedition.workspace = true\n\
                    rust-version.workspace = true\nlicense.workspace = true\n\
                    [lints]\nworkspace = true\n";
        assert_eq!(check_text("a", good), []);
        assert_eq!(check_text("a", &good.replace("[lints]\nworkspace = true", "")).len(), 1);
        assert_eq!(
            check_text("a", &good.replace("edition.workspace = true", "edition = \"2021\"")).len(),
            1
        );
        assert_eq!(check_text("a", "[package").len(), 1);
    }
}
