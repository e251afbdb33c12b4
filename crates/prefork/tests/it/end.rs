//! The end of a pool, in good order and otherwise.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Driver, DriverExt, ErrorKind, NamespaceSource, NetworkReport, ReapOptions, WhenEmpty,
};
use longshore_mock::{Config, Engine, Op, Rule};
use longshore_prefork::{Pool, PoolOptions};
use tokio::time::Instant;

use super::{World, borrower, engine_of_long_tasks};

#[tokio::test(start_paused = true)]
async fn close_returns_when_every_placeholder_is_gone() {
    let world = World::filled(PoolOptions::sized(4)).await;
    world.engine.rule(Rule::on(Op::Remove).delay(Duration::from_secs(3)));
    let before = Instant::now();
    world.pool.close().await.unwrap();
    assert_eq!(world.engine.counts().total(), 0);
    assert!(before.elapsed() >= Duration::from_secs(3));
    world.pool.close().await.unwrap();
    assert_eq!(world.ask(WhenEmpty::FallBack).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_can_make_no_placeholder_closes() {
    for seconds in [0, 4] {
        let engine = Engine::new();
        engine.unknown_images(None);
        let mut options = PoolOptions::sized(50);
        options.image = Some("acme/holder:1".to_owned());
        let world = World::on(engine, options);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        world.pool.close().await.unwrap();
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn close_has_a_bound_and_names_what_is_left() {
    let mut options = PoolOptions::sized(2);
    options.close_within = Duration::from_secs(10);
    let world = World::filled(options).await;
    world.engine.rule(Rule::on(Op::Remove).never_answer());
    let before = Instant::now();
    let error = world.pool.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(before.elapsed() <= Duration::from_secs(10));
    assert!(error.to_string().contains("prefork-"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn close_refuses_those_who_wait_and_tells_those_who_have_a_lease() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let lease = world.lease().await;
    let waiting = world.ask(WhenEmpty::Wait(Duration::from_secs(600)));
    let closing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.pool.close().await
    };
    let (waited, closed) = tokio::join!(waiting, closing);
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::Closed);
    closed.unwrap();
    assert!(lease.lost().is_some());
    drop(lease);
    assert_eq!(world.engine.counts().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn close_while_placeholders_are_being_made_leaves_none() {
    for after in [0, 1, 5, 9, 10, 11, 20, 25] {
        let engine = Engine::new();
        engine.rule(Rule::any().delay(Duration::from_millis(5)));
        let world = World::on(engine, PoolOptions::sized(3));
        tokio::time::sleep(Duration::from_millis(after)).await;
        world.pool.close().await.unwrap();
        assert_eq!(world.engine.counts().total(), 0, "after {after} ms");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pool_leaves_nothing_and_tells_its_leases() {
    let engine = Engine::new();
    let placeholders = Arc::new(engine.placeholders(Config::new()));
    let pool = Pool::open(PoolOptions::sized(3), placeholders).unwrap();
    engine.until(|engine| engine.counts().running == 3).await;
    tokio::task::yield_now().await;
    let lease = pool.lease(Default::default()).await.unwrap().unwrap();
    drop(pool);
    lease.until_lost().await;
    engine.until(|engine| engine.counts().total() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_closes_its_tasks_before_its_pool() {
    let world = World::on(engine_of_long_tasks(), PoolOptions::sized(1));
    let container = world.driver.prepare(borrower().build().unwrap()).await.unwrap();
    let running = container.start().await.unwrap();
    world.driver.close().await.unwrap();
    let exit = running.wait().await;
    assert_eq!(exit.network, NetworkReport::Lent);
    assert_eq!(world.engine.counts().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_owner_was_killed_leaves_nothing_after_a_reap() {
    let world = World::filled(PoolOptions::sized(3)).await;
    world.engine.kill_owner("pool");
    assert_eq!(world.engine.counts().running, 3);
    let other = world.engine.driver(Config::new());
    let report = other.reap(ReapOptions::new()).await.unwrap();
    assert_eq!(report.removed.len(), 3);
    assert_eq!(world.engine.counts().total(), 0);
}

#[test]
fn a_runtime_that_ends_takes_the_placeholders_with_it_and_closes_the_pool() {
    let engine = Engine::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let pool = first.block_on(async {
        let placeholders = Arc::new(engine.placeholders(Config::new()));
        let pool = Pool::open(PoolOptions::sized(2), placeholders).unwrap();
        engine.until(|engine| engine.counts().running == 2).await;
        pool
    });
    drop(first);
    assert_eq!(engine.counts().total(), 0);
    let error = runtime().block_on(pool.lease(Default::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.to_string().contains("runtime"), "{error}");
}

#[test]
fn outside_of_a_runtime_it_is_refused() {
    let engine = Engine::new();
    let placeholders = Arc::new(engine.placeholders(Config::new()));
    let error = Pool::open(PoolOptions::sized(1), placeholders).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
}
