//! An engine that goes away and comes back, with its containers dead or alive.

use std::time::Duration;

use longshore_driver_api::{Driver as _, DriverExt as _, NetworkReport, WhenEmpty};
use longshore_prefork::PoolOptions;
use longshore_tests::{FaultProxy, Script, Setup};
use tokio::time::sleep;

use crate::world::{Place, borrower, kill, open, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_survives_its_engine_and_loses_only_what_died_with_it() {
    let (setup, place) = (Setup::from_env(), Place::new());
    let proxy = FaultProxy::start(setup.engine.socket(), Script::new()).unwrap();
    let mut config = place.config();
    config.host = Some(proxy.address());
    let mut options = PoolOptions::sized(2);
    options.when_empty = WhenEmpty::Wait(Duration::from_secs(60));
    let (pool, driver) = open(config, options).await.unwrap();
    until(&pool, "both are free", |usage| usage.free == 2).await;
    let spec = borrower(["sleep", "forever"]).build().unwrap();
    let container = driver.prepare(spec.clone()).await.unwrap();
    let running = container.start().await.unwrap();
    let of = |free: bool| {
        let slots = pool.slots().into_iter();
        let mut wanted = slots.filter(|slot| (slot.phase.as_str() == "free") == free);
        wanted.next().unwrap().holder.unwrap()
    };
    let (lent, free) = (of(false), of(true));

    // The task's placeholder dies with the engine, the other one outlives it.
    proxy.down().await;
    kill(&lent).await;
    sleep(Duration::from_millis(500)).await;
    proxy.up().unwrap();
    until(&pool, "the dead one is replaced", |usage| usage.died > 0 && usage.free == 2).await;
    let holders: Vec<String> = pool.slots().into_iter().filter_map(|slot| slot.holder).collect();
    assert!(holders.contains(&free) && !holders.contains(&lent), "{holders:?}");
    assert_eq!(pool.usage().died, 1);
    running.cancel();
    let exit = running.wait().await;
    assert!(matches!(exit.network, NetworkReport::Lost(_)), "{exit:?}");
    container.close().await.unwrap();
    let exit = driver.run_task(borrower(["exit", "0"]).build().unwrap()).await.unwrap();
    assert_eq!((exit.code, exit.network), (Some(0), NetworkReport::Lent));
    driver.close().await.unwrap();
    assert_eq!(place.left().await, [""; 0]);
}
