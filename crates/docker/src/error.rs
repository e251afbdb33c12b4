//! From what the engine said to what it means for the caller. The one place where that is decided.

use std::borrow::Cow;

use longshore_driver_api::{Error, ErrorKind, NotStarted};

use crate::client::error::ClientError;

/// The contract's error for a failed call in the operation `op` on `subject`, such as
/// "image alpine".
pub(crate) fn engine_error(
    op: impl Into<Cow<'static, str>>,
    subject: &str,
    error: ClientError,
) -> Error {
    let kind = kind_of(&error);
    let message = match &error {
        ClientError::Status { .. } | ClientError::Reported(_) => {
            format!("{subject}: {error}{}", remedy(kind))
        }
        // These name the address, which is what is at fault.
        ClientError::Address(_)
        | ClientError::NoSocket { .. }
        | ClientError::Forbidden { .. }
        | ClientError::Unreachable { .. }
        | ClientError::Tls { .. } => error.to_string(),
        _ => format!("{subject}: {error}"),
    };
    Error::new(kind, op).message(message).because(error)
}

/// As [`engine_error`], for a pull: what comes from the registry has kinds of its own.
pub(crate) fn pull_error(subject: &str, error: ClientError) -> Error {
    let kind = match &error {
        ClientError::Status { status, message } => registry_kind(Some(*status), message),
        ClientError::Reported(message) => registry_kind(None, message),
        other => kind_of(other),
    };
    let remedy = match kind {
        ErrorKind::RegistryUnauthorized => {
            "; give a credential for this registry, or check the one that is configured"
        }
        ErrorKind::ImageNotFound => {
            "; check its name and tag, and whether the registry wants a credential for it"
        }
        _ => remedy(kind),
    };
    Error::new(kind, "pull").message(format!("{subject}: {error}{remedy}")).because(error)
}

/// What the engine's refusal to start a container says about its program, if it is about that.
pub(crate) fn not_started(error: &ClientError) -> Option<NotStarted> {
    let ClientError::Status { message, .. } = error else { return None };
    // `exec: "name": ...` is runc's way to say it, `executable file` crun's and older runcs'.
    let about_the_program = message.contains("exec: ")
        || message.contains("executable file")
        || message.contains("open executable");
    if !about_the_program {
        return None;
    }
    let lower = message.to_lowercase();
    if lower.contains("no such file or directory") || lower.contains("not found") {
        return Some(NotStarted::NotFound);
    }
    let refused = ["permission denied", "exec format error", "is a directory"];
    refused.iter().any(|reason| lower.contains(reason)).then_some(NotStarted::NotExecutable)
}

fn kind_of(error: &ClientError) -> ErrorKind {
    match error {
        ClientError::Address(_) | ClientError::Tls { .. } => ErrorKind::InvalidInput,
        ClientError::NoSocket { .. } | ClientError::Unreachable { .. } => {
            ErrorKind::EngineUnavailable
        }
        ClientError::Forbidden { .. } => ErrorKind::PermissionDenied,
        ClientError::Disconnected(_) => ErrorKind::Disconnected,
        ClientError::Deadline { .. } => ErrorKind::Deadline,
        ClientError::Protocol(_) => ErrorKind::Protocol,
        ClientError::Reported(message) => by_message(message).unwrap_or(ErrorKind::Engine),
        ClientError::Status { status, message } => by_message(message).unwrap_or(match status {
            400 => ErrorKind::InvalidInput,
            401 | 403 => ErrorKind::PermissionDenied,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            429 | 503 => ErrorKind::Busy,
            _ => ErrorKind::Engine,
        }),
    }
}

/// Meanings that the engine gives only in words, under various statuses.
fn by_message(message: &str) -> Option<ErrorKind> {
    let lower = message.to_lowercase();
    let has = |text: &str| lower.contains(text);
    if has("no space left on device") || has("disk quota exceeded") {
        return Some(ErrorKind::DiskFull);
    }
    if has("failed to initialize logging driver")
        || has("logging plugin")
        || has("logging driver")
        || has("log opt")
        || has("no log driver named")
    {
        return Some(ErrorKind::LogDriver);
    }
    if has("no such image") {
        return Some(ErrorKind::ImageNotFound);
    }
    if has("network") && has("not found") {
        return Some(ErrorKind::NetworkNotFound);
    }
    if has("storage-opt is") || has("does not match the specified platform") {
        return Some(ErrorKind::Unsupported);
    }
    let users = [
        "unable to find user",
        "unable to find group",
        "decoding seccomp profile failed",
        "error gathering device information",
        "source path does not exist",
        "set in config.json failed",
    ];
    users.iter().any(|text| has(text)).then_some(ErrorKind::InvalidInput)
}

fn registry_kind(status: Option<u16>, message: &str) -> ErrorKind {
    let lower = message.to_lowercase();
    let has = |text: &str| lower.contains(text);
    if has("no space left on device") {
        return ErrorKind::DiskFull;
    }
    if has("toomanyrequests") || has("too many requests") || status == Some(429) {
        return ErrorKind::RegistryBusy;
    }
    // Docker's text for "not found, or not for you" names both: without proof of a refused
    // credential the image counts as not found.
    if has("repository does not exist") || has("manifest unknown") || has("no such image") {
        return ErrorKind::ImageNotFound;
    }
    if has("unauthorized")
        || has("authentication required")
        || has("denied")
        || has("no basic auth")
    {
        return ErrorKind::RegistryUnauthorized;
    }
    if has("not found") || status == Some(404) {
        return ErrorKind::ImageNotFound;
    }
    if has("no matching manifest") || has("does not match the specified platform") {
        return ErrorKind::ImageNotFound;
    }
    ErrorKind::RegistryFailed
}

fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::DiskFull => "; free space where the engine keeps its data",
        ErrorKind::LogDriver => "; check the task's log driver, its options and its address",
        ErrorKind::NetworkNotFound => "; `docker network ls` lists the networks that there are",
        _ => "",
    }
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
    fn registries_words_get_kinds_of_their_own() {
        let denied = "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied";
        let table = [
            (Some(404), denied, ErrorKind::ImageNotFound),
            (Some(404), "manifest for x:y not found: manifest unknown", ErrorKind::ImageNotFound),
            (
                Some(500),
                "Get \"https://r/v2/\": unauthorized: authentication required",
                ErrorKind::RegistryUnauthorized,
            ),
            (
                Some(500),
                "Head \"http://r/v2/a\": no basic auth credentials",
                ErrorKind::RegistryUnauthorized,
            ),
            (
                None,
                "toomanyrequests: You have reached your pull rate limit",
                ErrorKind::RegistryBusy,
            ),
            (
                Some(500),
                "Get \"https://r/v2/\": dial tcp: lookup r: no such host",
                ErrorKind::RegistryFailed,
            ),
            (None, "failed to register layer: no space left on device", ErrorKind::DiskFull),
        ];
        for (code, message, expected) in table {
            assert_eq!(registry_kind(code, message), expected, "{message}");
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
            ("exec: \"/x\": is a directory: unknown", Some(NotStarted::NotExecutable)),
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
        assert!(error.to_string().contains("group `docker`"), "{error}");
    }
}
