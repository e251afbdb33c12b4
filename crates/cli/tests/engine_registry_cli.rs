//! Pulls from a real registry that wants a password.

#[path = "support/engine.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod engine;
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use engine::{Rig, call, variable};
use support::{Done, done};

/// The testee in a registry, and not on the engine. Removed from the engine at the end.
struct Remote {
    registry: String,
    image: String,
    _alone: MutexGuard<'static, ()>,
}

/// The tests remove each other's images: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

impl Remote {
    fn of(name: &str) -> Self {
        let registry = variable(name);
        let image = format!("{registry}/longshore/testee:latest");
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let remote = Self { registry, image, _alone: alone };
        remote.remove();
        remote
    }

    fn remove(&self) {
        // It may not be there.
        let _ = call("DELETE", &format!("/images/{}?noprune=1", self.image));
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Gives a command the credential that `docker login` would have written.
fn logged_in<'a>(
    command: &'a mut Command,
    rig: &Rig,
    remote: &Remote,
    password: &str,
) -> &'a mut Command {
    let user = variable("LONGSHORE_TEST_REGISTRY_USER");
    let entry = serde_json::json!({"username": user, "password": password});
    let config = serde_json::json!({"auths": {&remote.registry: entry}});
    std::fs::write(rig.path("config.json"), config.to_string()).unwrap();
    command.env("DOCKER_CONFIG", rig.path(""))
}

#[test]
fn a_wrong_password_is_named_and_shown_to_nobody() {
    let (rig, remote) = (Rig::new(), Remote::of("LONGSHORE_TEST_REGISTRY_AUTH"));
    let json = rig.path("end.json");
    let mut command = rig.run(&["--json", &json, &remote.image, "exit", "0"]);
    let run = done(logged_in(&mut command, &rig, &remote, "hunter2"));
    run.assert(125, &remote.registry);
    run.assert(125, &format!("  help: log in with `docker login {}`", remote.registry));
    assert_eq!(rig.json("end.json")["error"]["kind"], "registry refused the credential");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
    let mut pull = rig.command("pull", &[&remote.image]);
    done(logged_in(&mut pull, &rig, &remote, "hunter2")).assert(125, &remote.registry);
}

/// Fails if anything that was written shows the password, or how it looks in a header.
#[track_caller]
fn assert_hidden(run: &Done, password: &str) {
    let mut secrets = vec![password.to_owned(), password.replace(' ', "%20")];
    // In base64 it has three looks, by where in a longer text it begins; its ends depend on what is
    // beside it.
    for before in ["", "x", "xx"] {
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(format!("{before}{password}"));
            secrets.push(text[4..text.len() - 1].to_owned());
        }
    }
    for secret in secrets {
        assert!(secret.len() > 6, "{secret:?} could be there by chance");
        assert!(!run.stderr.contains(&secret), "{secret:?} in {run:?}");
        assert!(!run.text().contains(&secret), "{secret:?} in {run:?}");
    }
}

#[test]
fn no_log_however_fine_holds_a_password() {
    let (rig, remote) = (Rig::new(), Remote::of("LONGSHORE_TEST_REGISTRY_AUTH"));
    let right = variable("LONGSHORE_TEST_REGISTRY_PASSWORD");
    for (password, code) in [("correct-horse-battery", 125), (&right, 3)] {
        let mut command = rig.run(&[&remote.image, "exit", "3"]);
        let run =
            done(logged_in(&mut command, &rig, &remote, password).env("LONGSHORE_LOG", "trace"));
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(run.stderr.contains("DEBUG longshore"), "{run:?}");
        assert_hidden(&run, password);
    }
}

#[test]
fn the_right_password_pulls_and_runs_without_a_word() {
    let (rig, remote) = (Rig::new(), Remote::of("LONGSHORE_TEST_REGISTRY_AUTH"));
    let password = variable("LONGSHORE_TEST_REGISTRY_PASSWORD");
    let mut command = rig.run(&[&remote.image, "exit", "3"]);
    done(logged_in(&mut command, &rig, &remote, &password)).assert_silent(3);
    // It is there now: no registry is asked any more.
    done(&mut rig.run(&["--pull", "never", &remote.image, "exit", "4"])).assert_silent(4);
}

#[test]
fn a_pull_that_fails_speaks_of_no_option_that_it_lacks() {
    let rig = Rig::new();
    let run = done(&mut rig.command("pull", &["127.0.0.1:1/nobody/has:this"]));
    run.assert(125, "  help: check the registry's name");
    assert!(!run.stderr.contains("--pull"), "{run:?}");
}

#[test]
fn a_pull_prints_the_full_name() {
    let (rig, remote) = (Rig::new(), Remote::of("LONGSHORE_TEST_REGISTRY"));
    let pulled = done(&mut rig.command("pull", &[&remote.image]));
    pulled.assert_silent(0);
    assert_eq!(pulled.text(), format!("{}\n", remote.image));
}
