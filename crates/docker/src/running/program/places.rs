//! Where an init looks for a program.

/// What an engine gives to a task that has no `PATH`, and more than an init uses without one.
const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// More places than these are not looked at.
const MANY: usize = 32;

/// The paths at which an init looks for `name`, each absolute, possibly over links. There may be
/// some at which it does not look. None: it cannot be said.
pub(super) fn places(name: &str, env: &[String], folder: &str) -> Option<Vec<String>> {
    let folder = if folder.is_empty() { "/" } else { folder };
    if name.is_empty() || !folder.starts_with('/') {
        return None;
    }
    if name.contains('/') {
        return Some(vec![below(folder, name)]);
    }
    let mut lists: Vec<&str> = env.iter().filter_map(|it| it.strip_prefix("PATH=")).collect();
    if lists.is_empty() {
        lists.push(USUAL);
    }
    let entries = lists.into_iter().flat_map(|list| list.split(':'));
    let mut places: Vec<String> = entries.map(|entry| below(&below(folder, entry), name)).collect();
    places.sort();
    places.dedup();
    (places.len() <= MANY).then_some(places)
}

fn below(folder: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_along_the_path_and_a_path_where_it_leads() {
        let env = |text: &str| vec!["HOME=/".to_owned(), format!("PATH={text}")];
        let table: [(&str, Vec<String>, &str, &[&str]); 6] = [
            ("/a/b", env("/x"), "/w", &["/a/b"]),
            ("./b", env("/x"), "/w", &["/w/./b"]),
            ("b", env("/x:/y:/x"), "/w", &["/x/b", "/y/b"]),
            // An empty entry is the working directory.
            ("b", env("/x::rel"), "/w", &["/w//b", "/w/rel/b", "/x/b"]),
            ("b", env(""), "", &["///b"]),
            ("/b/", env("/x"), "/w", &["/b/"]),
        ];
        for (name, env, folder, expected) in table {
            assert_eq!(places(name, &env, folder).unwrap(), expected, "{name}");
        }
        let usual = places("b", &[], "/w").unwrap();
        assert!(usual.len() == 6 && usual.contains(&"/usr/local/bin/b".to_owned()), "{usual:?}");
    }

    #[test]
    fn what_cannot_be_said_is_not_guessed() {
        assert_eq!(places("", &[], "/"), None);
        assert_eq!(places("b", &[], "relative"), None);
        let many: Vec<String> = (0..40).map(|nth| format!("/{nth}")).collect();
        assert_eq!(places("b", &[format!("PATH={}", many.join(":"))], "/"), None);
    }
}
