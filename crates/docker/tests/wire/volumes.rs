//! Images that declare volumes, where the configuration refuses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::stage::Stage;
use crate::support::{Request, Script, json};
use longshore_docker::{EngineOptions, ImageVolumes};
use longshore_driver_api::{
    Container, ContainerExt as _, Driver as _, ErrorKind, ImageStatus, Task, TaskSpec,
};

const WITH: &str =
    r#"{"Id":"sha256:77","Os":"linux","Architecture":"amd64","Config":{"Volumes":{"/data":{}}}}"#;
const WITHOUT: &str =
    r#"{"Id":"sha256:88","Os":"linux","Architecture":"amd64","Config":{"Volumes":null}}"#;

async fn stage(
    policy: ImageVolumes,
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> Stage {
    Stage::new(|config| config.image_volumes = policy, special).await
}

fn container(stage: &Stage, image: &str) -> Arc<dyn Container> {
    let spec = TaskSpec::builder(image).build().unwrap();
    stage.driver.container(Task::new(spec)).unwrap()
}

/// What containers were asked for, by their images.
fn created(stage: &Stage) -> Vec<String> {
    let image = |request: Request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        body["Image"].as_str().unwrap().to_owned()
    };
    stage.engine.calls("POST /containers/create").into_iter().map(image).collect()
}

fn images(request: &Request) -> Option<Script> {
    if request.is("GET /images/docker.io/library/with:latest/") {
        return Some(json(200, WITH));
    }
    request.is("GET /images/").then(|| json(200, WITHOUT))
}

#[tokio::test]
async fn a_refused_image_is_refused_each_time_and_not_created_unasked() {
    for policy in [ImageVolumes::Refuse, ImageVolumes::Only(vec!["other".to_owned()])] {
        let stage = stage(policy, images).await;
        let container = container(&stage, "with");
        for _ in 0..2 {
            let error = container.image_status().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ImageRejected, "{error}");
            let error = container.create().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ImageRejected, "{error}");
            assert!(error.to_string().contains("with:latest: it declares volumes (/data)"));
        }
        container.close().await.unwrap();
        assert_eq!(created(&stage), [""; 0]);
        stage.driver.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_image_is_refused_too_right_after_its_pull() {
    let pulled = AtomicBool::new(false);
    let stage = stage(ImageVolumes::Refuse, move |request| {
        if request.is("POST /images/create") {
            pulled.store(true, Ordering::SeqCst);
            return Some(json(200, "{\"status\":\"Status: Downloaded newer image\"}\n"));
        }
        let missing = request.is("GET /images/") && !pulled.load(Ordering::SeqCst);
        if missing { Some(json(404, r#"{"message":"no such image"}"#)) } else { images(request) }
    });
    let stage = stage.await;
    let container = container(&stage, "with");
    assert_eq!(container.image_status().await.unwrap(), ImageStatus::NeedsPull);
    for _ in 0..2 {
        let error = container.ensure_image().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImageRejected, "{error}");
    }
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_container_is_made_from_the_image_that_was_looked_at_whatever_its_name_leads_to_by_now() {
    let moved = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&moved);
    let stage = stage(ImageVolumes::Refuse, move |request| {
        let other = request.is("GET /images/") && now.load(Ordering::SeqCst);
        if other { Some(json(200, WITH)) } else { images(request) }
    });
    let stage = stage.await;
    let container = container(&stage, "without");
    assert_eq!(container.image_status().await.unwrap(), ImageStatus::Present);
    moved.store(true, Ordering::SeqCst);
    container.create().await.unwrap();
    assert_eq!(created(&stage), ["sha256:88"]);
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_edit_of_the_engines_options_is_no_way_around() {
    let stage = stage(ImageVolumes::Refuse, images).await;
    let container = container(&stage, "without");
    assert_eq!(container.image_status().await.unwrap(), ImageStatus::Present);
    let mut edit = |options: &mut dyn std::any::Any| {
        let options: &mut EngineOptions = options.downcast_mut().unwrap();
        options.set("/Image", "\"docker.io/library/with:latest\"").unwrap();
    };
    container.edit_engine_options(&mut edit).unwrap();
    let error = container.create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageRejected, "{error}");
    assert_eq!(created(&stage), [""; 0]);
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_image_that_is_allowed_is_used_and_its_volumes_go_with_the_container() {
    for (policy, image, named) in [
        (ImageVolumes::Allow, "with", "docker.io/library/with:latest"),
        (ImageVolumes::Only(vec!["with:latest".to_owned()]), "with", "sha256:77"),
        (ImageVolumes::Refuse, "without", "sha256:88"),
    ] {
        let stage = stage(policy, images).await;
        let container = container(&stage, image);
        container.ensure_image().await.unwrap();
        container.create().await.unwrap();
        container.close().await.unwrap();
        assert_eq!(created(&stage), [named]);
        let lines = stage.engine.lines();
        let looks = lines.iter().filter(|line| line.contains("/images/")).count();
        assert_eq!(looks, 1, "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with("/containers/c1?force=1&v=1")), "{lines:?}");
        stage.driver.close().await.unwrap();
    }
}
