//! Images that change in a real registry, or are there for several platforms.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;
#[path = "engine/pushed.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod pushed;

use longshore_conformance::Fixture as _;
use longshore_docker::DockerDriver;
use longshore_driver_api::{
    ContainerExt as _, Driver as _, DriverExt as _, ErrorKind, PullPolicy, Task, TaskSpec,
};
use pushed::{Made, Repository, host};

fn made(architecture: &str, code: u8) -> Made<'_> {
    Made { architecture, code, more: 0 }
}

/// The code of a task that is made of an image.
async fn code(driver: &DockerDriver, image: &str, pull: PullPolicy) -> Option<i32> {
    let spec = TaskSpec::builder(image).pull(pull).build().unwrap();
    driver.run_task(spec).await.unwrap().code
}

#[tokio::test]
async fn a_tag_that_was_pushed_anew_is_pulled_by_always_and_by_no_other_policy() {
    let (repository, fixture) = (Repository::new(), fixture::Docker::new());
    let driver = fixture.open().await.unwrap();
    let image = repository.tagged("1");
    repository.push(Some("1"), &made(host(), 4));
    assert_eq!(code(&driver, &image, PullPolicy::Always).await, Some(4));
    repository.push(Some("1"), &made(host(), 5));
    for policy in [PullPolicy::Missing, PullPolicy::Never] {
        assert_eq!(code(&driver, &image, policy).await, Some(4), "{policy:?}");
    }
    assert_eq!(code(&driver, &image, PullPolicy::Always).await, Some(5));
    // There is nothing new now, and what is there is there for all.
    for policy in [PullPolicy::Always, PullPolicy::Missing, PullPolicy::Never] {
        assert_eq!(code(&driver, &image, policy).await, Some(5), "{policy:?}");
    }
    // By itself as by all of it.
    repository.push(Some("1"), &made(host(), 6));
    let spec = TaskSpec::builder(&image).pull(PullPolicy::Always).build().unwrap();
    driver.container(Task::new(spec)).unwrap().ensure_image().await.unwrap();
    assert_eq!(code(&driver, &image, PullPolicy::Never).await, Some(6));
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_is_pinned_stays_what_it_is_whatever_the_tag_becomes() {
    let (repository, fixture) = (Repository::new(), fixture::Docker::new());
    let driver = fixture.open().await.unwrap();
    let first = repository.push(Some("1"), &made(host(), 4));
    repository.push(Some("1"), &made(host(), 5));
    let (tagged, pinned) = (repository.tagged("1"), repository.pinned(&first));
    for policy in [PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never] {
        assert_eq!(code(&driver, &pinned, policy).await, Some(4), "{policy:?}");
    }
    assert_eq!(code(&driver, &tagged, PullPolicy::Missing).await, Some(5));
    driver.close().await.unwrap();
}

fn spec_on(image: &str, architecture: &str) -> TaskSpec {
    TaskSpec::builder(image).platform(format!("linux/{architecture}")).build().unwrap()
}

/// A tag that leads to one image for each platform, with the code of its tasks.
const PLATFORMS: [(&str, u8); 2] = [("amd64", 4), ("arm64", 5)];

fn both(repository: &Repository) -> String {
    let images =
        PLATFORMS.map(|(architecture, code)| repository.push(None, &made(architecture, code)));
    repository.push_index("both", &images);
    repository.tagged("both")
}

/// For which architecture a name is on the engine.
fn architecture(image: &str) -> String {
    let (status, found) = engine::call("GET", &format!("/images/{image}/json")).unwrap();
    assert_eq!(status, 200, "{found}");
    found["Architecture"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn each_platform_gets_its_own_image_of_one_tag() {
    let (repository, fixture) = (Repository::new(), fixture::Docker::new());
    let driver = fixture.open().await.unwrap();
    let image = both(&repository);
    let [(amd64, four), (arm64, five)] = PLATFORMS;
    // Each time the name has to be moved.
    for (wanted, expected) in [(arm64, five), (amd64, four), (arm64, five)] {
        let exit = driver.run_task(spec_on(&image, wanted)).await.unwrap();
        assert_eq!((exit.code, architecture(&image).as_str()), (Some(expected.into()), wanted));
    }
    let error = driver.run_task(spec_on(&image, "s390x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error}");
    // Who names no platform takes what is there.
    assert_eq!(code(&driver, &image, PullPolicy::Missing).await, Some(five.into()));
    driver.close().await.unwrap();
}

#[tokio::test]
async fn who_names_no_platform_gets_the_engines() {
    let (repository, fixture) = (Repository::new(), fixture::Docker::new());
    let driver = fixture.open().await.unwrap();
    let image = both(&repository);
    let expected = PLATFORMS.iter().find(|(architecture, _)| *architecture == host());
    let expected = expected.map(|(_, code)| i32::from(*code));
    assert_eq!(code(&driver, &image, PullPolicy::Missing).await, expected);
    driver.close().await.unwrap();
}

#[tokio::test]
async fn pulls_of_one_tag_for_two_platforms_at_once_do_not_fail_each_other() {
    let (repository, fixture) = (Repository::new(), fixture::Docker::new());
    let driver = fixture.open().await.unwrap();
    let image = both(&repository);
    for _ in 0..5 {
        let [one, two] = PLATFORMS.map(|(architecture, _)| {
            let container = driver.container(Task::new(spec_on(&image, architecture))).unwrap();
            async move { container.pull_image().await }
        });
        let (one, two) = tokio::join!(one, two);
        one.unwrap();
        two.unwrap();
    }
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_task_runs_the_image_that_was_looked_at_though_its_name_has_moved_on() {
    let (repository, fixture) = (Repository::new(), fixture::Docker::new());
    let driver = fixture.open().await.unwrap();
    let image = both(&repository);
    let [(amd64, four), (arm64, five)] = PLATFORMS;
    for (wanted, other, code) in [(amd64, arm64, four), (arm64, amd64, five)] {
        let container = driver.container(Task::new(spec_on(&image, wanted))).unwrap();
        container.ensure_image().await.unwrap();
        let mover = driver.container(Task::new(spec_on(&image, other))).unwrap();
        mover.pull_image().await.unwrap();
        container.create().await.unwrap();
        let exit = container.start().await.unwrap().wait().await;
        assert_eq!(exit.code, Some(code.into()), "{wanted}");
        container.close().await.unwrap();
    }
    driver.close().await.unwrap();
}

#[tokio::test]
async fn tasks_of_one_tag_on_two_platforms_at_once_never_run_each_others_image() {
    let (repository, fixture) = (Repository::new(), fixture::Docker::new());
    let driver = fixture.open().await.unwrap();
    let image = both(&repository);
    for _ in 0..3 {
        let [one, two] =
            PLATFORMS.map(|(architecture, _)| driver.run_task(spec_on(&image, architecture)));
        let (one, two) = tokio::join!(one, two);
        let mut ran = 0;
        for (ended, (architecture, code)) in [one, two].into_iter().zip(PLATFORMS) {
            match ended {
                Ok(exit) => {
                    assert_eq!(exit.code, Some(code.into()), "{architecture}");
                    ran += 1;
                }
                // The name was moved before the create: nobody's mistake.
                Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
            }
        }
        assert!(ran > 0, "nothing moves the name after the last pull");
    }
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}
