//! Where an unknown key of a description belongs, or which one it was meant to be.

use std::sync::OnceLock;

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::TaskSpec;

/// A key that there is nowhere.
const NONE: &str = "\u{1}";

/// What the reader says about an unknown key, with the key that was meant in place of all that there
/// are. None if it is about something else, or nothing comes near.
pub(super) fn suggest(at: &str, error: &str) -> Option<String> {
    let key = unknown(error)?;
    let table = without_indices(at.strip_suffix(key)?);
    let keys: Vec<(&str, &str)> = keys().iter().map(|path| split(path)).collect();
    let exact = keys.iter().filter(|(other, name)| *name == key && *other != table);
    let mut meant: Vec<String> = exact.map(|(table, name)| format!("{table}{name}")).collect();
    if meant.is_empty() {
        meant = nearest(key, keys.iter().filter(|(other, _)| *other == table));
    }
    if meant.is_empty() {
        meant = nearest(key, keys.iter());
    }
    let meant: Vec<String> = meant.iter().map(|path| format!("`{path}`")).collect();
    (!meant.is_empty())
        .then(|| format!("unknown field `{key}`: did you mean {}?", meant.join(" or ")))
}

/// The paths of those that are spelt nearly so.
fn nearest<'a>(key: &str, all: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Vec<String> {
    let bound = (key.chars().count() / 3).clamp(1, 3);
    let all: Vec<_> = all
        .map(|(table, name)| (distance(key, name), format!("{table}{name}")))
        .filter(|(distance, _)| *distance <= bound)
        .collect();
    let least = all.iter().map(|(distance, _)| *distance).min();
    all.into_iter().filter(|(it, _)| Some(*it) == least).map(|(_, path)| path).collect()
}

/// How many letters have to be put in, taken out, replaced or swapped with the next one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // No key is as long: what is much longer is near to none.
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swapped { least.min(rows[i - 2][j - 2] + 1) } else { least }
            };
        }
    }
    rows[a.len()][b.len()]
}

fn unknown(error: &str) -> Option<&str> {
    let rest = error.strip_prefix("unknown field `")?;
    rest.split_once("`, expected ").map(|(key, _)| key)
}

/// The table that a key is in, with the sign that ends it, and the key.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('.').map_or(0, |dot| dot + 1))
}

/// `mounts[2].` as `mounts[].`.
fn without_indices(at: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for char in at.chars() {
        inside = match char {
            '[' => true,
            ']' => false,
            _ => inside,
        };
        if !inside || char == '[' {
            kept.push(char);
        }
    }
    kept
}

/// Every key of a description by its path, as `limits.memory` and `mounts[].target`: the reader
/// itself names them when it meets one that it does not know.
fn keys() -> &'static [String] {
    static KEYS: OnceLock<Vec<String>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = Vec::new();
        explore("", &|value| value, &mut keys);
        keys
    })
}

fn explore(table: &str, whole: &dyn Fn(Value) -> Value, keys: &mut Vec<String>) {
    let mut found = Vec::new();
    for kind in [None, Some("bind"), Some("volume"), Some("tmpfs")] {
        let mut probe = json!({ NONE: 0 });
        if let Some(kind) = kind {
            probe["type"] = json!(kind);
        }
        for name in known(&whole(probe)) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
    }
    for name in found {
        let path = format!("{table}{name}");
        let inside = |value: Value| whole(json!({ (name.as_str()): value }));
        explore(&format!("{path}."), &inside, keys);
        explore(&format!("{path}[]."), &|value| inside(json!([value])), keys);
        keys.push(path);
    }
}

/// The keys that the reader names beside the unknown one.
fn known(tree: &Value) -> Vec<String> {
    let Err(error) = TaskSpec::deserialize(tree) else { return Vec::new() };
    let error = error.to_string();
    if unknown(&error) != Some(NONE) {
        return Vec::new();
    }
    // After the unknown one, every second piece between backquotes is a key.
    error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_found_in_tables_and_lists_of_them() {
        let keys = keys();
        for path in [
            "image",
            "limits.memory",
            "limits.output.bytes",
            "security.user",
            "network.dns",
            "mounts[].source",
            "mounts[].inodes",
            "devices[].permissions",
        ] {
            assert!(keys.iter().any(|key| key == path), "{path}: {keys:?}");
        }
        let mut once = keys.to_vec();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), keys.len());
    }

    #[test]
    fn a_slip_of_the_fingers_is_one() {
        for (a, b, expected) in [
            ("", "", 0),
            ("memory", "memory", 0),
            ("memroy", "memory", 1),
            ("imagee", "image", 1),
            ("imge", "image", 1),
            ("tag", "tty", 2),
            ("x", "recoverable_for", usize::MAX),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
