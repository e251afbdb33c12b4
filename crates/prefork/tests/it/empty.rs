//! What happens when none is free.

use std::time::Duration;

use longshore_driver_api::{
    Driver, DriverExt, ErrorKind, NamespaceSource, NetworkReport, WhenEmpty,
};
use longshore_mock::{Engine, Op, Rule};
use longshore_prefork::PoolOptions;
use tokio::time::Instant;

use super::{World, borrower, engine_of_long_tasks};

#[tokio::test(start_paused = true)]
async fn whoever_falls_back_gets_a_network_of_its_own_and_its_exit_says_so() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let lease = world.lease().await;
    let spec = borrower().edit(|spec| spec.network.when_empty = Some(WhenEmpty::FallBack));
    let exit = world.driver.run_task(spec.build().unwrap()).await.unwrap();
    assert_eq!(exit.network, NetworkReport::FellBack);
    assert!(exit.timings.lease.is_some());
    drop(lease);
    let exit = world.driver.run_task(borrower().build().unwrap()).await.unwrap();
    assert_eq!(exit.network, NetworkReport::Lent);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_falls_back_is_on_the_pools_networks_in_turn() {
    let engine = engine_of_long_tasks();
    for network in ["blue", "green"] {
        engine.add_network(network);
    }
    let mut options = PoolOptions::sized(1);
    options.networks = vec!["blue".to_owned(), "green".to_owned()];
    let world = World::on(engine, options);
    let lease = world.lease().await;
    let mut started = Vec::new();
    for network in ["blue", "green", "blue"] {
        let spec = borrower().edit(|spec| spec.network.when_empty = Some(WhenEmpty::FallBack));
        let container = world.driver.prepare(spec.build().unwrap()).await.unwrap();
        let running = container.start().await.unwrap();
        assert_eq!(running.network().await.unwrap().networks[0].network, network);
        started.push((container, running));
    }
    // What has ended counts no longer.
    let (container, _) = started.remove(1);
    container.close().await.unwrap();
    assert_eq!(world.pool.own_network().unwrap().name(), "green");
    drop((started, lease));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_falls_back_to_a_network_that_holds_no_placeholder_while_another_does() {
    let engine = engine_of_long_tasks();
    engine.add_network("blue");
    let mut options = PoolOptions::sized(2);
    options.networks = vec!["gone".to_owned(), "blue".to_owned()];
    let world = World::on(engine, options);
    let lease = world.lease().await;
    world.until(|usage| usage.failed == 1).await;
    let held = [world.pool.own_network().unwrap(), world.pool.own_network().unwrap()];
    assert_eq!(held.each_ref().map(|it| it.name()), ["blue", "blue"]);
    drop(lease);
    world.close().await;

    let mut options = PoolOptions::sized(2);
    options.networks = vec!["gone".to_owned(), "blue".to_owned()];
    let world = World::on(engine_of_long_tasks(), options);
    world.until(|usage| usage.failed == 2).await;
    assert_eq!(world.pool.own_network().unwrap().name(), "gone", "one is as good as another");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_error_comes_at_once_and_says_what_there_is() {
    let world = World::filled(PoolOptions::sized(2)).await;
    let leases = (world.lease().await, world.lease().await);
    let before = Instant::now();
    let error = world.ask(WhenEmpty::Error).await.unwrap_err();
    assert_eq!((error.kind(), before.elapsed()), (ErrorKind::PoolEmpty, Duration::ZERO));
    assert!(error.to_string().contains("of 2, 2 in use"), "{error}");
    assert!(error.is_retryable());
    drop(leases);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_gets_what_comes_back_or_an_error_at_the_deadline() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let lease = world.lease().await;
    let before = Instant::now();
    let error = world.ask(WhenEmpty::Wait(Duration::from_secs(5))).await.unwrap_err();
    assert_eq!((error.kind(), before.elapsed()), (ErrorKind::PoolEmpty, Duration::from_secs(5)));
    assert_eq!(world.pool.usage().waiting, 0);

    let back = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(lease);
    };
    let task = world.driver.run_task(borrower().build().unwrap());
    let (exit, ()) = tokio::join!(task, back);
    assert_eq!(exit.unwrap().timings.lease, Some(Duration::from_secs(3)));
    assert_eq!(world.pool.usage().hit_rate(), Some(1.0 / 3.0));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_who_stops_waiting_takes_nothing_with_him() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let lease = world.lease().await;
    {
        let waiting = world.ask(WhenEmpty::Wait(Duration::from_secs(60)));
        let mut waiting = std::pin::pin!(waiting);
        assert!(poll_once(waiting.as_mut()).await.is_none());
        assert_eq!(world.pool.usage().waiting, 1);
    }
    assert_eq!(world.pool.usage().waiting, 0);
    drop(lease);
    assert_eq!(world.pool.usage().free, 1);

    // Handed out to one who never looks: it comes back when his future is dropped.
    let lease = world.lease().await;
    {
        let waiting = world.ask(WhenEmpty::Wait(Duration::from_secs(60)));
        let mut waiting = std::pin::pin!(waiting);
        assert!(poll_once(waiting.as_mut()).await.is_none());
        drop(lease);
        assert_eq!(world.pool.usage().in_use, 1);
    }
    assert_eq!(world.pool.usage().free, 1);
    world.close().await;
}

/// Polls once.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn demand_makes_it_grow_and_idleness_makes_it_shrink() {
    let mut options = PoolOptions::sized(1);
    options.max_size = 4;
    let world = World::filled(options).await;
    let mut leases = Vec::new();
    for _ in 0..4 {
        leases.push(world.lease().await);
    }
    let usage = world.pool.usage();
    assert_eq!((usage.in_use, usage.grown), (4, 3));
    let error = world.ask(WhenEmpty::Wait(Duration::from_secs(30))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolEmpty);
    assert_eq!(world.pool.usage().size(), 4);
    drop(leases);
    tokio::time::sleep(Duration::from_secs(180)).await;
    let usage = world.pool.usage();
    assert_eq!((usage.free, usage.shrunk, usage.retiring), (1, 3, 0), "{usage:?}");
    assert_eq!(world.engine.counts().running, 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_slots_are_taken_away_gets_one_as_soon_as_they_are() {
    // Of all that there may be, so many are in use meanwhile.
    for (size, max, kept) in [(0, 4, 0), (1, 2, 1)] {
        let engine = Engine::new();
        engine.rule(Rule::on(Op::Remove).delay(Duration::from_millis(500)));
        let mut options = PoolOptions::sized(size);
        options.max_size = max;
        let world = World::on(engine, options);
        let mut leases = Vec::new();
        for _ in 0..max {
            leases.push(world.lease().await);
        }
        leases.truncate(kept);
        world.until(|usage| usage.retiring == max - kept).await;
        let before = Instant::now();
        let lease = world.ask(WhenEmpty::Wait(Duration::from_secs(10))).await.unwrap().unwrap();
        assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
        drop((lease, leases));
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_dropped_while_it_waits_leaves_the_queue() {
    let world = World::on(engine_of_long_tasks(), PoolOptions::sized(1));
    let lease = world.lease().await;
    let container = world.driver.container(borrower().build().unwrap().into()).unwrap();
    {
        let creating = container.create();
        let timed = tokio::time::timeout(Duration::from_secs(1), creating).await;
        assert!(timed.is_err());
    }
    assert_eq!(world.pool.usage().waiting, 0);
    container.close().await.unwrap();
    drop(lease);
    assert_eq!(world.pool.usage().free, 1);
    world.pool.close().await.unwrap();
    world.close().await;
}
