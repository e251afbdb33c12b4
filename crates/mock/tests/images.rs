//! Images: pulled once for all who want them, kept while they are used.

use std::sync::Arc;

use longshore_driver_api::{
    ContainerExt as _, Credential, Driver as _, DriverExt as _, ErrorKind, ImageRef, ImageStatus,
    NotStarted, Outcome, PullPolicy, Result, Signal, Task, TaskHooks, TaskSpec,
};
use longshore_mock::{Config, Engine, Image, Op, Program, Rule};
use tokio::time::{Duration, Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

fn spec(image: &str) -> TaskSpec {
    TaskSpec::builder(image).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pull_is_shared_and_goes_on_while_anybody_waits_for_it() {
    let engine = Engine::new();
    let driver = Arc::new(engine.driver(Config::new()));
    engine.rule(Rule::on(Op::Pull).delay(10 * SECOND));
    let start = Instant::now();
    let impatient = driver.container(spec("alpine").into()).unwrap();
    let first = timeout(SECOND, impatient.pull_image());
    let rest = (0..5).map(|_| {
        let driver = Arc::clone(&driver);
        tokio::spawn(async move { driver.run_task(spec("alpine:latest")).await })
    });
    let rest: Vec<_> = rest.collect();
    assert!(first.await.is_err());
    for run in rest {
        assert!(run.await.unwrap().unwrap().is_success());
    }
    assert_eq!((engine.pulls("alpine").unwrap(), start.elapsed()), (1, 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_pull_stops_when_nobody_waits_for_it_any_more() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.rule(Rule::on(Op::Pull).delay(10 * SECOND));
    let container = driver.container(spec("alpine").into()).unwrap();
    let pulls = async { tokio::join!(container.pull_image(), container.pull_image()) };
    let left = timeout(SECOND, pulls);
    assert!(left.await.is_err());
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!((engine.pulls("alpine").unwrap(), engine.images().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn every_waiter_of_a_pull_gets_its_error() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    engine.rule(Rule::on(Op::Pull).once().delay(SECOND).fail(ErrorKind::RegistryBusy));
    let one = driver.container(spec("alpine").into()).unwrap();
    let other = driver.container(spec("alpine").into()).unwrap();
    let (one, other) = tokio::join!(one.pull_image(), other.pull_image());
    let kinds = [one.unwrap_err().kind(), other.unwrap_err().kind()];
    assert_eq!(kinds, [ErrorKind::RegistryBusy; 2]);
    assert!(driver.run_task(spec("alpine")).await.unwrap().is_success());
}

#[derive(Debug)]
struct Knows(Credential);

#[async_trait::async_trait]
impl TaskHooks for Knows {
    async fn credential(&self, _image: &ImageRef) -> Result<Option<Credential>> {
        Ok(Some(self.0.clone()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_image_is_pulled_with_its_credential_only() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    let secret = Credential::password("ann", "hunter2");
    let private = Image::new(Program::exit(5)).needs(secret.clone());
    engine.publish_image("reg.example/private", private).unwrap();
    let error = driver.run_task(spec("reg.example/private")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryUnauthorized);
    let task = Task::new(spec("reg.example/private")).hooks(Arc::new(Knows(secret)));
    assert_eq!(driver.run_task(task).await.unwrap().outcome, Outcome::Code(5));
}

#[tokio::test(start_paused = true)]
async fn an_image_is_held_from_the_answer_that_it_is_there_until_the_close() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    let container = driver.container(spec("alpine").into()).unwrap();
    assert_eq!(engine.image_users("alpine").unwrap(), 0);
    container.ensure_image().await.unwrap();
    container.image_status().await.unwrap();
    assert_eq!(engine.image_users("alpine").unwrap(), 1);
    container.close().await.unwrap();
    assert_eq!(engine.image_users("alpine").unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_vanishes_before_create_is_busy() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    let container = driver.container(spec("alpine").into()).unwrap();
    container.ensure_image().await.unwrap();
    assert!(engine.remove_image("alpine").unwrap());
    assert_eq!(container.create().await.unwrap_err().kind(), ErrorKind::Busy);
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_what_the_image_and_the_task_say_together() {
    let engine = Engine::new();
    let driver = engine.driver(Config::new());
    let args = Program::new(|process| async move {
        // How many words, so that the outcome tells.
        u8::try_from(process.args().len()).unwrap()
    });
    let image = Image::empty()
        .program("/count", args)
        .not_executable("/file")
        .entrypoint(["/count", "x"])
        .command(["y", "z"])
        .stop_signal(Signal::INT);
    engine.add_image("tool", image).unwrap();
    let task = || TaskSpec::builder("tool").pull(PullPolicy::Never);
    for (task, outcome) in [
        (task(), Outcome::Code(4)),
        (task().args(["a"]), Outcome::Code(3)),
        (task().entrypoint(["/count"]), Outcome::Code(1)),
        (task().entrypoint([""; 0]).args(["/count", "b"]), Outcome::Code(2)),
        (task().entrypoint(["/file"]), Outcome::NotStarted(NotStarted::NotExecutable)),
        (task().entrypoint(["/nosuch"]), Outcome::NotStarted(NotStarted::NotFound)),
    ] {
        let spec = task.build().unwrap();
        let words = format!("{:?} {:?}", spec.entrypoint, spec.args);
        assert_eq!(driver.run_task(spec).await.unwrap().outcome, outcome, "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_for_another_platform_is_neither_there_nor_pulled() {
    let engine = Engine::new();
    let other = Image::new(Program::exit(0)).platform("linux/arm64/v8");
    engine.add_image("here", other.clone()).unwrap();
    engine.publish_image("afar", other).unwrap();
    let driver = engine.driver(Config::new());
    let of = |image: &str, platform: &str, pull: PullPolicy| {
        let spec = TaskSpec::builder(image).platform(platform).pull(pull).build().unwrap();
        driver.container(Task::new(spec)).unwrap()
    };
    let container = of("here", "linux/amd64", PullPolicy::Never);
    assert_eq!(container.image_status().await.unwrap(), ImageStatus::NeedsPull);
    let error = of("afar", "linux/amd64", PullPolicy::Missing).ensure_image().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound);
    assert!(error.to_string().contains("linux/arm64/v8"), "{error}");
    let arm = engine.driver(Config::new().capabilities(|can| can.platform = "linux/arm64".into()));
    let spec = TaskSpec::builder("afar").platform("linux/arm64").build().unwrap();
    arm.run_task(spec).await.unwrap();
}
