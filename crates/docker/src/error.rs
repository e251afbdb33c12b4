//! From what the engine said to what it means for the caller. The one place where that is decided.

use std::borrow::Cow;

use longshore_driver_api::{Error, ErrorKind, NotStarted};

use crate::client::error::ClientError;
use crate::refusal::meaning;

/// The contract's error for a failed call in the operation `op` on `subject`, such as
/// "image alpine".
pub(crate) fn engine_error(
    op: impl Into<Cow<'static, str>>,
    subject: &str,
    error: ClientError,
) -> Error {
    let kind = kind_of(&error);
    let message = match &error {
        ClientError::Status { message, .. } | ClientError::Reported(message) => {
            let failed = Error::new(kind, op).message(format!("{subject}: {error}"));
            let failed = match remedy(message) {
                Some(remedy) => failed.remedy(remedy),
                None => failed,
            };
            return failed.because(error);
        }
        // These name the address, which is what is at fault.
        ClientError::Address(_)
        | ClientError::NoSocket { .. }
        | ClientError::Unreachable { .. }
        | ClientError::Tls { .. } => error.to_string(),
        ClientError::Forbidden { .. } => {
            let failed = Error::new(kind, op).message(error.to_string());
            return failed.remedy(ALLOWED).because(error);
        }
        ClientError::NoDescriptor(_) => {
            let failed = Error::new(kind, op).message(format!("{subject}: {error}"));
            return failed.remedy(MORE_FILES).because(error);
        }
        ClientError::Deadline { .. } => {
            let failed = Error::new(kind, op).message(format!("{subject}: {error}"));
            return failed.remedy(SLOW).because(error);
        }
        _ => format!("{subject}: {error}"),
    };
    Error::new(kind, op).message(message).because(error)
}

/// What to do about an engine that takes too long.
const SLOW: &str = "look whether the engine is well; `docker.timeouts` in the configuration says how long it may take";

/// What to do where no file can be opened any more.
const MORE_FILES: &str = "raise the limit on open files (`ulimit -n`; `LimitNOFILE=` of a systemd unit), or run fewer tasks at a time: each holds two connections while it runs with streams, one without";

/// What to do about a socket that this process may not connect to.
const ALLOWED: &str = "add the user to the group docker and log in again, or use sudo";

/// As [`engine_error`], for the first call to what answers at `address`, which may be no engine.
pub(crate) fn first_error(address: &str, error: ClientError) -> Error {
    let why = match &error {
        ClientError::Status { message, .. } if message.contains("HTTP request to an HTTPS") => {
            "it speaks TLS: give the address as https://host:port, and set DOCKER_CERT_PATH to the folder of the certificates"
        }
        ClientError::Status { status: 401 | 403 | 429 | 500.., .. } => {
            return engine_error("open", &format!("engine at {address}"), error);
        }
        ClientError::Status { .. } | ClientError::Protocol(_) => {
            "it is no Docker engine: check the address"
        }
        _ => return engine_error("open", &format!("engine at {address}"), error),
    };
    let message = format!("what answers at {address} cannot be used ({error}); {why}");
    Error::new(ErrorKind::InvalidInput, "open").message(message).because(error)
}

/// What the engine's refusal to start a container says about its program, if it is about that.
pub(crate) fn not_started(error: &ClientError) -> Option<NotStarted> {
    let ClientError::Status { message, .. } = error else { return None };
    if !is_about_the_program(message) {
        return None;
    }
    let lower = message.to_lowercase();
    if lower.contains("no such file or directory") || lower.contains("not found") {
        return Some(NotStarted::NotFound);
    }
    let refused = ["permission denied", "exec format error", "is a directory"];
    refused.iter().any(|reason| lower.contains(reason)).then_some(NotStarted::NotExecutable)
}

/// Whether it is the container's program that could not be started, and not one of the engine's own:
/// its init, its runtime, a hook, of which the same words are said.
fn is_about_the_program(message: &str) -> bool {
    // runc's, in all its versions: `... container process: exec: "name": ...`, and between the two
    // `caused` and a quotation mark, or where in the start it was.
    let runc = message.match_indices("exec: ").any(|(at, _)| {
        let before = message[..at].trim_end_matches(['"', '\\', ' ', ':']);
        let before = before.strip_suffix(" caused").unwrap_or(before);
        before.ends_with("container process") || before.ends_with("container init")
    });
    // crun's.
    runc || message.contains("executable file `") || message.contains("open executable")
}

/// What a failed call means, where nothing more is known of it.
pub(crate) fn kind_of(error: &ClientError) -> ErrorKind {
    match error {
        ClientError::Address(_) | ClientError::Tls { .. } => ErrorKind::InvalidInput,
        ClientError::NoSocket { .. } | ClientError::Unreachable { .. } => {
            ErrorKind::EngineUnavailable
        }
        ClientError::Forbidden { .. } => ErrorKind::PermissionDenied,
        ClientError::NoDescriptor(_) => ErrorKind::Busy,
        ClientError::Archive(_) => ErrorKind::Io,
        ClientError::Disconnected(_) => ErrorKind::Disconnected,
        ClientError::Deadline { .. } => ErrorKind::Deadline,
        ClientError::Protocol(_) => ErrorKind::Protocol,
        ClientError::Reported(message) => by_words(message).unwrap_or(ErrorKind::Engine),
        ClientError::Status { status, message } => by_words(message).unwrap_or(match status {
            400 => ErrorKind::InvalidInput,
            401 | 403 => ErrorKind::PermissionDenied,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            429 | 503 => ErrorKind::Busy,
            _ => ErrorKind::Engine,
        }),
    }
}

fn by_words(message: &str) -> Option<ErrorKind> {
    meaning(message).map(|refusal| refusal.kind)
}

/// What to do, where the engine's words are known.
fn remedy(message: &str) -> Option<&'static str> {
    meaning(message).map(|refusal| refusal.remedy).filter(|remedy| !remedy.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, message: &str) -> ClientError {
        ClientError::Status { status, message: message.to_owned() }
    }

    #[test]
    fn engines_words_get_their_meaning_whatever_the_status() {
        let table = [
            (404, "network nonesuch not found", ErrorKind::NetworkNotFound),
            (500, "failed to initialize logging driver: dial tcp", ErrorKind::LogDriver),
            (
                500,
                "container create: running container create option: invalid log driver: invalid argument",
                ErrorKind::LogDriver,
            ),
            (
                400,
                "error looking up logging plugin x: plugin \"x\" not found",
                ErrorKind::LogDriver,
            ),
            (400, "unknown log opt 'bad' for json-file log driver", ErrorKind::LogDriver),
            (404, "No such image: x:latest", ErrorKind::ImageNotFound),
            (404, "No such container: c", ErrorKind::NotFound),
            (500, "write /x: no space left on device", ErrorKind::DiskFull),
            (500, "--storage-opt is not supported", ErrorKind::Unsupported),
            (
                500,
                "unable to find user x: no matching entries in passwd file",
                ErrorKind::InvalidInput,
            ),
            (400, "Minimum memory limit allowed is 6MB", ErrorKind::InvalidInput),
            (409, "Conflict. The container name is in use", ErrorKind::Conflict),
            (503, "", ErrorKind::Busy),
            (500, "boom", ErrorKind::Engine),
        ];
        for (code, message, expected) in table {
            let error = engine_error("start", "container c", status(code, message));
            assert_eq!(error.kind(), expected, "{message}");
            assert!(error.to_string().starts_with("start: container c: "), "{error}");
        }
    }

    #[test]
    fn a_refusal_names_the_thing_and_what_to_do() {
        let table = [
            (400, "Minimum memory limit allowed is 6MB", "6MiB or more (limits.memory"),
            (400, "invalid CapAdd: unknown capability: \"CAP_X\"", "security.cap_add"),
            (500, "unable to find user u: no matching entries", "in the image, or give a number"),
            (500, "Unable to find group g: no matching entries", "security.groups"),
            (500, "error gathering device information while adding \"/dev/x\"", "(devices)"),
            (400, "Requested CPUs are not available - requested 9", "(limits.cpuset)"),
            (400, "bind source path does not exist: /x", "on the engine's host, or mount"),
            (500, "path /x is mounted on / but it is not a shared mount", "propagation"),
            (500, "--storage-opt is not supported", "(limits.fs_size)"),
            (400, "Cannot mkdir: /x is not a directory", "(work_dir)"),
        ];
        for (code, message, remedy) in table {
            let error = engine_error("create", "container c", status(code, message));
            assert!(error.kind().is_users_fault(), "{error}");
            let text = error.to_string();
            assert!(text.starts_with(&format!("create: container c: {message}; ")), "{text}");
            assert!(text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn an_engine_that_is_too_slow_is_told_with_what_bounds_it() {
        let bound = std::time::Duration::from_secs(30);
        let error = engine_error("open", "engine", ClientError::Deadline { bound });
        assert_eq!(error.kind(), ErrorKind::Deadline);
        assert_eq!(error.what(), "open: engine: the engine did not answer within 30 s");
        assert_eq!(error.what_to_do(), Some(SLOW));
    }

    #[test]
    fn what_answers_and_is_no_engine_is_named_by_its_address() {
        let tls = "Client sent an HTTP request to an HTTPS server.";
        let table = [
            (status(404, "status 404: nginx"), ErrorKind::InvalidInput, "it is no Docker engine"),
            (status(400, tls), ErrorKind::InvalidInput, "it speaks TLS: give the address as https"),
            (ClientError::Protocol("x".into()), ErrorKind::InvalidInput, "it is no Docker engine"),
            (status(403, "no"), ErrorKind::PermissionDenied, "no"),
            (status(503, "later"), ErrorKind::Busy, "later"),
        ];
        for (error, kind, words) in table {
            let error = first_error("tcp://h:1", error);
            assert_eq!(error.kind(), kind, "{error}");
            let text = error.to_string();
            assert!(text.contains("tcp://h:1") && text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_program_that_cannot_be_started_is_told_from_other_failures() {
        let table = [
            (
                "unable to start container process: exec: \"/nope\": stat /nope: no such file or directory: unknown",
                Some(NotStarted::NotFound),
            ),
            (
                "starting container process caused: exec: \"nope\": executable file not found in $PATH: unknown",
                Some(NotStarted::NotFound),
            ),
            (
                "crun: executable file `nope` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found",
                Some(NotStarted::NotFound),
            ),
            (
                "unable to start container process: exec: \"/proc\": permission denied: unknown",
                Some(NotStarted::NotExecutable),
            ),
            ("crun: open executable: Permission denied", Some(NotStarted::NotExecutable)),
            (
                "OCI runtime create failed: container_linux.go:348: starting container process caused \"exec: \\\"/x\\\": is a directory\": unknown",
                Some(NotStarted::NotExecutable),
            ),
            (
                "runc create failed: unable to start container process: error during container init: exec: \"nope\": executable file not found in $PATH",
                Some(NotStarted::NotFound),
            ),
            ("exec: \"docker-init\": executable file not found in $PATH", None),
            (
                "OCI runtime create failed: unable to retrieve OCI runtime error (open /run/log.json: no such file or directory): exec: \"nvidia-container-runtime\": executable file not found in $PATH: <nil>: unknown",
                None,
            ),
            (
                "starting container process caused: process_linux.go:545: container init caused: Running hook #0:: error running hook: exec: \"nvidia-container-runtime-hook\": executable file not found in $PATH",
                None,
            ),
            ("network x not found", None),
            ("chdir to cwd (\"/x\") set in config.json failed: no such file or directory", None),
        ];
        for (message, expected) in table {
            assert_eq!(not_started(&status(400, message)), expected, "{message}");
        }
    }

    #[test]
    fn a_missing_engine_is_told_with_its_address_and_what_to_do() {
        let error = engine_error("open", "engine", ClientError::NoSocket { path: "/s".into() });
        assert_eq!(error.kind(), ErrorKind::EngineUnavailable);
        assert!(error.to_string().contains("/s does not exist: start the engine"), "{error}");
        let error =
            engine_error("open", "engine", ClientError::Forbidden { address: "unix:///s".into() });
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(error.what_to_do(), Some(ALLOWED));
    }
}
