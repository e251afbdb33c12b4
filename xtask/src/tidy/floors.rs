//! Arrows between our crates point down only.

use super::{Problem, problem};
use crate::workspace::{Dependency, Package};

/// A crate's floor and the floors that it may use.
struct Room {
    name: &'static str,
    floor: u8,
    may_use: &'static [u8],
}

const fn room(name: &'static str, floor: u8, may_use: &'static [u8]) -> Room {
    Room { name, floor, may_use }
}

/// Rooms that are not built yet are here as well: the plan comes before the crate.
const HOUSE: [Room; 13] = [
    room("longshore-image-ref", 1, &[]),
    room("longshore-stats", 1, &[]),
    room("longshore-driver-api", 2, &[1]),
    room("longshore-images", 3, &[2, 1]),
    room("longshore-host", 3, &[2, 1]),
    room("longshore-docker", 4, &[3, 2, 1]),
    room("longshore-native", 4, &[3, 2, 1]),
    room("longshore-kube", 4, &[3, 2, 1]),
    room("longshore-mock", 4, &[2, 1]),
    room("longshore-prefork", 4, &[2, 1]),
    room("longshore-pool", 4, &[2, 1]),
    room("longshore", 5, &[4, 3, 2, 1]),
    room("longshore-cli", 6, &[5]),
];

/// What stands beside the house, and what each may use of it: floors, then names.
const BESIDE: [(&str, &[u8], &[&str]); 5] = [
    ("longshore-testee", &[], &[]),
    ("longshore-conformance", &[2, 1], &["longshore-testee"]),
    ("longshore-tests", &[6, 5, 4, 3, 2, 1], &["longshore-conformance", "longshore-testee"]),
    ("longshore-bench", &[5, 4, 3, 2, 1], &[]),
    ("xtask", &[], &[]),
];

/// What tests may use on any floor.
const FOR_TESTS: [&str; 3] = ["longshore-conformance", "longshore-testee", "longshore-mock"];

/// The only crate that may name bollard.
pub(super) const NAMES_BOLLARD: &str = "longshore-docker";

pub(super) fn check(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        let Some((floors, names)) = allowed(&package.name) else {
            problems.push(problem(
                &package.name,
                "is not in the table of floors; give it a room in xtask/src/tidy/floors.rs",
            ));
            continue;
        };
        for dependency in &package.dependencies {
            problems.extend(check_edge(package, dependency, floors, names));
        }
    }
    problems
}

fn check_edge(
    package: &Package,
    dependency: &Dependency,
    floors: &[u8],
    names: &[&str],
) -> Option<Problem> {
    let name = dependency.name.as_str();
    if name == "bollard" && package.name != NAMES_BOLLARD {
        return Some(problem(
            &package.name,
            format!("depends on bollard, which only {NAMES_BOLLARD} may"),
        ));
    }
    dependency.path.as_ref()?;
    let floor = HOUSE.iter().find(|room| room.name == name).map(|room| room.floor);
    let down = floor.is_some_and(|floor| floors.contains(&floor)) || names.contains(&name);
    let for_tests = dependency.kind.as_deref() == Some("dev") && FOR_TESTS.contains(&name);
    if down || for_tests {
        return None;
    }
    Some(problem(&package.name, format!("must not depend on {name}: arrows point down only")))
}

fn allowed(name: &str) -> Option<(&'static [u8], &'static [&'static str])> {
    let beside = BESIDE.iter().find(|(beside, ..)| *beside == name);
    let room = HOUSE.iter().find(|room| room.name == name);
    match (room, beside) {
        (Some(room), _) => Some((room.may_use, &[])),
        (None, Some((_, floors, names))) => Some((floors, names)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::manifests::tests::{dependency, package};

    fn edge(from: &str, to: &str, kind: Option<&str>) -> usize {
        check(&[package(from, vec![dependency(to, kind, true)])]).len()
    }

    #[test]
    fn arrows_point_down() {
        for (from, to) in [
            ("longshore-driver-api", "longshore-stats"),
            ("longshore-docker", "longshore-images"),
            ("longshore-mock", "longshore-driver-api"),
            ("longshore", "longshore-docker"),
            ("longshore-cli", "longshore"),
            ("longshore-conformance", "longshore-testee"),
        ] {
            assert_eq!(edge(from, to, None), 0, "{from} -> {to}");
        }
    }

    #[test]
    fn an_arrow_up_sideways_or_past_its_floor_is_a_problem() {
        for (from, to) in [
            ("longshore-stats", "longshore-driver-api"),
            ("longshore-stats", "longshore-image-ref"),
            ("longshore-images", "longshore-host"),
            ("longshore-mock", "longshore-host"),
            ("longshore-pool", "longshore-docker"),
            ("longshore-docker", "longshore-native"),
            ("longshore-docker", "longshore-conformance"),
            ("longshore-cli", "longshore-docker"),
            ("longshore-conformance", "longshore-mock"),
            ("xtask", "longshore-stats"),
        ] {
            assert_eq!(edge(from, to, None), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn tests_may_use_the_suite_and_the_mock_but_no_other_backend() {
        assert_eq!(edge("longshore-docker", "longshore-conformance", Some("dev")), 0);
        assert_eq!(edge("longshore-pool", "longshore-mock", Some("dev")), 0);
        assert_eq!(edge("longshore-pool", "longshore-docker", Some("dev")), 1);
        assert_eq!(edge("longshore-docker", "longshore-conformance", Some("build")), 1);
    }

    #[test]
    fn a_crate_without_a_room_is_a_problem() {
        assert_eq!(check(&[package("longshore-new", vec![])]).len(), 1);
    }

    #[test]
    fn bollard_is_for_docker_alone() {
        let bollard = |from| package(from, vec![dependency("bollard", None, false)]);
        assert_eq!(check(&[bollard("longshore-docker")]).len(), 0);
        assert_eq!(check(&[bollard("longshore-images")]).len(), 1);
        assert_eq!(check(&[bollard("longshore-tests")]).len(), 1);
    }
}
