//! Which credential is found for which image, and what errors say.

mod helpers;

use std::fs;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use longshore_driver_api::{
    Anonymous, Credential, CredentialSource, Error, ErrorKind, NoHooks, Result, Secret, TaskHooks,
};
use longshore_image_ref::ImageRef;
use serde_json::{Value, json};

use super::*;

fn image(text: &str) -> ImageRef {
    text.parse().unwrap()
}

fn auth(password: &str) -> Value {
    json!({ "auth": STANDARD.encode(format!("ann:{password}")) })
}

fn password(password: &str) -> Option<Credential> {
    Some(Credential::password("ann", password))
}

async fn found(config: &Value, for_image: &str) -> Result<Option<Credential>> {
    InlineConfig::parse(&config.to_string())?.credential(&image(for_image)).await
}

#[tokio::test]
async fn a_credential_is_for_its_exact_host_and_no_other() {
    let config = json!({ "auths": {
        "registry.co.uk": auth("one"),
        "https://my.registry.co.uk/v1/": auth("two"),
        "127.0.0.1:5000": auth("three"),
        "host:5000": auth("four"),
        "http://plain.example:80": auth("five"),
    }});
    for (name, expected) in [
        ("registry.co.uk/a", password("one")),
        ("my.registry.co.uk/a", password("two")),
        ("127.0.0.1:5000/a", password("three")),
        ("host:5000/a", password("four")),
        ("plain.example:80/a", password("five")),
        ("co.uk/a", None),
        ("other.registry.co.uk/a", None),
        ("www.my.registry.co.uk/a", None),
        ("registry.co.uk:443/a", None),
        ("registry.co.uk.evil.example/a", None),
        ("127.0.0.1/a", None),
        ("127.0.0.1:5001/a", None),
        ("host.example/a", None),
        ("plain.example/a", None),
        ("busybox", None),
    ] {
        assert_eq!(found(&config, name).await.unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn docker_hubs_credential_serves_docker_hub_under_any_of_its_names() {
    for key in [
        "https://index.docker.io/v1/",
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "hub.docker.com",
    ] {
        let config = json!({ "auths": { key: auth("hub") } });
        for name in ["busybox", "docker.io/ann/app", "registry-1.docker.io/library/busybox"] {
            assert_eq!(found(&config, name).await.unwrap(), password("hub"), "{key} {name}");
        }
        assert_eq!(found(&config, "evil.docker.io/a").await.unwrap(), None, "{key}");
    }
}

#[tokio::test]
async fn of_several_keys_for_one_host_the_plain_one_counts() {
    let config = json!({ "auths": {
        "HTTPS://ghcr.io": auth("one"),
        "ghcr.io": auth("two"),
        "http://ghcr.io/v1/": auth("three"),
    }});
    assert_eq!(found(&config, "ghcr.io/a").await.unwrap(), password("two"));
    let config = json!({ "auths": { "ghcr.io": {}, "https://ghcr.io": auth("one") } });
    assert_eq!(found(&config, "ghcr.io/a").await.unwrap(), password("one"));
}

#[tokio::test]
async fn every_form_of_an_entry_is_understood() {
    let token = |text: &str| Some(Credential::IdentityToken(Secret::new(text)));
    for (entry, expected) in [
        (auth("with:colons:"), password("with:colons:")),
        (auth(""), password("")),
        (json!({ "auth": STANDARD_NO_PAD.encode("ann:p") }), password("p")),
        (json!({ "auth": STANDARD.encode("ann:p\0\0\0") }), password("p")),
        (json!({ "username": "ann", "password": "p" }), password("p")),
        (json!({ "auth": "", "username": "ann", "password": "p" }), password("p")),
        (json!({ "identitytoken": "t" }), token("t")),
        (json!({ "auth": STANDARD.encode("<token>:"), "identitytoken": "t" }), token("t")),
        (json!({ "registrytoken": "t" }), Some(Credential::RegistryToken(Secret::new("t")))),
        (json!({ "auth": STANDARD.encode("ann:p"), "email": "a@b" }), password("p")),
        (json!({}), None),
        (json!({ "auth": "" }), None),
        (json!({ "auth": null }), None),
    ] {
        let config = json!({ "auths": { "ghcr.io": entry } });
        assert_eq!(found(&config, "ghcr.io/a").await.unwrap(), expected, "{config}");
    }
}

#[tokio::test]
async fn the_older_form_of_the_file_is_understood() {
    let config = json!({ "https://index.docker.io/v1/": auth("hub"), "ghcr.io": auth("one") });
    assert_eq!(found(&config, "busybox").await.unwrap(), password("hub"));
    assert_eq!(found(&config, "ghcr.io/a").await.unwrap(), password("one"));
    assert_eq!(found(&json!({ "HttpHeaders": {} }), "ghcr.io/a").await.unwrap(), None);
}

#[tokio::test]
async fn a_broken_entry_is_an_error_only_for_its_own_registry() {
    let secret = STANDARD.encode("hunter2 without a colon");
    for broken in [
        json!({ "auth": secret }),
        json!({ "auth": "hunter2!!" }),
        json!({ "auth": ["hunter2"] }),
        json!("hunter2"),
        json!({ "password": "hunter2" }),
        json!({ "auth": STANDARD.encode("ann:x"), "username": "ann", "password": "hunter2" }),
    ] {
        let config = json!({ "auths": { "broken.example": broken, "ghcr.io": auth("one") } });
        assert_eq!(found(&config, "ghcr.io/a").await.unwrap(), password("one"));
        let error = found(&config, "broken.example/a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("broken.example"), "{error}");
        for text in [format!("{error}"), format!("{error:?}")] {
            assert!(!text.contains("hunter2") && !text.contains(&secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_configuration_that_is_none_is_refused_without_quoting_it() {
    for text in ["", "hunter2", "[\"hunter2\"]", "{\"auths\": [\"hunter2\"]}", "{\"a\": \"hunter2"]
    {
        let error = InlineConfig::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let config = json!({ "auths": { "ghcr.io": { "auth": "c2VjcmV0", "password": "hunter2" } } });
    let config = InlineConfig::parse(&config.to_string()).unwrap();
    let fixed = StaticCredentials::new().with("ghcr.io", Credential::password("ann", "hunter2"));
    let text = format!("{config:?} {:?}", Chain::new().then(config.clone()).then(fixed.unwrap()));
    assert!(text.contains("ghcr.io"));
    assert!(!text.contains("hunter2") && !text.contains("c2VjcmV0"), "{text}");
}

#[tokio::test]
async fn fixed_credentials_follow_the_same_rules() {
    let fixed = StaticCredentials::new()
        .with("https://index.docker.io/v1/", Credential::password("ann", "hub"))
        .unwrap()
        .with("host:5000", Credential::password("ann", "five"))
        .unwrap();
    assert_eq!(fixed.credential(&image("busybox")).await.unwrap(), password("hub"));
    assert_eq!(fixed.credential(&image("host:5000/a")).await.unwrap(), password("five"));
    assert_eq!(fixed.credential(&image("host.example/a")).await.unwrap(), None);
    assert_eq!(fixed.credential(&image("x_y.z/a")).await.unwrap(), None);
    let error = StaticCredentials::new().with("ghcr.io/org", Credential::password("a", "b"));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[derive(Debug)]
struct Fails;

#[async_trait::async_trait]
impl CredentialSource for Fails {
    async fn credential(&self, _image: &ImageRef) -> Result<Option<Credential>> {
        Err(Error::new(ErrorKind::Io, "find credential"))
    }
}

#[tokio::test]
async fn the_first_credential_of_a_chain_counts_and_an_error_ends_it() {
    let one = StaticCredentials::new().with("ghcr.io", Credential::password("ann", "one")).unwrap();
    let two = StaticCredentials::new().with("ghcr.io", Credential::password("ann", "two")).unwrap();
    let chain = Chain::new().then(Anonymous).then(one).then(two).then(Fails);
    assert_eq!(chain.credential(&image("ghcr.io/a")).await.unwrap(), password("one"));
    assert!(chain.credential(&image("quay.io/a")).await.is_err());
    assert_eq!(Chain::new().credential(&image("ghcr.io/a")).await.unwrap(), None);
}

#[tokio::test]
async fn a_source_that_could_not_be_read_is_an_error_only_when_it_is_asked() {
    let one = StaticCredentials::new().with("ghcr.io", Credential::password("ann", "one")).unwrap();
    let broken = InlineConfig::parse("{\n").unwrap_err();
    let chain = Chain::new().then(one).then_error(broken);
    assert_eq!(chain.credential(&image("ghcr.io/a")).await.unwrap(), password("one"));
    for _ in 0..2 {
        let error = chain.credential(&image("quay.io/a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("line 2 column 0"), "{error}");
    }
}

#[derive(Debug)]
struct Hook(Result<Option<Credential>, ErrorKind>);

#[async_trait::async_trait]
impl TaskHooks for Hook {
    async fn credential(&self, _image: &ImageRef) -> Result<Option<Credential>> {
        self.0.clone().map_err(|kind| Error::new(kind, "hook"))
    }
}

#[tokio::test]
async fn a_tasks_hook_is_asked_before_what_is_configured() {
    let fixed = StaticCredentials::new().with("ghcr.io", Credential::password("ann", "one"));
    let fixed = fixed.unwrap();
    let app = image("ghcr.io/a");
    let own = Hook(Ok(Some(Credential::password("task", "own"))));
    let credential = resolve(&own, &fixed, &app).await.unwrap();
    assert_eq!(credential, Some(Credential::password("task", "own")));
    assert_eq!(resolve(&NoHooks, &fixed, &app).await.unwrap(), password("one"));
    assert_eq!(resolve(&Hook(Ok(None)), &fixed, &app).await.unwrap(), password("one"));
    let error = resolve(&Hook(Err(ErrorKind::Cancelled)), &fixed, &app).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn the_file_is_read_anew_each_time_and_may_be_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let file = ConfigFile::new(&path);
    assert_eq!(file.credential(&image("ghcr.io/a")).await.unwrap(), None);
    for word in ["one", "two"] {
        fs::write(&path, json!({ "auths": { "ghcr.io": auth(word) } }).to_string()).unwrap();
        assert_eq!(file.credential(&image("ghcr.io/a")).await.unwrap(), password(word));
    }
    fs::write(&path, "rubbish").unwrap();
    let error = file.credential(&image("ghcr.io/a")).await.unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[tokio::test]
async fn what_is_no_file_is_refused_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("config.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), directory.path()] {
        let error = ConfigFile::new(path).credential(&image("ghcr.io/a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("it is not a file"), "{error}");
    }
}
