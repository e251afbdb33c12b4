//! Pulls from a real registry, in the open and behind a password.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use longshore_conformance::Fixture as _;
use longshore_docker::DockerDriver;
use longshore_driver_api::{
    Credential, Driver as _, DriverExt as _, ErrorKind, ImageRef, PullProgress, Result, Task,
    TaskHooks, TaskSpec,
};
use longshore_images::StaticCredentials;

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set; `cargo xtask test` starts the registries"))
}

/// The testee's image in a registry, and not on the engine. Removed from the engine at the end.
struct Remote {
    image: String,
}

impl Remote {
    /// The testee in the registry that the variable names.
    fn of(variable_of_registry: &str) -> Self {
        let registry = variable(variable_of_registry);
        let remote = Self { image: format!("{registry}/longshore/testee:latest") };
        remote.remove();
        remote
    }

    fn remove(&self) {
        // It may not be there.
        let _ = engine::call("DELETE", &format!("/images/{}?noprune=1", self.image));
    }

    fn spec(&self) -> TaskSpec {
        TaskSpec::builder(&self.image).args(["exit", "3"]).build().unwrap()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.remove();
    }
}

#[derive(Debug, Default)]
struct Hooks {
    credential: Option<Credential>,
    progress: Mutex<Vec<PullProgress>>,
}

#[async_trait]
impl TaskHooks for Hooks {
    async fn credential(&self, _image: &ImageRef) -> Result<Option<Credential>> {
        Ok(self.credential.clone())
    }

    fn pull_progress(&self, progress: &PullProgress) {
        self.progress.lock().unwrap().push(progress.clone());
    }
}

#[tokio::test]
async fn an_image_is_pulled_once_with_progress_and_then_it_is_there() {
    let remote = Remote::of("LONGSHORE_TEST_REGISTRY");
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let hooks = Arc::new(Hooks::default());
    let task = || Task::new(remote.spec()).hooks(Arc::clone(&hooks) as Arc<dyn TaskHooks>);
    let exit = driver.run_task(task()).await.unwrap();
    assert_eq!(exit.code, Some(3));
    assert!(!hooks.progress.lock().unwrap().is_empty());
    let steps = hooks.progress.lock().unwrap().len();
    driver.run_task(task()).await.unwrap();
    assert_eq!(hooks.progress.lock().unwrap().len(), steps, "it was pulled again");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_tag_that_the_registry_does_not_have_is_named() {
    let image = format!("{}/longshore/none:1", variable("LONGSHORE_TEST_REGISTRY"));
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let error = driver.run_task(TaskSpec::builder(&image).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error}");
    assert!(error.to_string().contains(&image), "{error}");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn the_right_password_pulls_whether_it_is_the_tasks_or_the_drivers() {
    let registry = variable("LONGSHORE_TEST_REGISTRY_AUTH");
    let user = variable("LONGSHORE_TEST_REGISTRY_USER");
    let password = variable("LONGSHORE_TEST_REGISTRY_PASSWORD");
    let remote = Remote::of("LONGSHORE_TEST_REGISTRY_AUTH");
    let fixture = fixture::Docker::new();
    let right = Credential::password(user, password);
    let driver = fixture.open().await.unwrap();
    let hooks = Hooks { credential: Some(right.clone()), ..Hooks::default() };
    let exit = driver.run_task(Task::new(remote.spec()).hooks(Arc::new(hooks))).await.unwrap();
    assert_eq!(exit.code, Some(3));
    driver.close().await.unwrap();
    remote.remove();
    let mut config = fixture.config();
    config.credentials = Some(Arc::new(StaticCredentials::new().with(&registry, right).unwrap()));
    let driver = DockerDriver::open(config).await.unwrap();
    assert_eq!(driver.run_task(remote.spec()).await.unwrap().code, Some(3));
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let registry = variable("LONGSHORE_TEST_REGISTRY_AUTH");
    let wrong = Credential::password("longshore", "wr~ng-p?ssw>rd");
    let fixture = fixture::Docker::new();
    let mut config = fixture.config();
    config.credentials = Some(Arc::new(StaticCredentials::new().with(&registry, wrong).unwrap()));
    let driver = DockerDriver::open(config).await.unwrap();
    let image = format!("{registry}/longshore/anything:1");
    let error = driver.run_task(TaskSpec::builder(&image).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryUnauthorized, "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains(&image) && text.contains("credential"), "{text}");
    assert!(!text.contains("wr~ng-p?ssw>rd"), "{text}");
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}
