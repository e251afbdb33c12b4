//! Owners whose leases a reaper cannot judge, since they are on another machine as far as can be seen:
//! another run directory, other process ids, and an engine that is reached by TCP.

mod relay;
mod scene;

use std::time::{Duration, Instant};

use longshore_driver_api::{Driver, DriverExt, Outcome, ReapOptions, State, Task};
use longshore_tests::Setup;
use tokio::time::sleep;

use relay::Relay;
use scene::Scene;

/// What an owner of these tests may be without a keeper.
const GRACE: Duration = Duration::from_secs(10);
/// Longer than a reap may take, on a machine that is busy with the tests themselves.
const BOUND: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_elsewhere_that_is_killed_leaves_nothing_nor_its_keeper() {
    let scene = Scene::new(&Setup::from_env()).await;
    for stage in ["opened", "created", "started", "frozen"] {
        let mut victim = scene.victim(stage);
        victim.says(stage).await;
        let count = if stage == "opened" { 1 } else { 2 };
        assert_eq!(scene.containers(count).await.len(), count, "{stage}");
        victim.kill().await;
        let keeper = scene.keepers().await.pop().expect("it is still there");
        scene.until_over(&keeper).await;

        let reaper = scene.reaper().await;
        let begun = Instant::now();
        let report = reaper.reap(ReapOptions::new()).await.expect("the engine answers");
        let took = begun.elapsed();
        assert_eq!((report.removed.len(), report.kept), (count, 0), "{stage}: {report:?}");
        assert!(GRACE <= took && took < BOUND, "{stage}: {took:?}");
        println!("killed when {stage}: nothing left after {:.1} s", took.as_secs_f64());
        assert_eq!(scene.clean().await, Vec::<String>::new(), "{stage}");
        reaper.close().await.expect("it has nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_elsewhere_that_lives_is_never_touched() {
    let scene = Scene::new(&Setup::from_env()).await;
    let mut neighbour = scene.victim("started");
    neighbour.says("started").await;
    let neighbours = scene.keepers().await;
    let mut victim = scene.victim("started");
    victim.says("started").await;
    assert_eq!(scene.containers(4).await.len(), 4);
    let victims = scene.keepers().await.into_iter().find(|keeper| !neighbours.contains(keeper));
    let reaper = scene.reaper().await;
    let report = reaper.reap(ReapOptions::new()).await.expect("the engine answers");
    assert_eq!((report.removed.len(), report.kept), (0, 4), "{report:?}");
    victim.kill().await;
    scene.until_over(&victims.expect("there is one for each")).await;
    // Two reapers come at once.
    let other = scene.reaper().await;
    let reap = || ReapOptions::new();
    let (one, two) = tokio::join!(reaper.reap(reap()), other.reap(reap()));
    let (one, two) = (one.expect("the engine answers"), two.expect("the engine answers"));
    assert!(one.failed.is_empty() && two.failed.is_empty(), "{one:?} {two:?}");
    assert!(one.removed.len() + two.removed.len() >= 2, "{one:?} {two:?}");
    assert_eq!(scene.containers(2).await.len(), 2, "the neighbour's are left");
    neighbour.kill().await;
    scene.until_over(&neighbours[0]).await;
    let report = reaper.reap(ReapOptions::new()).await.expect("the engine answers");
    assert_eq!((report.removed.len(), report.kept), (2, 0), "{report:?}");
    assert_eq!(scene.clean().await, Vec::<String>::new());
    reaper.close().await.and(other.close().await).expect("they have nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_whose_connection_or_keeper_was_cut_makes_another_in_time() {
    let scene = Scene::new(&Setup::from_env()).await;
    let owner = scene.owner().await;
    let spec = scene.setup.task(["sleep", "forever"]).build().expect("a valid task");
    let container = owner.prepare(Task::new(spec)).await.expect("it is created");
    let running = container.start().await.expect("it starts");
    let reaper = scene.reaper().await;
    for how in ["cut", "killed"] {
        let first = scene.keepers().await.pop().expect("there is one");
        let begun = Instant::now();
        if how == "cut" {
            scene.relay.cut();
        } else {
            scene.kill(&first).await;
        }
        // From the very moment a reaper watches, and for longer than it needs.
        let reap = async {
            scene.until_over(&first).await;
            let report = reaper.reap(ReapOptions::new()).await.expect("the engine answers");
            assert_eq!(report.removed, [], "{how}");
        };
        let heal = async {
            sleep(Duration::from_secs(2)).await;
            scene.relay.heal();
            while scene.keepers().await.iter().all(|keeper| *keeper == first) {
                sleep(Duration::from_millis(50)).await;
            }
            begun.elapsed()
        };
        let ((), took) = tokio::join!(reap, heal);
        println!("{how}: another keeper after {:.1} s", took.as_secs_f64());
        assert!(took < GRACE, "{how}: {took:?}");
        let give_up = Instant::now() + BOUND;
        while scene.keepers().await.contains(&first) {
            assert!(Instant::now() < give_up, "{how}: the former keeper stays");
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(container.state(), State::Running);
        assert_eq!(scene.containers(2).await.len(), 2, "{how}");
    }
    running.cancel();
    assert_eq!(running.wait().await.outcome, Outcome::Cancelled);
    container.close().await.expect("it is removed");
    owner.close().await.expect("it has nothing more");
    assert_eq!(scene.clean().await, Vec::<String>::new());
    reaper.close().await.expect("it has nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_cut_ends_the_keeper_within_seconds() {
    let scene = Scene::new(&Setup::from_env()).await;
    let owner = scene.owner().await;
    let keeper = scene.keepers().await.pop().expect("there is one");
    let relay = Relay::start(scene.setup.engine.socket()).await.expect("a port");
    drop(relay);
    assert!(!scene.is_over(&keeper).await, "another's connection does nothing to it");
    scene.relay.cut();
    scene.until_over(&keeper).await;
    scene.relay.heal();
    owner.close().await.expect("it has nothing");
    assert_eq!(scene.clean().await, Vec::<String>::new());
}
