//! Whether what changed in a container was changed by its engine.

use crate::client::files::FileChange;

/// Whether the engine accounts for all changes: it makes the place of its init, `init`, and that of
/// each mount and of the working directory, `made`. Then no process of the task's has removed or
/// replaced anything. All paths lead over no link. What was changed above one of `places` otherwise
/// than for the init is not accepted, because a folder that was made anew may look like one.
pub(super) fn are_the_engines(
    changes: &[FileChange],
    init: &str,
    made: &[String],
    places: &[String],
) -> bool {
    changes.iter().all(|change| {
        let leads_to = |path: &String| is_at_or_above(&change.path, path);
        let for_init = is_at_or_above(&change.path, init);
        let for_others = made.iter().any(leads_to) && !places.iter().any(leads_to);
        change.is_there() && (for_init || for_others)
    })
}

fn is_at_or_above(path: &str, other: &str) -> bool {
    other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(changes: &str) -> bool {
        let changes: Vec<FileChange> = serde_json::from_str(changes).unwrap();
        let made = ["/mnt/data".to_owned(), "/srv/work".to_owned()];
        let places = ["/sbin/p".to_owned(), "/srv/p".to_owned(), "/opt/app/p".to_owned()];
        are_the_engines(&changes, "/sbin/docker-init", &made, &places)
    }

    #[test]
    fn what_the_engine_makes_is_told_from_what_a_task_does() {
        let table = [
            ("[]", true),
            (r#"[{"Path":"/sbin","Kind":0},{"Path":"/sbin/docker-init","Kind":1}]"#, true),
            (r#"[{"Path":"/mnt","Kind":0},{"Path":"/mnt/data","Kind":1}]"#, true),
            // Removed: at it, above it, and anywhere else, where a link may have been.
            (r#"[{"Path":"/opt/app/p","Kind":2}]"#, false),
            (r#"[{"Path":"/opt","Kind":2}]"#, false),
            (r#"[{"Path":"/elsewhere","Kind":2}]"#, false),
            (r#"[{"Path":"/sbin","Kind":2}]"#, false),
            // Changed or added.
            (r#"[{"Path":"/opt/app","Kind":0}]"#, false),
            (r#"[{"Path":"/elsewhere","Kind":0}]"#, false),
            (r#"[{"Path":"/elsewhere","Kind":1}]"#, false),
            (r#"[{"Path":"/mnt/data/x","Kind":1}]"#, false),
            (r#"[{"Path":"/mnt/dat","Kind":1}]"#, false),
            // Above a place, though the engine may have made the working directory in it.
            (r#"[{"Path":"/srv","Kind":0},{"Path":"/srv/work","Kind":1}]"#, false),
            // Whatever that may be.
            (r#"[{"Path":"/sbin","Kind":9}]"#, false),
        ];
        for (changes, expected) in table {
            assert_eq!(accepted(changes), expected, "{changes}");
        }
    }
}
