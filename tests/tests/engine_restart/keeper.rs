//! Owners whose keepers end, or live on, while their engine is started anew.

use std::path::Path;
use std::time::{Duration, Instant};

use longshore_docker::{DockerDriver, KeeperUse, Timeouts};
use longshore_driver_api::{
    Driver as _, DriverExt as _, LABEL_KEEPER, LABEL_KEEPER_GENERATION, Outcome, Task, TaskIo,
};
use longshore_tests::{Scene, Setup, Victim, config};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::{ALONE, LONG, restart, unless_on_podman};

/// From one look to the next.
const SHORT: Duration = Duration::from_millis(50);

/// A keeper that runs.
#[derive(Debug, PartialEq, Eq)]
struct Keeper {
    id: String,
    generation: u64,
    promise: String,
}

/// Those of the application that run.
async fn keepers(scene: &Scene) -> Vec<Keeper> {
    let engine = &scene.setup.engine;
    let mut keepers = Vec::new();
    for id in engine.containers(&scene.application).await.unwrap() {
        // One of them may go meanwhile.
        let Some(about) = engine.inspect(&id).await.unwrap() else { continue };
        let label = |name: &str| about["Config"]["Labels"][name].as_str().unwrap().to_owned();
        // What is none has the label without a value.
        let Ok(generation) = label(LABEL_KEEPER_GENERATION).parse() else { continue };
        if about["State"]["Running"] == true {
            keepers.push(Keeper { id, generation, promise: label(LABEL_KEEPER) });
        }
    }
    keepers
}

async fn until_keepers(scene: &Scene, what: &str, is: impl Fn(&[Keeper]) -> bool) -> Vec<Keeper> {
    let begun = Instant::now();
    loop {
        let found = keepers(scene).await;
        if is(&found) {
            return found;
        }
        assert!(begun.elapsed() < LONG, "never {what}: {found:?}");
        sleep(SHORT).await;
    }
}

/// A reaper that cannot judge the owner's lease: with other process ids, and a run directory of its own.
/// It needs the right to have them.
fn reaper_elsewhere(scene: &Scene, run_dir: &Path) -> Victim {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child=SIGKILL"]);
    command.arg(env!("CARGO_BIN_EXE_longshore-reaper"));
    command.args([&scene.setup.engine.address(), &scene.application]);
    Victim::start(command.arg(run_dir))
}

async fn an_owner_goes_on(more: &[&str], lives_on: bool) {
    let _alone = ALONE.lock().await;
    let scene = Scene::new(&Setup::from_env(), "keeper");
    let mut config = config(&scene.setup.engine.address(), &scene.application, &scene.run_dir());
    config.timeouts = Timeouts::default();
    config.keeper = KeeperUse::Always;
    let driver = DockerDriver::open(config).await;
    let Some(driver) = unless_on_podman(&scene.setup, driver).await else { return };
    // Hours of it.
    let args = ["write", "--stdout", "10000000", "--rate", "1000", "--chunk", "100"];
    let (io, output) = TaskIo::captured();
    let spec = scene.setup.task(args).build().unwrap();
    let container = driver.prepare(Task::new(spec).io(io)).await.unwrap();
    let running = container.start().await.unwrap();
    let begun = Instant::now();
    while output.stdout().is_empty() {
        assert!(begun.elapsed() < LONG, "it never wrote");
        sleep(SHORT).await;
    }
    let task = container.engine_id().unwrap();
    let first = keepers(&scene).await;
    assert!(matches!(first.as_slice(), [one] if one.generation == 1), "{first:?}");
    restart(more).await;

    // It comes before the next keeper does, as far as that can be.
    let back = Instant::now();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut reaper = reaper_elsewhere(&scene, &elsewhere.path().join("run"));
    let is_later = |keeper: &Keeper| keeper.generation > 1 && keeper.promise == first[0].promise;
    until_keepers(&scene, "another keeper", |found| found.iter().any(is_later)).await;
    println!("{more:?}: another keeper after {:.1} s", back.elapsed().as_secs_f64());
    let next =
        until_keepers(&scene, "that one alone", |found| matches!(found, [one] if is_later(one)));
    let next = next.await;
    let said = reaper.next().await;
    assert!(said.starts_with("kept "), "a reaper elsewhere has {said}");
    let about = scene.setup.engine.inspect(&task).await.unwrap().expect("the task is there");
    assert_eq!(about["State"]["Running"], lives_on, "{}", about["State"]);
    assert_eq!(keepers(&scene).await, next, "whom the reaper has left alone");

    running.cancel();
    let exit = timeout(LONG, running.wait()).await.expect("the task's end is known");
    if lives_on {
        assert_eq!(exit.outcome, Outcome::Cancelled, "{exit:?}");
    }
    timeout(LONG, container.close()).await.expect("it is closed").unwrap();
    driver.close().await.unwrap();
    assert_eq!(scene.clean().await, [""; 0]);
    if lives_on {
        restart(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_has_a_keeper_again_after_its_engine_was_restarted() {
    an_owner_goes_on(&[], false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_has_a_keeper_again_after_its_engine_was_killed_and_started_again() {
    an_owner_goes_on(&["--kill"], false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_lived_on_without_its_engine_is_followed_by_one_that_its_owner_holds() {
    an_owner_goes_on(&["--kill", "--live-restore"], true).await;
}
