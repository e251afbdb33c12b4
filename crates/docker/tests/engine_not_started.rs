//! Programs that are not there, under an init, on a real engine: what is proven, and what is not.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use longshore_conformance::Fixture as _;
use longshore_driver_api::{
    Driver as _, DriverExt as _, Exit, Mount, NotStarted, Outcome, TaskSpec, TaskSpecBuilder,
};

const REMOVES_ITSELF: &str = "it removes itself";

fn task() -> TaskSpecBuilder {
    TaskSpec::builder(engine::image())
}

/// A task that may write anywhere.
fn as_root(args: &[&str]) -> TaskSpecBuilder {
    let root = |spec: &mut TaskSpec| spec.security.user = "0".to_owned();
    task().args(args.iter().copied()).edit(root)
}

/// Runs each, and compares whether it is proven that nothing was started.
async fn check(table: Vec<(&str, TaskSpecBuilder, NotStarted, bool)>) {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let proves = driver.capabilities().engine == "docker";
    let mut problems = Vec::new();
    for (what, spec, why, proven) in table {
        // Podman 4.3's storage lets no program be removed that runs.
        if !proves && what == REMOVES_ITSELF {
            continue;
        }
        let exit: Exit = driver.run_task(spec.build().unwrap()).await.unwrap();
        let is_proven = exit.outcome == Outcome::NotStarted(why) && exit.alternatives.is_empty();
        let is_open = matches!(exit.outcome, Outcome::Code(_))
            && exit.alternatives.contains(&Outcome::NotStarted(why));
        let as_expected = if proven && proves { is_proven } else { is_open };
        if !as_expected {
            problems.push(format!("{what}: {exit:?}"));
        }
    }
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test]
async fn a_program_that_is_nowhere_is_proven_not_found() {
    check(vec![
        ("at a path", task().entrypoint(["/none"]), NotStarted::NotFound, true),
        ("along the path", task().entrypoint(["none"]), NotStarted::NotFound, true),
        (
            "below a folder that is not there",
            task().entrypoint(["./none/none"]),
            NotStarted::NotFound,
            true,
        ),
        (
            "beside a mount and a working directory",
            task()
                .entrypoint(["/none"])
                .work_dir("/made/here")
                .mount(Mount::tmpfs("/mnt/here", None)),
            NotStarted::NotFound,
            true,
        ),
        ("a folder", task().entrypoint(["/."]), NotStarted::NotExecutable, true),
        (
            "a folder over another file system",
            task().entrypoint(["/proc/.."]),
            NotStarted::NotExecutable,
            false,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_a_task_could_have_done_itself_is_not_proven() {
    let gone = ["remove", "/testee", "--exit", "127"];
    check(vec![
        ("its own code", task().args(["exit", "127"]), NotStarted::NotFound, false),
        ("its own code", task().args(["exit", "126"]), NotStarted::NotExecutable, false),
        (
            "in a folder that was made",
            task().entrypoint(["./none"]).work_dir("/made/here"),
            NotStarted::NotFound,
            false,
        ),
        (REMOVES_ITSELF, as_root(&gone), NotStarted::NotFound, false),
        (
            "on a mount",
            task().entrypoint(["/mnt/here/none"]).mount(Mount::tmpfs("/mnt/here", None)),
            NotStarted::NotFound,
            false,
        ),
    ])
    .await;
}
