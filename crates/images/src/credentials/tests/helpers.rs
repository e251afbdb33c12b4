//! Credential helpers: when they are asked, what they answer, and how they are ended.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use longshore_driver_api::{Credential, CredentialSource, ErrorKind, Result, Secret};
use serde_json::{Value, json};

use super::{auth, image, password};
use crate::{HelperOptions, InlineConfig};

/// A directory with credential helpers, which are shell scripts.
struct Helpers(tempfile::TempDir);

impl Helpers {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Adds `docker-credential-<name>`.
    fn with(self, name: &str, script: &str) -> Self {
        let path = self.path(&format!("docker-credential-{name}"));
        // Another process writes it: should this one have it open for writing while another test
        // starts a child, the script could not be run.
        let mut writer = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer
            .stdin
            .take()
            .unwrap()
            .write_all(format!("#!/bin/sh\n{script}\n").as_bytes())
            .unwrap();
        assert!(writer.wait().unwrap().success());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn options(&self) -> HelperOptions {
        HelperOptions::new().path(self.0.path())
    }

    async fn ask(&self, config: &Value, name: &str) -> Result<Option<Credential>> {
        let config = InlineConfig::parse(&config.to_string())?.helpers(self.options());
        config.credential(&image(name)).await
    }
}

/// Answers with the server as the password.
const ECHO: &str = r#"[ "$1" = get ] || exit 9
read server || true
printf '{"ServerURL":"%s","Username":"ann","Secret":"%s"}' "$server" "$server""#;

const NOT_FOUND: &str = "cat > /dev/null; echo 'credentials not found in native keychain'; exit 1";

#[tokio::test]
async fn a_helper_is_asked_for_the_registry_by_its_server_name() {
    let helpers = Helpers::new().with("echo", ECHO);
    let config = json!({ "credsStore": "echo" });
    let credential = helpers.ask(&config, "busybox").await.unwrap();
    assert_eq!(credential, password("https://index.docker.io/v1/"));
    let credential = helpers.ask(&config, "host:5000/a").await.unwrap();
    assert_eq!(credential, password("host:5000"));
}

#[tokio::test]
async fn a_registrys_own_helper_comes_before_the_one_for_all_and_both_before_the_file() {
    let own = r#"echo '{"Username":"ann","Secret":"own"}'"#;
    let helpers = Helpers::new().with("echo", ECHO).with("own", own).with("none", NOT_FOUND);
    let config = json!({
        "credsStore": "echo",
        "credHelpers": { "https://own.example/v1/": "own", "none.example": "none", "off.example": "" },
        "auths": { "own.example": auth("file"), "none.example": auth("file"),
            "off.example": auth("file"), "all.example": auth("file") },
    });
    for (name, expected) in [
        ("own.example/a", "own"),
        ("all.example/a", "all.example"),
        ("none.example/a", "file"),
        ("off.example/a", "file"),
    ] {
        assert_eq!(helpers.ask(&config, name).await.unwrap(), password(expected), "{name}");
    }
}

#[tokio::test]
async fn not_found_is_no_credential_and_no_error() {
    let helpers = Helpers::new()
        .with("none", NOT_FOUND)
        .with("empty", r#"echo '{"Username":"","Secret":""}'"#);
    for name in ["none", "empty"] {
        let credential = helpers.ask(&json!({ "credsStore": name }), "ghcr.io/a").await.unwrap();
        assert_eq!(credential, None, "{name}");
    }
}

#[tokio::test]
async fn a_helpers_token_is_an_identity_token() {
    let helpers = Helpers::new().with("token", r#"echo '{"Username":"<token>","Secret":"t"}'"#);
    let credential = helpers.ask(&json!({ "credsStore": "token" }), "ghcr.io/a").await.unwrap();
    assert_eq!(credential, Some(Credential::IdentityToken(Secret::new("t"))));
}

#[tokio::test]
async fn a_helper_that_fails_is_an_error_that_repeats_nothing_it_said() {
    let helpers = Helpers::new()
        .with("fails", "echo hunter2; echo hunter2 >&2; exit 3")
        .with("babbles", "echo hunter2")
        .with("partial", r#"echo '{"Username":"hunter2"}'"#)
        .with("other", r#"echo '{"ServerURL":"evil.example","Username":"ann","Secret":"hunter2"}'"#)
        .with("huge", "yes hunter2");
    for name in ["fails", "babbles", "partial", "other", "huge"] {
        let config = json!({ "credsStore": name, "auths": { "ghcr.io": auth("file") } });
        let error = helpers.ask(&config, "ghcr.io/a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{name}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(&format!("docker-credential-{name}")), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_helper_that_is_not_there_is_named_with_the_remedy() {
    let helpers = Helpers::new();
    fs::write(helpers.path("docker-credential-data"), "not a program").unwrap();
    for name in ["missing", "data"] {
        let error = helpers.ask(&json!({ "credsStore": name }), "ghcr.io/a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("install it"), "{error}");
        assert!(error.to_string().contains("which the configuration text names"), "{error}");
    }
    for name in [json!("../../bin/sh"), json!("a b"), json!(7)] {
        let config = json!({ "credHelpers": { "ghcr.io": name } });
        let error = helpers.ask(&config, "ghcr.io/a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert_eq!(helpers.ask(&config, "quay.io/a").await.unwrap(), None);
    }
}

/// Waits, in real time, until a file that a helper writes is there.
fn wait_for(path: &Path) -> String {
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => std::thread::yield_now(),
        }
    }
}

fn is_gone(process: &str) -> bool {
    match fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    }
}

/// Hangs, and so does a child that keeps its output open.
fn hang(helpers: &Helpers) -> String {
    let (own, childs) = (helpers.path("own"), helpers.path("child"));
    format!("sleep 1000 & echo $! > '{}'\necho $$ > '{}'\nwait", childs.display(), own.display())
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_hangs_is_killed_with_all_it_started() {
    let helpers = Helpers::new();
    let script = hang(&helpers);
    let helpers = helpers.with("hangs", &script);
    let config = InlineConfig::parse(r#"{ "credsStore": "hangs" }"#).unwrap();
    let config = config.helpers(helpers.options().timeout(Duration::from_secs(3)));
    let app = image("ghcr.io/a");
    let mut asked = Box::pin(config.credential(&app));
    // The clock stands still until the helper has started.
    let early = tokio::time::timeout(Duration::ZERO, &mut asked).await;
    assert!(early.is_err());
    let processes = [wait_for(&helpers.path("child")), wait_for(&helpers.path("own"))];
    let error = asked.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.to_string().contains("docker-credential-hangs took longer than 3s"), "{error}");
    for process in processes {
        while !is_gone(&process) {
            std::thread::yield_now();
        }
    }
}

#[tokio::test]
async fn nobody_waiting_any_more_ends_the_helper() {
    let helpers = Helpers::new();
    let script = hang(&helpers);
    let helpers = helpers.with("hangs", &script);
    let config = json!({ "credsStore": "hangs" });
    let app = image("ghcr.io/a");
    let source = InlineConfig::parse(&config.to_string()).unwrap().helpers(helpers.options());
    let asked = tokio::spawn(async move { source.credential(&app).await });
    let own = helpers.path("own");
    let process = tokio::task::spawn_blocking(move || wait_for(&own)).await.unwrap();
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    while !is_gone(&process) {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_helper_that_hangs_does_not_keep_a_runtime_from_ending() {
    let helpers = Helpers::new();
    let script = hang(&helpers);
    let helpers = helpers.with("hangs", &script);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let source = InlineConfig::parse(r#"{ "credsStore": "hangs" }"#).unwrap();
    let source = source.helpers(helpers.options());
    runtime.spawn(async move { source.credential(&image("ghcr.io/a")).await });
    let process = wait_for(&helpers.path("own"));
    drop(runtime);
    while !is_gone(&process) {
        std::thread::yield_now();
    }
}
