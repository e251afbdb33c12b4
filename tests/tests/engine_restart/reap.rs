//! An engine that is restarted while what dead owners left is removed from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_docker::{DockerDriver, Timeouts};
use longshore_driver_api::{Driver as _, ReapOptions};
use longshore_tests::{FaultProxy, Scene, Script, Setup, Step, Victim, config};
use tokio::time::timeout;

use crate::{ALONE, LONG, restart};

/// How far each dead owner came. One has a network and a volume as well.
const DEAD: [&str; 6] = ["created", "started", "frozen", "exited", "furnished", "started"];

/// How a reaper comes to work.
#[derive(Clone, Copy, PartialEq)]
enum Reaps {
    Asked,
    ByOpening,
}

/// Owners that were killed, beside one that lives.
async fn owners(scene: &Scene) -> (Vec<String>, Victim) {
    let engine = &scene.setup.engine;
    let victim = |stage| {
        let program = env!("CARGO_BIN_EXE_longshore-victim");
        scene.process(program, &engine.address(), stage)
    };
    let mut alive = victim("started");
    alive.says("started").await;
    let spared = engine.containers(&scene.application).await.unwrap();
    for stage in DEAD {
        let mut owner = victim(stage);
        owner.says(stage).await;
        owner.kill().await;
    }
    assert_eq!(scene.containers(1 + DEAD.len()).await.len(), 1 + DEAD.len());
    (spared, alive)
}

async fn open(scene: &Scene, address: &str, reaps: Reaps) -> DockerDriver {
    let mut config = config(address, &scene.application, &scene.run_dir());
    config.timeouts = Timeouts::default();
    config.reap_on_open = reaps == Reaps::ByOpening;
    DockerDriver::open(config).await.unwrap()
}

/// Restarts the engine under a reaper that has removed the first container of several.
async fn all_is_removed(reaps: Reaps, more: &[&str]) {
    let _alone = ALONE.lock().await;
    let scene = Scene::new(&Setup::from_env(), "reap");
    let engine = &scene.setup.engine;
    let (spared, alive) = owners(&scene).await;
    let furniture = format!("{}-victim", scene.application);
    assert_eq!(engine.furniture(&furniture).await.unwrap().len(), 2);

    let proxy = FaultProxy::start(engine.socket(), Script::new()).unwrap();
    let driver = Arc::new(open(&scene, &proxy.address(), reaps).await);
    let reaping = (reaps == Reaps::Asked).then(|| {
        let driver = Arc::clone(&driver);
        tokio::spawn(async move { driver.reap(ReapOptions::new()).await })
    });
    timeout(LONG, proxy.reached(Step::Remove, 2)).await.expect("it removes");
    restart(more).await;

    if let Some(reaping) = reaping {
        let reaped = timeout(LONG, reaping).await.expect("it ends").unwrap();
        let there = engine.containers(&scene.application).await.unwrap();
        let report = reaped.expect("what was removed before is told");
        for removed in &report.removed {
            assert!(!there.contains(&removed.id), "{removed:?} is still there: {report:?}");
        }
        assert!(report.failed.iter().all(|it| it.error.is_some()), "{report:?}");
        println!("{more:?}: {} removed, {} failed", report.removed.len(), report.failed.len());
        // What could not be removed is so when somebody asks again.
        let again = timeout(LONG, driver.reap(ReapOptions::new())).await.expect("it ends");
        let again = again.unwrap();
        assert!(again.failed.is_empty(), "{again:?}");
    }
    let left = engine.settle(&scene.application, 1, LONG).await.unwrap();
    assert_eq!(left, spared, "what is the living one's, and nothing else");
    let begun = Instant::now();
    while !engine.furniture(&furniture).await.unwrap().is_empty() || scene.leases().len() > 2 {
        assert!(begun.elapsed() < LONG, "networks, volumes or leases stay: {:?}", scene.leases());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    driver.close().await.unwrap();
    alive.kill().await;
    let last = open(&scene, &engine.address(), Reaps::Asked).await;
    let report = last.reap(ReapOptions::new()).await.unwrap();
    assert_eq!((report.removed.len(), report.failed.len()), (1, 0), "{report:?}");
    last.close().await.unwrap();
    assert_eq!(scene.clean().await, [""; 0]);
    assert!(scene.leases().is_empty());
}

/// Each way in which an engine may go. A Docker 20.10 that is killed over a removal can crash as it is
/// started again, and none of the tests after it has an engine then: only a soak does that.
async fn whichever_way_it_goes(reaps: Reaps) {
    all_is_removed(reaps, &[]).await;
    if Setup::from_env().soak {
        all_is_removed(reaps, &["--kill"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reap_that_is_asked_for_leaves_nothing_of_an_engine_that_is_restarted_meanwhile() {
    whichever_way_it_goes(Reaps::Asked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reap_at_the_start_leaves_nothing_of_an_engine_that_is_restarted_meanwhile() {
    whichever_way_it_goes(Reaps::ByOpening).await;
}
