//! One name for two platforms, on a scripted engine where it leads to one image at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stage::Stage;
use crate::support::{Request, Script, Step, chunked, json};
use crate::until::until;
use longshore_driver_api::{
    Container, ContainerExt as _, Driver as _, ErrorKind, PullPolicy, Task, TaskSpec,
};
use tokio::sync::Notify;

/// Whatever hangs has hung by then.
const LONG: Duration = Duration::from_secs(30);
/// Time to do what must not be done.
const A_WHILE: Duration = Duration::from_millis(300);

const REFUSED: &str = r#"{"message":"image with reference r.io/x:1 was found but does not match the specified platform: wanted linux/amd64, actual: linux/arm64"}"#;

fn container(stage: &Stage, image: &str, platform: &str, pull: PullPolicy) -> Arc<dyn Container> {
    let spec = TaskSpec::builder(image).platform(platform).pull(pull).build().unwrap();
    stage.driver.container(Task::new(spec)).unwrap()
}

/// An engine whose pulls move every name at once, and end when they are told to.
async fn moving(go_on: &Arc<Notify>) -> Stage {
    let (word, architecture) = (Arc::clone(go_on), Mutex::new("none"));
    let answer = move |request: &Request| -> Option<Script> {
        if request.is("POST /images/create") {
            let amd64 = request.line.contains("amd64");
            *architecture.lock().unwrap() = if amd64 { "amd64" } else { "arm64" };
            let mut script = chunked();
            script.extend([Step::Until(Arc::clone(&word)), Step::Send(b"0\r\n\r\n".to_vec())]);
            return Some(script);
        }
        let architecture = *architecture.lock().unwrap();
        let image =
            serde_json::json!({"Id": "sha256:1", "Os": "linux", "Architecture": architecture});
        request.is("GET /images/").then(|| json(200, &image.to_string()))
    };
    Stage::new(|_| {}, answer).await
}

/// Waits until the engine was asked for so many pulls.
async fn pulls(stage: &Stage, count: usize) {
    until("the pulls are asked for", async || stage.engine.count("POST /images/create") >= count)
        .await;
}

#[tokio::test]
async fn who_pulls_one_name_for_two_platforms_at_once_gets_both() {
    let go_on = Arc::new(Notify::new());
    let stage = moving(&go_on).await;
    let [one, two] = ["linux/amd64", "linux/arm64"].map(|platform| {
        let container = container(&stage, "r.io/x:1", platform, PullPolicy::Always);
        async move { container.pull_image().await }
    });
    let one = tokio::spawn(one);
    pulls(&stage, 1).await;
    let two = tokio::spawn(two);
    let early = tokio::time::timeout(A_WHILE, pulls(&stage, 2)).await;
    assert!(early.is_err(), "the name is moved before it was looked at");
    go_on.notify_one();
    tokio::time::timeout(LONG, one).await.expect("it ends").unwrap().unwrap();
    go_on.notify_one();
    tokio::time::timeout(LONG, two).await.expect("it ends").unwrap().unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn pulls_of_other_names_do_not_wait() {
    let go_on = Arc::new(Notify::new());
    let stage = moving(&go_on).await;
    let [one, two] = ["r.io/x:1", "r.io/x:2"].map(|image| {
        let container = container(&stage, image, "linux/amd64", PullPolicy::Always);
        tokio::spawn(async move { container.pull_image().await })
    });
    pulls(&stage, 2).await;
    let word = tokio::spawn(async move {
        // The engine may not wait for it yet.
        loop {
            go_on.notify_waiters();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    for pull in [one, two] {
        tokio::time::timeout(LONG, pull).await.expect("it ends").unwrap().unwrap();
    }
    word.abort();
    stage.driver.close().await.unwrap();
}

/// An engine that has the name for this platform, and refuses to make containers of it for another.
async fn having(architecture: &str) -> Stage {
    let image = serde_json::json!({"Id": "sha256:1", "Os": "linux", "Architecture": architecture});
    let answer = move |request: &Request| {
        let image = request.is("GET /images/").then(|| json(200, &image.to_string()));
        image.or_else(|| request.is("POST /containers/create").then(|| json(404, REFUSED)))
    };
    Stage::new(|_| {}, answer).await
}

#[tokio::test]
async fn a_task_that_names_its_platform_is_made_of_the_image_that_was_looked_at() {
    let stage = having("amd64").await;
    let container = container(&stage, "r.io/x:1", "linux/amd64", PullPolicy::Missing);
    container.ensure_image().await.unwrap();
    // Even if the engine refuses it, it was there: nobody's mistake.
    let error = container.create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains("r.io/x:1") && error.is_retryable(), "{error}");
    let asked = &stage.engine.calls("POST /containers/create")[0];
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(body["Image"], "sha256:1");
    assert!(asked.line.contains("platform=linux%2Famd64"), "{}", asked.line);
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn no_container_is_made_of_an_image_for_another_platform() {
    let stage = having("arm64").await;
    let container = container(&stage, "r.io/x:1", "linux/amd64", PullPolicy::Missing);
    let error = container.create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert_eq!(stage.engine.count("POST /containers/create"), 0);
    stage.driver.close().await.unwrap();
}
