//! What a registry answered, as far as the engine passes it on: in words.

use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind, ImageRef};

use crate::client::error::ClientError;
use crate::error::kind_of;
use crate::refusal::OTHER_PLATFORM;

/// The contract's error for a failed pull. What comes from the registry has kinds of its own.
pub(super) fn pull_error(image: &ImageRef, error: ClientError) -> Error {
    let (kind, asked) = match &error {
        ClientError::Status { status, message } => {
            (registry_kind(image, Some(*status), message), asked_pause(message))
        }
        ClientError::Reported(message) => {
            (registry_kind(image, None, message), asked_pause(message))
        }
        other => (kind_of(other), None),
    };
    let remedy = match kind {
        ErrorKind::RegistryUnauthorized => {
            let login = login(image);
            format!("log in with `{login}`, or check the credential that is configured for it")
        }
        ErrorKind::ImageNotFound => {
            "check its name, tag and platform, and whether the registry wants a credential for it"
                .to_owned()
        }
        ErrorKind::RegistryFailed => {
            "check the registry's name, and whether the engine's host reaches it; an image that is loaded into the engine needs no registry if it is never pulled (pull)".to_owned()
        }
        ErrorKind::Deadline => SLOW.to_owned(),
        ErrorKind::DiskFull => "free space where the engine keeps its data".to_owned(),
        _ => String::new(),
    };
    let what = match &error {
        // Whether it is the engine or the registry that is silent is not known.
        ClientError::Deadline { bound } => {
            format!("the pull stood still for {}", humantime::format_duration(*bound))
        }
        other => other.to_string(),
    };
    let message = format!("image {}: {what}", image.canonical());
    let mut failed = Error::new(kind, "pull").message(message).because(error);
    if !remedy.is_empty() {
        failed = failed.remedy(remedy);
    }
    match asked {
        Some(pause) if kind == ErrorKind::RegistryBusy => failed.retry_after(pause),
        _ => failed,
    }
}

/// What to do about a pull that takes too long.
pub(super) const SLOW: &str = "look whether the engine's host reaches the registry; `docker.timeouts` in the configuration bounds a pull: pull_idle one that stands still, pull_total a whole one";

/// The command that writes a credential for the image's registry.
fn login(image: &ImageRef) -> String {
    if image.is_docker_hub() {
        return "docker login".to_owned();
    }
    format!("docker login {}", image.domain())
}

fn registry_kind(image: &ImageRef, status: Option<u16>, message: &str) -> ErrorKind {
    let text = without_names(image, message);
    let told = told_status(&text);
    let has = |words: &[&str]| words.iter().any(|words| text.contains(words));
    let is = |status: u16| told == Some(status);
    if has(&["no space left on device", "disk quota exceeded"]) {
        return ErrorKind::DiskFull;
    }
    // What came from the registry could not be unpacked: that is the engine's affair.
    if has(&["failed to register layer", "error processing tar file", "permission denied"]) {
        return ErrorKind::Engine;
    }
    if has(&["toomanyrequests", "too many requests", "rate limit"])
        || is(429)
        || status == Some(429)
    {
        return ErrorKind::RegistryBusy;
    }
    if has(&["manifest verification failed", "does not match provided manifest digest"]) {
        return ErrorKind::ImageRejected;
    }
    let elsewhere = [
        "no matching manifest",
        "no match for platform",
        "cannot be used on this platform",
        // Docker 26's, where the name leads to an image for one platform.
        OTHER_PLATFORM,
        // Podman's, which goes on with the kind of list.
        "no image found in",
    ];
    if has(&elsewhere) {
        return ErrorKind::ImageNotFound;
    }
    // Docker's text for "not found, or not for you" names both: without proof of a refused
    // credential the image counts as not found.
    let unknown = ["repository does not exist", "manifest unknown", "name unknown"];
    if has(&unknown) || has(&["no such image"]) {
        return ErrorKind::ImageNotFound;
    }
    let refused =
        ["unauthorized", "authentication required", "no basic auth", "insufficient_scope"];
    let denied = ["denied: ", "access denied", "is denied", "access forbidden"];
    if has(&refused) || has(&denied) || is(401) || is(403) {
        return ErrorKind::RegistryUnauthorized;
    }
    if has(&["not found"]) || is(404) || status == Some(404) {
        return ErrorKind::ImageNotFound;
    }
    if has(&["invalid reference format"]) {
        return ErrorKind::InvalidInput;
    }
    if has(&["unsupported media type", "unsupported manifest", "unsupported schema version"]) {
        return ErrorKind::Unsupported;
    }
    ErrorKind::RegistryFailed
}

/// The text in lower case without what could be a name: an image may be called `unauthorized`.
fn without_names(image: &ImageRef, message: &str) -> String {
    let lower = message.to_lowercase();
    let tag = image.tag().unwrap_or("latest");
    let last = image.path().rsplit('/').next().unwrap_or_default();
    let tagged = format!("{last}:{tag}");
    let words = lower.split_whitespace().filter(|word| {
        let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
        // URLs, paths and names with a slash; then the names without one.
        !word.contains('/') && bare != tagged && bare != last
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The status of the registry's answer, where the engine quotes it: `HTTP status: 503 Service
/// Unavailable`, `error parsing HTTP 403 response body`.
fn told_status(text: &str) -> Option<u16> {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |word: &str| {
        let digits = word.trim_end_matches([':', ',', '.', ')']);
        (digits.len() == 3).then(|| digits.parse().ok()).flatten()
    };
    words.windows(2).find_map(|pair| {
        let announced = ["status:", "status", "http", "code", "code:"].contains(&pair[0]);
        let status: u16 = number(pair[1])?;
        (announced && (400..600).contains(&status)).then_some(status)
    })
}

/// How long the registry asks to be left alone. It says so in a header, which the engine keeps for
/// itself; some say it in words too: `retry-after: 30s`.
fn asked_pause(message: &str) -> Option<Duration> {
    let lower = message.to_lowercase();
    let after = ["retry-after:", "retry-after", "retry after:", "retry after", "again in"]
        .iter()
        .find_map(|words| lower.split_once(words).map(|(_, after)| after))?;
    let mut words = after.split_whitespace();
    let word = words.next()?.trim_end_matches([',', '.', ';', ')']);
    let unit = words.next().unwrap_or_default().trim_end_matches([',', '.', ';', ')']);
    match word.parse::<u32>() {
        Ok(count) if unit.starts_with("minute") => Some(Duration::from_secs(60) * count),
        Ok(count) if unit.starts_with("hour") => Some(Duration::from_secs(3600) * count),
        Ok(count) => Some(Duration::from_secs(count.into())),
        Err(_) => go_duration(word),
    }
}

/// A duration as Go writes it: `1m30s`, `284.39µs`.
fn go_duration(mut text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let count: f64 = text[..end].parse().ok()?;
        let rest = &text[end..];
        let units = [
            ("ms", 1e-3),
            ("µs", 1e-6),
            ("us", 1e-6),
            ("ns", 1e-9),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
        ];
        let (unit, factor) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
        seconds += count * factor;
        text = &rest[unit.len()..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn image(text: &str) -> ImageRef {
        text.parse().unwrap()
    }

    #[test]
    fn registries_words_get_kinds_of_their_own() {
        use ErrorKind::*;
        let denied = "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied";
        let table = [
            (Some(404), denied, ImageNotFound),
            (Some(404), "manifest for x:y not found: manifest unknown", ImageNotFound),
            (
                Some(500),
                "Get \"https://r/v2/\": unauthorized: authentication required",
                RegistryUnauthorized,
            ),
            (Some(500), "Head \"http://r/v2/a\": no basic auth credentials", RegistryUnauthorized),
            (
                Some(500),
                "error parsing HTTP 403 response body: unexpected end",
                RegistryUnauthorized,
            ),
            (
                None,
                "unexpected status from HEAD request to https://r/v2/a: 401 Unauthorized",
                RegistryUnauthorized,
            ),
            (None, "denied: requested access to the resource is denied", RegistryUnauthorized),
            (None, "toomanyrequests: You have reached your pull rate limit", RegistryBusy),
            (None, "received unexpected HTTP status: 429 Too Many Requests", RegistryBusy),
            (
                Some(500),
                "error parsing HTTP 429 response body: invalid character '<'",
                RegistryBusy,
            ),
            (Some(500), "received unexpected HTTP status: 503 Service Unavailable", RegistryFailed),
            (Some(500), "Get \"https://r/v2/\": dial tcp: lookup r: no such host", RegistryFailed),
            (
                Some(500),
                "Get \"https://r/v2/\": dial tcp 127.0.0.1:404: connect: connection refused",
                RegistryFailed,
            ),
            (None, "unexpected EOF", RegistryFailed),
            (None, "failed to register layer: no space left on device", DiskFull),
            (None, "failed to register layer: Error processing tar file(exit status 1): x", Engine),
            (Some(500), "mkdir /var/lib/docker/tmp: permission denied", Engine),
            (
                None,
                "no matching manifest for linux/s390x in the manifest list entries",
                ImageNotFound,
            ),
            (
                None,
                "image operating system \"windows\" cannot be used on this platform",
                ImageNotFound,
            ),
            (
                Some(404),
                "image with reference r.example/app:1 was found but does not match the specified platform: wanted linux/s390x, actual: linux/amd64",
                ImageNotFound,
            ),
            (
                None,
                "image with reference r.example/app:1 was found but does not match the specified platform: wanted linux/s390x, actual: linux/amd64",
                ImageNotFound,
            ),
            (None, "manifest verification failed for digest sha256:0", ImageRejected),
            // Podman's.
            (
                Some(500),
                "no image found in image index for architecture \"s390x\", variant \"\", OS \"linux\"",
                ImageNotFound,
            ),
            (
                Some(500),
                "choosing an image from manifest list docker://r.example/app:1: no image found in manifest list for architecture s390x, variant \"\", OS linux",
                ImageNotFound,
            ),
            (None, "Manifest does not match provided manifest digest sha256:0", ImageRejected),
            (Some(400), "invalid reference format", InvalidInput),
        ];
        for (code, message, expected) in table {
            assert_eq!(registry_kind(&image("r/x:y"), code, message), expected, "{message}");
        }
    }

    #[test]
    fn whoever_is_refused_is_told_where_to_log_in() {
        for (name, command) in [
            ("127.0.0.1:5000/a/b", "`docker login 127.0.0.1:5000`"),
            ("ghcr.io/a/b:c", "`docker login ghcr.io`"),
            ("a/b", "`docker login`"),
        ] {
            let refused = ClientError::Reported("unauthorized".to_owned());
            let error = pull_error(&image(name), refused);
            assert!(error.what_to_do().is_some_and(|told| told.contains(command)), "{error}");
        }
    }

    #[test]
    fn a_name_that_is_a_telling_word_tells_nothing() {
        let failed = "dial tcp 10.0.0.1:443: connect: connection refused";
        for name in ["unauthorized", "denied:denied", "r.io/toomanyrequests/unauthorized:denied"] {
            let image = image(name);
            let shown = format!("{}:{}", image.path(), image.tag().unwrap_or("latest"));
            let short = shown.strip_prefix("library/").unwrap_or(&shown);
            for message in [
                format!("Get \"https://r.io/v2/{}/manifests/denied\": {failed}", image.path()),
                format!("manifest for {shown} is broken"),
                format!("manifest for {short} is broken"),
            ] {
                let kind = registry_kind(&image, Some(500), &message);
                assert_eq!(kind, ErrorKind::RegistryFailed, "{message}");
            }
            let missing = format!("manifest for {short} not found: manifest unknown");
            assert_eq!(registry_kind(&image, None, &missing), ErrorKind::ImageNotFound);
        }
    }

    #[test]
    fn a_pause_that_a_busy_registry_asks_for_is_read() {
        let millis = Duration::from_millis;
        let table = [
            (
                "toomanyrequests: retry-after: 284.5ms, allowed: 44000/minute",
                Some(millis(284) + Duration::from_micros(500)),
            ),
            ("toomanyrequests: Retry-After: 30", Some(millis(30_000))),
            ("too many requests; retry after 1m30s.", Some(millis(90_000))),
            ("too many requests, try again in 5 minutes", Some(millis(300_000))),
            ("too many requests, retry-after: 20 seconds", Some(millis(20_000))),
            ("toomanyrequests: slow down", None),
            ("toomanyrequests: retry-after: soon", None),
        ];
        for (message, expected) in table {
            let error = pull_error(&image("x"), ClientError::Reported(message.to_owned()));
            assert_eq!(error.kind(), ErrorKind::RegistryBusy);
            assert_eq!(error.asks_to_wait(), expected, "{message}");
        }
        let other = ClientError::Reported("unauthorized; retry after 30s".to_owned());
        assert_eq!(pull_error(&image("x"), other).asks_to_wait(), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}|(retry-after: )[0-9.]{0,30}(s|h|m|µs)?") {
            let _ = pull_error(&image("x"), ClientError::Reported(text));
        }
    }
}
