//! Tasks that an engine may have ended itself, as it goes or as it comes: nobody takes their ends for
//! their own.

use std::time::{Duration, Instant};

use longshore_docker::{DockerDriver, Timeouts};
use longshore_driver_api::{Driver as _, DriverExt as _, Handle, Outcome, Recovered, Task, TaskIo};
use longshore_tests::{Scene, Setup, config};
use tokio::time::{sleep, timeout};

use crate::{ALONE, LONG, restart};

const SHORT: Duration = Duration::from_millis(5);

async fn open(scene: &Scene) -> DockerDriver {
    let mut config = config(&scene.setup.engine.address(), &scene.application, &scene.run_dir());
    config.timeouts = Timeouts::default();
    DockerDriver::open(config).await.unwrap()
}

/// Whether the tasks are nothing to the engine's process: Podman's have one of their own.
async fn ends_no_task(scene: &Scene) -> bool {
    scene.setup.engine.is_podman().await.unwrap()
}

/// Restarts the engine under tasks that are asked nothing by their owner: one that ends with 0 when it
/// is asked to end, and one that the signal ends.
async fn no_end_is_a_success(more: &[&str]) {
    let _alone = ALONE.lock().await;
    let scene = Scene::new(&Setup::from_env(), "ended");
    if ends_no_task(&scene).await {
        return;
    }
    let driver = open(&scene).await;
    let mut tasks = Vec::new();
    for args in [["trap-term"].as_slice(), &["sleep", "forever"]] {
        let (io, output) = TaskIo::captured();
        let spec = scene.setup.task(args.iter().copied()).build().unwrap();
        let container = driver.prepare(Task::new(spec).io(io)).await.unwrap();
        let running = container.start().await.unwrap();
        let begun = Instant::now();
        while args[0] == "trap-term" && output.stdout().is_empty() {
            assert!(begun.elapsed() < LONG, "it was never ready");
            sleep(SHORT).await;
        }
        tasks.push((args[0], container, running));
    }
    restart(more).await;

    for (what, container, running) in tasks {
        let about = scene.setup.engine.inspect(&container.engine_id().unwrap()).await.unwrap();
        let state = &about.expect("nobody has removed it")["State"];
        let lives_on = state["Running"] == true;
        if lives_on {
            running.cancel();
        }
        let exit = timeout(LONG, running.wait()).await.expect("its end is known");
        let expected = if lives_on { Outcome::Cancelled } else { Outcome::Lost };
        println!("{more:?}, {what}: {state}, {:?} {:?}", exit.outcome, exit.engine_error);
        assert_eq!(exit.outcome, expected, "{what}, {state}: {exit:?}");
        assert!(!exit.is_success());
        timeout(LONG, container.close()).await.expect("it is closed").unwrap();
    }
    driver.close().await.unwrap();
    assert_eq!(scene.clean().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_by_an_engine_that_is_restarted_is_no_success() {
    no_end_is_a_success(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_by_the_engine_that_comes_after_one_that_was_killed_is_no_success() {
    no_end_is_a_success(&["--kill"]).await;
}

/// The same while nobody has the task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_by_an_engine_that_is_restarted_without_an_owner_is_no_end_of_the_tasks() {
    let _alone = ALONE.lock().await;
    let scene = Scene::new(&Setup::from_env(), "ended");
    if ends_no_task(&scene).await {
        return;
    }
    let address = scene.setup.engine.address();
    // Of a task of more than a minute.
    let mut owner = scene.process(env!("CARGO_BIN_EXE_longshore-heir"), &address, "2000000");
    let handle: Handle = owner.reads("handle ").await.parse().unwrap();
    owner.kill().await;
    restart(&["--kill"]).await;

    let driver = open(&scene).await;
    let recovered = driver.recover(&handle, TaskIo::none()).await.unwrap();
    let Recovered { container, running, .. } = recovered;
    let about = scene.setup.engine.inspect(&container.engine_id().unwrap()).await.unwrap();
    let lives_on = about.expect("nobody has removed it")["State"]["Running"] == true;
    if lives_on {
        running.cancel();
    }
    let exit = timeout(LONG, running.wait()).await.expect("its end is known");
    let expected = if lives_on { Outcome::Cancelled } else { Outcome::Lost };
    assert_eq!(exit.outcome, expected, "{exit:?}");
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(scene.clean().await, [""; 0]);
}
