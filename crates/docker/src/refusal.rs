//! What an engine's words mean that it says under various statuses, and what the user can do.

use longshore_driver_api::ErrorKind;

use crate::client::error::ClientError;

/// The meaning of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What it means for the caller.
    pub(crate) kind: ErrorKind,
    /// What to do; empty where the engine's words say it.
    pub(crate) remedy: &'static str,
}

/// The words for an image for another platform than the one that is asked for.
pub(crate) const OTHER_PLATFORM: &str = "does not match the specified platform";

/// Words that all have to be in the text, in lower case; the first row that fits counts.
const TABLE: &[(&[&str], ErrorKind, &str)] = {
    use ErrorKind::{
        Conflict, DiskFull, ImageNotFound, InvalidInput, LogDriver, NetworkNotFound, Unsupported,
    };
    const DISK: &str = "free space where the engine keeps its data";
    const LOG: &str = "check the task's log driver, its options and its address";
    const USER: &str = "name one that is in the image, or give a number (security.user)";
    const GROUP: &str =
        "name one that is in the image, or give a number (security.user, security.groups)";
    const PORT: &str = "choose another port, or end what uses this one";
    const DEVICE: &str = "give a device that the engine's host has (devices)";
    const WORK_DIR: &str = "give a folder, or a path where there is nothing yet (work_dir)";
    const SHARED: &str =
        "make it shared on the engine's host, or leave the propagation out (mounts)";
    const TAR: &str = "give a whole tar archive: plain, or packed by gzip, bzip2 or xz";
    const MEMORY: &str = "raise it to 6MiB or more (limits.memory, limits.memory_reservation)";
    &[
        (&["no space left on device"], DiskFull, DISK),
        (&["disk quota exceeded"], DiskFull, DISK),
        (&["failed to initialize logging driver"], LogDriver, LOG),
        (&["logging plugin"], LogDriver, LOG),
        (&["logging driver"], LogDriver, LOG),
        (&["log opt"], LogDriver, LOG),
        (&["no log driver named"], LogDriver, LOG),
        // Podman's.
        (&["invalid log driver"], LogDriver, LOG),
        (&["no such image"], ImageNotFound, ""),
        (
            &["network", "not found"],
            NetworkNotFound,
            "`docker network ls` lists the networks that there are",
        ),
        (&["port is already allocated"], Conflict, PORT),
        (&["address already in use"], Conflict, PORT),
        (
            &["storage-opt is"],
            Unsupported,
            "leave it out, or use an engine whose storage can limit it (limits.fs_size)",
        ),
        (
            &[OTHER_PLATFORM],
            Unsupported,
            "choose another, or pull the image for this one (platform)",
        ),
        (
            &["docker-init", "not found"],
            Unsupported,
            "install docker-init (tini) on the engine's host, or do without an init (security.init)",
        ),
        (
            &["unable to retrieve oci runtime error", "not found"],
            Unsupported,
            "install that runtime on the engine's host, or have the engine use another",
        ),
        (&["unable to find user"], InvalidInput, USER),
        (&["unable to find group"], InvalidInput, GROUP),
        (
            &["uids and gids must be in range"],
            InvalidInput,
            "give a number in that range (security.user, security.groups)",
        ),
        (&["minimum memory"], InvalidInput, MEMORY),
        // Podman leaves it to the kernel.
        (&["unable to set memory limit"], InvalidInput, MEMORY),
        (
            &["no command specified"],
            InvalidInput,
            "the image has no program of its own: give one (entrypoint, args)",
        ),
        (
            &["setting rlimits"],
            InvalidInput,
            "ask for no more than the engine's host allows (limits.ulimits)",
        ),
        (
            &["unknown capability"],
            InvalidInput,
            "`man 7 capabilities` lists them (security.cap_add, security.cap_drop)",
        ),
        (&["error gathering device information"], InvalidInput, DEVICE),
        // Podman's.
        (&["stat /dev/", "no such file"], InvalidInput, DEVICE),
        (
            &["requested cpus are not available"],
            InvalidInput,
            "choose among those that are (limits.cpuset)",
        ),
        (
            &["source path does not exist"],
            InvalidInput,
            "make it on the engine's host, or mount another (mounts)",
        ),
        (
            &["must use either propagation mode"],
            InvalidInput,
            "mount a folder that does not hold the engine's own, or give it the propagation rslave (mounts)",
        ),
        (&["not a shared mount"], InvalidInput, SHARED),
        (&["not a slave mount"], InvalidInput, SHARED),
        (&["not a shared or slave mount"], InvalidInput, SHARED),
        (
            &["mount a directory onto a file"],
            InvalidInput,
            "mount a folder onto a folder and a file onto a file (mounts)",
        ),
        (
            &["decoding seccomp profile failed"],
            InvalidInput,
            "give a profile in the engine's JSON format (security.seccomp)",
        ),
        (&["invalid tar header"], InvalidInput, TAR),
        (&["processing tar file", "unexpected eof"], InvalidInput, TAR),
        (
            &["cannot overwrite directory"],
            InvalidInput,
            "there is a folder of that name: choose another path",
        ),
        (
            &["marked read-only"],
            InvalidInput,
            "copy to a mount, or leave the root writable (security.read_only_root)",
        ),
        (&["cannot mkdir"], InvalidInput, WORK_DIR),
        // Podman's.
        (&["workdir", "is not a directory"], InvalidInput, WORK_DIR),
        (
            &["set in config.json failed"],
            InvalidInput,
            "give a folder that the user may enter (work_dir)",
        ),
    ]
};

/// What a text of the engine's means, where its words tell more than its status.
pub(crate) fn meaning(message: &str) -> Option<Refusal> {
    let lower = message.to_lowercase();
    let fits = |words: &&[&str]| words.iter().all(|word| lower.contains(word));
    let found = TABLE.iter().find(|(words, ..)| fits(words));
    found.map(|&(_, kind, remedy)| Refusal { kind, remedy })
}

/// Whether the image is there for another platform only.
pub(crate) fn is_other_platform(error: &ClientError) -> bool {
    matches!(error, ClientError::Status { message, .. } if message.contains(OTHER_PLATFORM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_words_in_lower_case_and_is_reached() {
        for (words, kind, remedy) in TABLE {
            let text = words.join(" ");
            assert_eq!(text, text.to_lowercase());
            let found = meaning(&text.to_uppercase()).unwrap();
            assert_eq!((found.kind, found.remedy), (*kind, *remedy), "{text}");
        }
        assert_eq!(meaning("boom"), None);
    }
}
