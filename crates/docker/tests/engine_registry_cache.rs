//! The image cache and what comes from a real registry.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;
#[path = "engine/pushed.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod pushed;
#[path = "support/until.rs"]
mod until;

use longshore_conformance::Fixture as _;
use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{ByteSize, Driver as _, DriverExt as _, Task, TaskSpec};
use pushed::{Made, Repository, host};
use tokio::sync::Mutex;
use until::until;

/// Bytes that each image has for itself, roughly.
const SIZE: usize = 1 << 20;

/// Pushes three images, whose tasks end with 4, 5 and 6. Their names: the second has no tag.
fn three(repository: &Repository) -> [String; 3] {
    let push = |tag, code| repository.push(tag, &Made { architecture: host(), code, more: SIZE });
    push(Some("1"), 4);
    let second = push(None, 5);
    push(Some("3"), 6);
    [repository.tagged("1"), repository.pinned(&second), repository.tagged("3")]
}

/// How a driver is opened that keeps what was there before, and room for so many halves of an image.
async fn bounded(fixture: &fixture::Docker, halves: u64) -> DockerConfig {
    let driver = fixture.open().await.unwrap();
    let common = TaskSpec::builder(pushed::common()).build().unwrap();
    driver.container(Task::new(common)).unwrap().pull_image().await.unwrap();
    driver.close().await.unwrap();
    let (status, usage) = engine::call("GET", "/system/df").unwrap();
    assert_eq!(status, 200, "{usage}");
    let images = usage["Images"].as_array().cloned().unwrap_or_default();
    let ids = images.iter().filter_map(|image| Some(image["Id"].as_str()?.to_owned()));
    let mut config = fixture.config();
    let more = halves * SIZE as u64 / 2;
    config.image_clean_max_size = Some(ByteSize(usage["LayersSize"].as_u64().unwrap() + more));
    config.image_clean_exempt_tags = ids.collect();
    config
}

fn is_there(image: &str) -> bool {
    engine::call("GET", &format!("/images/{image}/json")).unwrap().0 == 200
}

async fn until_gone(image: &str) {
    until(&format!("{image} is removed"), async || !is_there(image)).await;
}

async fn run(driver: &DockerDriver, image: &str) -> Option<i32> {
    driver.run_task(TaskSpec::builder(image).build().unwrap()).await.unwrap().code
}

/// What was there before is judged by its size: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn what_was_pulled_by_tag_or_by_digest_goes_when_it_must_and_comes_again() {
    let _alone = ALONE.lock().await;
    let (repository, fixture) = (Repository::new(), fixture::Docker::new());
    let [one, two, three] = three(&repository);
    let driver = DockerDriver::open(bounded(&fixture, 5).await).await.unwrap();
    // There is room for two, and each counts as soon as it is there.
    assert_eq!(run(&driver, &one).await, Some(4));
    assert_eq!(run(&driver, &two).await, Some(5));
    assert!(is_there(&one) && is_there(&two));
    assert_eq!(run(&driver, &three).await, Some(6));
    until_gone(&one).await;
    assert!(is_there(&two) && is_there(&three));
    assert_eq!(run(&driver, &one).await, Some(4));
    until_gone(&two).await;
    assert!(is_there(&one) && is_there(&three));
    driver.close().await.unwrap();
}

#[tokio::test]
async fn what_is_exempt_by_its_tag_or_its_digest_stays() {
    let _alone = ALONE.lock().await;
    let (repository, fixture) = (Repository::new(), fixture::Docker::new());
    let [one, two, three] = three(&repository);
    let mut config = bounded(&fixture, 1).await;
    config.image_clean_exempt_tags.extend([one.clone(), two.clone()]);
    let driver = DockerDriver::open(config).await.unwrap();
    for (image, code) in [(&one, 4), (&two, 5), (&three, 6)] {
        assert_eq!(run(&driver, image).await, Some(code));
    }
    until_gone(&three).await;
    until("the cache has nothing left to remove", async || {
        let usage = driver.image_cache().unwrap();
        usage.images == usage.exempt
    })
    .await;
    assert!(is_there(&one) && is_there(&two));
    driver.close().await.unwrap();
}
