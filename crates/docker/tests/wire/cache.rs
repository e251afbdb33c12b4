//! The image cache on a scripted engine: what goes, what stays, and what is never asked twice.

use crate::stage;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{self, Request, Script, ScriptedEngine, Step, usual};
use crate::until::until;
use longshore_docker::{DockerDriver, ImageVolumes};
use longshore_driver_api::{
    ByteSize, Container, ContainerExt as _, Driver, ErrorKind, PullPolicy, Task, TaskSpec,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Whatever happens has happened by then.
const LONG: Duration = Duration::from_secs(30);

/// One image of ten bytes.
#[derive(Debug, Clone)]
struct Image {
    id: String,
    tags: Vec<String>,
    digests: Vec<String>,
    shared: u64,
    refused: bool,
    used: bool,
    parent: String,
    volumes: bool,
}

fn image(name: &str) -> Image {
    Image {
        id: format!("sha256:{name}"),
        tags: vec![format!("{name}:latest")],
        digests: Vec::new(),
        shared: 0,
        refused: false,
        used: false,
        parent: String::new(),
        volumes: false,
    }
}

/// One that was pulled from `r.io`, by its tag or by its digest.
fn pulled(name: &str, by_tag: bool) -> Image {
    let tags = if by_tag { vec![format!("r.io/{name}:1")] } else { Vec::new() };
    Image { tags, digests: vec![pinned(name)], ..image(name) }
}

/// The name by digest of such an image.
fn pinned(name: &str) -> String {
    format!("r.io/{name}@sha256:{}", name.repeat(64))
}

/// The images of an engine.
#[derive(Debug, Default)]
struct World {
    images: Vec<Image>,
    layers: u64,
    deleted: Vec<String>,
    listed: usize,
    /// Whether it fails at listing them.
    is_hidden: bool,
}

impl World {
    fn find(&self, name: &str) -> Option<usize> {
        let full = if name.contains(':') { name.to_owned() } else { format!("{name}:latest") };
        let full = full.strip_prefix("docker.io/library/").unwrap_or(&full);
        self.images
            .iter()
            .position(|it| it.id == full || it.tags.iter().chain(&it.digests).any(|t| t == full))
    }

    fn list(&self) -> Vec<Value> {
        let one = |(nth, image): (usize, &Image)| {
            json!({"Id": image.id, "RepoTags": image.tags, "RepoDigests": digests(image), "Size": 10,
                "SharedSize": image.shared, "ParentId": image.parent, "Created": nth})
        };
        self.images.iter().enumerate().map(one).collect()
    }

    fn delete(&mut self, name: &str) -> Script {
        self.deleted.push(name.to_owned());
        let Some(at) = self.find(name) else {
            return support::json(404, r#"{"message":"No such image"}"#);
        };
        if self.images[at].refused {
            return support::json(409, r#"{"message":"conflict: unable to delete"}"#);
        }
        let image = &mut self.images[at];
        image.tags.retain(|tag| tag != name);
        image.digests.retain(|digest| digest != name);
        // The last tag of a repository takes its digests with it.
        let repository = name.rsplit_once(':').map_or(name, |(repository, _)| repository);
        if !image.tags.iter().any(|tag| tag.starts_with(&format!("{repository}:"))) {
            image.digests.retain(|digest| !digest.starts_with(&format!("{repository}@")));
        }
        if image.tags.is_empty() && image.digests.is_empty() {
            self.images.remove(at);
        }
        support::json(200, "[]")
    }
}

/// As the engine lists them: where there are none, that is null.
fn digests(image: &Image) -> Value {
    if image.digests.is_empty() { Value::Null } else { json!(image.digests) }
}

fn answer(world: &Mutex<World>, request: &Request) -> Option<Script> {
    let mut world = world.lock().unwrap();
    let path = request.line.split_once(' ')?.1.to_owned();
    let name = || path.split_once("/images/").map(|(_, name)| name.to_owned()).unwrap_or_default();
    if request.is("GET /system/df") {
        if world.is_hidden {
            return Some(support::json(500, r#"{"message":"not yet"}"#));
        }
        world.listed += 1;
        let usage = json!({"LayersSize": world.layers, "Images": world.list()});
        return Some(support::json(200, &usage.to_string()));
    }
    if request.is("GET /images/json") {
        return Some(support::json(200, &Value::from(world.list()).to_string()));
    }
    if request.is("GET /containers/json") {
        let used = world
            .images
            .iter()
            .any(|image| image.used && path.contains(&image.id.replace(':', "%3A")));
        return Some(support::json(200, if used { r#"[{"Id":"c9"}]"# } else { "[]" }));
    }
    if request.is("GET /images/") {
        let name = name();
        let found = world.find(name.strip_suffix("/json")?);
        return Some(match found {
            Some(at) => {
                let image = &world.images[at];
                let volumes = if image.volumes { json!({"/data": {}}) } else { Value::Null };
                let found = json!({"Id": image.id, "Size": 10, "RepoDigests": digests(image),
                    "Config": {"Volumes": volumes}});
                support::json(200, &found.to_string())
            }
            None => support::json(404, r#"{"message":"No such image"}"#),
        });
    }
    request.is("DELETE /images/").then(|| world.delete(&name()))
}

/// A driver on such an engine.
struct Stage {
    driver: DockerDriver,
    world: Arc<Mutex<World>>,
    _engine: ScriptedEngine,
}

impl Stage {
    async fn new(world: World, limit: u64, run_dir: &Path, state: &Path) -> Self {
        Self::with(ImageVolumes::Allow, world, limit, run_dir, state).await
    }

    async fn with(
        volumes: ImageVolumes,
        world: World,
        limit: u64,
        run_dir: &Path,
        state: &Path,
    ) -> Self {
        let world = Arc::new(Mutex::new(world));
        let told = Arc::clone(&world);
        let engine = ScriptedEngine::usual_but(move |request| answer(&told, request));
        let mut config = stage::config(&engine, run_dir);
        config.image_volumes = volumes;
        config.image_clean_max_size = Some(ByteSize(limit));
        // With a digest, the tag says nothing.
        let exempt = pinned("e").replace("r.io/e@", "r.io/e:9@");
        config.image_clean_exempt_tags = vec!["busybox".to_owned(), exempt];
        config.image_clean_state_file = Some(state.to_owned());
        let driver = DockerDriver::open(config).await.unwrap();
        Self { driver, world, _engine: engine }
    }

    async fn container(&self, image: &str) -> Arc<dyn Container> {
        let task = Task::new(TaskSpec::builder(image).build().unwrap());
        let container = self.driver.container(task).unwrap();
        container.ensure_image().await.unwrap();
        container
    }

    fn names(&self) -> Vec<String> {
        let world = self.world.lock().unwrap();
        world.images.iter().map(|image| image.id.replace("sha256:", "")).collect()
    }

    /// Waits until just these images are left, and for a while longer that no more go.
    async fn left(&self, expected: &[&str]) {
        until(&format!("just {expected:?} are left"), async || self.names() == expected).await;
        let listed = self.world.lock().unwrap().listed;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(self.names(), expected);
        let again = self.world.lock().unwrap().listed - listed;
        assert!(again <= 1, "it does not come to rest");
    }
}

fn world(images: Vec<Image>) -> World {
    let layers = images.len() as u64 * 10;
    World { images, layers, ..World::default() }
}

#[tokio::test]
async fn the_least_recently_used_goes_and_none_in_use_or_exempt() {
    let folder = tempfile::tempdir().unwrap();
    let images = vec![image("busybox"), image("a"), image("b"), image("c")];
    let stage = Stage::new(world(images), 1000, folder.path(), &folder.path().join("s1")).await;
    let (a, b) = (stage.container("a").await, stage.container("b").await);
    stage.left(&["busybox", "a", "b", "c"]).await;
    b.close().await.unwrap();
    let usage = stage.driver.image_cache().unwrap();
    assert_eq!((usage.images, usage.busy, usage.exempt, usage.total), (4, 1, 1, 40));
    stage.driver.close().await.unwrap();
    drop(a);

    // The same with a limit that leaves room for two: who was used last is known from the file.
    let images = vec![image("busybox"), image("b"), image("a"), image("c")];
    let stage = Stage::new(world(images), 1000, folder.path(), &folder.path().join("s1")).await;
    let a = stage.container("a").await;
    let b = stage.container("b").await;
    a.close().await.unwrap();
    b.close().await.unwrap();
    stage.driver.close().await.unwrap();
    let images = vec![image("busybox"), image("b"), image("a"), image("c")];
    let stage = Stage::new(world(images), 20, folder.path(), &folder.path().join("s1")).await;
    // c was never used; then a and b, in the order of their last use.
    stage.left(&["busybox", "b"]).await;
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_image_in_use_goes_when_its_last_container_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("s");
    let images = vec![image("a"), image("b")];
    let stage = Stage::new(world(images), 20, folder.path(), &state).await;
    let (one, two) = (stage.container("a").await, stage.container("a").await);
    let b = stage.container("b").await;
    stage.left(&["a", "b"]).await;
    {
        let mut world = stage.world.lock().unwrap();
        world.images.push(image("c"));
        world.layers = 30;
    }
    let c = stage.container("c").await;
    c.pull_image().await.unwrap();
    stage.left(&["a", "b", "c"]).await;
    one.close().await.unwrap();
    // Closing twice gives it free once.
    one.close().await.unwrap();
    stage.left(&["a", "b", "c"]).await;
    drop(two);
    stage.left(&["b", "c"]).await;
    drop((b, c));
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_container_that_is_refused_its_image_takes_it_from_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (mut world, state) = (world(vec![image("a")]), folder.path().join("s"));
    // Until somebody has it, it could go.
    world.is_hidden = true;
    let stage = Stage::with(ImageVolumes::Refuse, world, 1, folder.path(), &state).await;
    let user = stage.container("a").await;
    stage.world.lock().unwrap().images[0].volumes = true;
    stage.world.lock().unwrap().is_hidden = false;
    let task = Task::new(TaskSpec::builder("a").build().unwrap());
    let refused = stage.driver.container(task).unwrap();
    for _ in 0..2 {
        let error = refused.image_status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImageRejected, "{error}");
    }
    refused.close().await.unwrap();
    let usage = || stage.driver.image_cache().unwrap();
    until("the images are counted", async || usage().images > 0).await;
    assert_eq!(usage().busy, 1);
    stage.left(&["a"]).await;
    user.close().await.unwrap();
    stage.left(&[]).await;
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn what_the_engine_refuses_is_asked_once_and_the_next_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut images = vec![image("a"), image("b"), image("c"), image("d"), image("e")];
    images[0].refused = true;
    images[1].used = true;
    images[2].parent = "sha256:x".to_owned();
    images[4].parent = "sha256:c".to_owned();
    let stage = Stage::new(world(images), 40, folder.path(), &folder.path().join("s")).await;
    stage.left(&["a", "b", "c", "e"]).await;
    // From an image in use, or under another one, no name was taken.
    assert_eq!(stage.world.lock().unwrap().deleted, ["a:latest", "d:latest", "sha256:d"]);
    assert_eq!(stage.driver.image_cache().unwrap().kept, 3);
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_lists_what_it_removed_is_not_asked_for_ever() {
    let (listed, removed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (looks, removals) = (Arc::clone(&listed), Arc::clone(&removed));
    let engine = ScriptedEngine::usual_but(move |request| {
        if request.is("DELETE /images/") {
            removals.fetch_add(1, Ordering::Relaxed);
            return Some(support::json(404, r#"{"message":"No such image"}"#));
        }
        if request.is("GET /images/json") {
            return Some(support::json(200, "null"));
        }
        request.is("GET /system/df").then(|| {
            looks.fetch_add(1, Ordering::Relaxed);
            let image = |id: &str| json!({"Id": id, "Size": 30, "RepoTags": [], "Created": 1});
            support::json(
                200,
                &json!({"LayersSize": 60, "Images": [image("a"), image("b")]}).to_string(),
            )
        })
    });
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(&engine, folder.path());
    config.image_clean_max_size = Some(ByteSize(10));
    let driver = DockerDriver::open(config).await.unwrap();
    let removals = || removed.load(Ordering::Relaxed);
    until("both are removed again", async || removals() >= 4).await;
    let (looks, before) = (listed.load(Ordering::Relaxed), removals());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (looks, removals) = (listed.load(Ordering::Relaxed) - looks, removals() - before);
    assert!(looks <= 6 && removals <= 6, "{looks} looks, {removals} removals");
    driver.close().await.unwrap();
}

#[tokio::test]
async fn an_image_that_is_pulled_again_goes_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("s");
    let stage = Stage::new(world(vec![image("a"), image("b")]), 10, folder.path(), &state).await;
    stage.left(&["b"]).await;
    let b = stage.container("b").await;
    for _ in 0..3 {
        {
            let mut world = stage.world.lock().unwrap();
            world.images.push(image("a"));
            world.layers = 20;
        }
        let a = stage.container("a").await;
        a.pull_image().await.unwrap();
        a.close().await.unwrap();
        stage.left(&["b"]).await;
    }
    assert_eq!(stage.driver.image_cache().unwrap().kept, 0);
    b.close().await.unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_image_goes_with_all_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut images = vec![image("a"), image("b"), image("c")];
    images[0].tags.push("r.io/x:1".to_owned());
    images[1].tags = Vec::new();
    let stage = Stage::new(world(images), 10, folder.path(), &folder.path().join("s")).await;
    stage.left(&["c"]).await;
    let deleted = stage.world.lock().unwrap().deleted.clone();
    assert_eq!(deleted, ["a:latest", "r.io/x:1", "sha256:a", "sha256:b"]);
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_image_from_a_registry_goes_with_its_tag_and_its_digests() {
    let folder = tempfile::tempdir().unwrap();
    let mut both = pulled("b", true);
    // The same image from another place, without a tag there.
    both.digests.push(pinned("f"));
    let images =
        vec![pulled("a", false), both, pulled("c", true), pulled("e", false), pulled("d", false)];
    let stage = Stage::new(world(images), 20, folder.path(), &folder.path().join("s")).await;
    let used = stage.container(&pinned("d")).await;
    stage.left(&["e", "d"]).await;
    let usage = stage.driver.image_cache().unwrap();
    assert_eq!((usage.busy, usage.exempt, usage.total), (1, 1, 20));
    let deleted = stage.world.lock().unwrap().deleted.clone();
    let [a, f] = ["a", "f"].map(pinned);
    // The last name takes the image with it; that it is gone is asked by its id.
    let expected = [&a, "sha256:a", "r.io/b:1", &f, "sha256:b", "r.io/c:1", "sha256:c"];
    assert_eq!(deleted, expected);
    drop(used);
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn layers_in_common_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut images = vec![image("a"), image("b"), image("c")];
    for image in &mut images {
        image.shared = 8;
    }
    // Three times two bytes, and eight in common.
    let world = World { images, layers: 14, ..World::default() };
    let stage = Stage::new(world, 14, folder.path(), &folder.path().join("s")).await;
    // Nothing is counted before the cleaner has looked.
    let total = || stage.driver.image_cache().unwrap().total;
    until("the images are counted", async || total() > 0).await;
    assert_eq!(total(), 14);
    stage.left(&["a", "b", "c"]).await;
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_image_that_went_between_the_look_and_the_hold_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let told = Mutex::new(world(vec![image("a")]));
    let (looked, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let is_listed = AtomicBool::new(false);
    let engine = ScriptedEngine::usual_but(move |request| {
        let mut script = answer(&told, request)?;
        if request.is("DELETE /images/") {
            gone.notify_one();
        }
        // Nothing is removed before the look, and the look is not answered before.
        if request.is("GET /system/df") && !is_listed.swap(true, Ordering::SeqCst) {
            script.insert(0, Step::Until(Arc::clone(&looked)));
        }
        if request.is("GET /images/docker.io") {
            looked.notify_one();
            script.insert(0, Step::Until(Arc::clone(&gone)));
        }
        Some(script)
    });
    let mut config = stage::config(&engine, folder.path());
    config.image_clean_max_size = Some(ByteSize(5));
    let driver = DockerDriver::open(config).await.unwrap();
    let spec = TaskSpec::builder("a").pull(PullPolicy::Never).build().unwrap();
    let container = driver.container(Task::new(spec)).unwrap();
    let error = tokio::time::timeout(LONG, container.ensure_image()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error}");
    assert_eq!(engine.count("GET /images/docker.io"), 2, "{:?}", engine.lines());
    driver.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_does_not_list_its_images_holds_up_nothing() {
    let engine = ScriptedEngine::start(|request| {
        let df = request.is("GET /system/df");
        if df { vec![Step::Hold] } else { usual(request) }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage::config(&engine, folder.path());
    config.image_clean_max_size = Some(ByteSize(1));
    let driver = DockerDriver::open(config).await.unwrap();
    let task = Task::new(TaskSpec::builder("a").build().unwrap());
    let container = driver.container(task).unwrap();
    container.ensure_image().await.unwrap();
    container.close().await.unwrap();
    tokio::time::timeout(LONG, driver.close()).await.expect("closing does not wait").unwrap();
}

#[tokio::test]
async fn a_look_that_ends_after_the_close_holds_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let answered = Arc::new(Notify::new());
    let told = Mutex::new(world(vec![image("a")]));
    let late = Arc::clone(&answered);
    let engine = ScriptedEngine::usual_but(move |request| {
        let mut script = answer(&told, request)?;
        if request.is("GET /images/docker.io") {
            script.insert(0, Step::Until(Arc::clone(&late)));
        }
        Some(script)
    });
    let mut config = stage::config(&engine, folder.path());
    config.image_clean_max_size = Some(ByteSize(1000));
    config.image_clean_state_file = Some(folder.path().join("state"));
    let driver = DockerDriver::open(config).await.unwrap();
    let container = driver.container(TaskSpec::builder("a").build().unwrap().into()).unwrap();
    let close = async {
        until("it is looked at", async || engine.count("GET /images/docker.io") > 0).await;
        container.close().await.unwrap();
        answered.notify_one();
    };
    // The handle is kept, as one may be for long.
    let (status, ()) = tokio::join!(container.image_status(), close);
    assert!(status.is_ok(), "{status:?}");
    assert_eq!(driver.image_cache().unwrap().busy, 0);
    driver.close().await.unwrap();
}
