//! The keys by which an engine lets go of a task, which it looks for in the task's input.
//!
//! Where none are named they are Ctrl-P Ctrl-Q: the engine takes these two bytes out of the input and
//! ends the connection, and what the task writes afterwards is lost. Docker looks for them at
//! terminals, Podman in any input whose bytes come one by one. Input is the task's alone, so there must
//! be no such keys.
//!
//! Podman has a value for that, for the streams of a container. Everywhere else an empty value means
//! the engine's own keys, so a long one is named that nobody knows.

use longshore_driver_api::Capabilities;
use rand::distr::{Alphanumeric, SampleString};

use crate::podman;

/// What begins the keys that nobody types.
///
/// An engine holds the first one back until the next byte comes, so it is one that seldom comes alone:
/// no letter, no key of a shell's. And Docker doubles the second one where the two come apart and the
/// third does not follow (`docs/engines.md`), so it is none that follows the first.
const BEGIN: &str = "ctrl-^,ctrl-@";
/// How many follow that nobody can guess.
const RANDOM: usize = 20;

/// The keys for the streams of a container.
pub(crate) fn of_container(can: &Capabilities) -> String {
    if can.engine == podman::NAME { String::new() } else { of_exec() }
}

/// The keys for a further process. Podman takes an empty value for its own keys there.
pub(crate) fn of_exec() -> String {
    let random = Alphanumeric.sample_string(&mut rand::rng(), RANDOM);
    random.chars().fold(BEGIN.to_owned(), |keys, key| format!("{keys},{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_podman_has_a_word_for_no_keys_and_all_others_are_long_and_unknown() {
        assert_eq!(of_container(&Capabilities::nothing(podman::NAME, "5.4.2")), "");
        let docker = Capabilities::nothing("docker", "26.1.5");
        let all = [of_container(&docker), of_container(&docker), of_exec()];
        for keys in &all {
            let keys: Vec<&str> = keys.split(',').collect();
            assert_eq!((keys[0], keys[1], keys.len()), ("ctrl-^", "ctrl-@", 22));
            assert!(keys[2..].iter().all(|key| key.len() == 1), "{keys:?}");
        }
        assert!(all[0] != all[1] && all[1] != all[2]);
    }
}
