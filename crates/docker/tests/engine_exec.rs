//! Further processes on a real engine of this host: what is left of them.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;
#[path = "support/until.rs"]
mod until;

use std::time::Duration;

use longshore_conformance::Fixture as _;
use longshore_driver_api::{Driver as _, DriverExt as _, ExecSpec, Outcome, TaskIo, TaskSpec};
use until::until;

/// The command lines of the processes in a container's namespace. No engine is asked: Podman's
/// list needs a program in the image.
async fn processes(container: &str) -> Vec<String> {
    let path = format!("/containers/{container}/json");
    let asked = tokio::task::spawn_blocking(move || engine::call("GET", &path));
    let (status, answer) = asked.await.unwrap().unwrap();
    assert_eq!(status, 200, "{answer}");
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let whose = namespace(&answer["State"]["Pid"].to_string()).expect("the container runs here");
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<String> = pids
        .filter(|pid| namespace(pid).as_ref() == Some(&whose))
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok())
        .map(|line| line.replace('\0', " "))
        .collect();
    found.sort();
    found
}

/// Those of a task that sleeps, once its init has begun it.
async fn alone(container: &str) -> Vec<String> {
    let mut found = Vec::new();
    until("the task runs", async || {
        found = processes(container).await;
        found.iter().any(|line| line.starts_with("/testee sleep"))
    })
    .await;
    found
}

#[tokio::test]
async fn a_cancelled_process_is_gone_with_what_it_started() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    assert!(driver.capabilities().exec_kill, "the tests run as root, on the engine's host");
    let task = TaskSpec::builder(engine::image()).args(["sleep", "forever"]).build().unwrap();
    let container = driver.prepare(task).await.unwrap();
    let _running = container.start().await.unwrap();
    let id = container.engine_id().unwrap();
    let alone = alone(&id).await;

    let fork = ExecSpec::new(["/testee", "fork", "3", "--hold", "600000"]);
    let exec = container.exec(fork, TaskIo::none()).await.unwrap();
    until("it has started its children", async || processes(&id).await.len() == alone.len() + 4)
        .await;
    exec.cancel();
    let exit = exec.wait().await;
    assert_eq!((exit.outcome, exit.code), (Outcome::Cancelled, Some(137)), "{exit:?}");
    // The init reaps what was adopted.
    until("only what was there before is left", async || processes(&id).await == alone).await;
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn one_that_is_cancelled_in_a_frozen_container_is_not_waited_for() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let task = TaskSpec::builder(engine::image()).args(["sleep", "forever"]).build().unwrap();
    let container = driver.prepare(task).await.unwrap();
    let _running = container.start().await.unwrap();
    let id = container.engine_id().unwrap();
    let alone = alone(&id).await;
    let fork = ExecSpec::new(["/testee", "fork", "3", "--hold", "600000"]);
    let exec = container.exec(fork, TaskIo::none()).await.unwrap();
    until("it has started its children", async || processes(&id).await.len() == alone.len() + 4)
        .await;
    container.freeze().await.unwrap();
    exec.cancel();
    // A piece of work may take two minutes.
    let exit = tokio::time::timeout(Duration::from_secs(30), exec.wait()).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Cancelled, "{exit:?}");
    container.unfreeze().await.unwrap();
    until("only what was there before is left", async || processes(&id).await == alone).await;
    container.close().await.unwrap();
    driver.close().await.unwrap();
}
