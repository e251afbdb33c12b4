//! Ten minutes of everything at once, on paused time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_driver_api::{ErrorKind, NamespaceRequest, NamespaceSource, Signal, WhenEmpty};
use longshore_mock::{Containers, Engine, Op, Rule};
use longshore_prefork::PoolOptions;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::World;

const TIME: Duration = Duration::from_secs(600);
const WORKERS: u64 = 12;

/// Leases and gives back, keeping count of who has what.
async fn borrow(world: Arc<World>, seed: u64, held: Arc<Mutex<BTreeSet<String>>>) -> u64 {
    let mut random = StdRng::seed_from_u64(seed);
    let end = tokio::time::Instant::now() + TIME;
    let mut leases = 0;
    while tokio::time::Instant::now() < end {
        let mut request = NamespaceRequest::default();
        request.changes = random.random_bool(0.1);
        request.when_empty = Some(match random.random_range(0..3) {
            0 => WhenEmpty::Error,
            1 => WhenEmpty::FallBack,
            _ => WhenEmpty::Wait(Duration::from_millis(random.random_range(0..2000))),
        });
        let patience = Duration::from_millis(random.random_range(1..3000));
        match tokio::time::timeout(patience, world.pool.lease(request)).await {
            Ok(Ok(Some(lease))) => {
                leases += 1;
                let holder = lease.namespaces().holder.clone();
                assert!(held.lock().unwrap().insert(holder.clone()), "two have {holder}");
                tokio::time::sleep(Duration::from_millis(random.random_range(0..500))).await;
                held.lock().unwrap().remove(&holder);
                drop(lease);
            }
            Ok(Err(error)) => assert_eq!(error.kind(), ErrorKind::PoolEmpty, "{error}"),
            Ok(Ok(None)) | Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..100))).await;
    }
    leases
}

/// Kills placeholders, and now and then the engine.
async fn disturb(world: Arc<World>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let end = tokio::time::Instant::now() + TIME;
    while tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(random.random_range(100..3000))).await;
        let containers = world.engine.containers();
        if !containers.is_empty() {
            let id = &containers[random.random_range(0..containers.len())].id;
            // It may be gone by now: that is all the same.
            let _ = if random.random_bool(0.5) {
                world.engine.signal_container(id, Signal::KILL)
            } else {
                world.engine.remove_container(id)
            };
        }
        if random.random_bool(0.02) {
            let kind = if random.random_bool(0.5) { Containers::Die } else { Containers::Survive };
            world.engine.stop(kind);
            tokio::time::sleep(Duration::from_secs(2)).await;
            world.engine.start();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_churn_share_nothing_and_leave_nothing() {
    for seed in 0..3 {
        let engine = Engine::with_seed(seed);
        let ms = Duration::from_millis;
        engine.rule(
            Rule::on_these([Op::Create, Op::Start, Op::Remove]).delay_between(ms(1), ms(300)),
        );
        engine.rule(
            Rule::on_these([Op::Create, Op::Start]).probability(0.05).fail(ErrorKind::Engine),
        );
        engine.rule(
            Rule::on(Op::Create).probability(0.02).lose_reply().fail(ErrorKind::Disconnected),
        );
        let mut options = PoolOptions::sized(3);
        options.max_size = 6;
        let world = Arc::new(World::on(engine, options));
        let held = Arc::new(Mutex::new(BTreeSet::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..WORKERS {
            let (world, held) = (Arc::clone(&world), Arc::clone(&held));
            tasks.spawn(borrow(world, seed * 100 + worker, held));
        }
        let disturbing = tokio::spawn(disturb(Arc::clone(&world), seed * 100 + 99));
        let leases: u64 = tasks.join_all().await.into_iter().sum();
        disturbing.await.unwrap();
        assert!(leases > 1000, "only {leases} leases");
        world.engine.clear_rules();
        world.until(|usage| usage.size() == usage.free && usage.free >= 3).await;
        Arc::into_inner(world).unwrap().close().await;
    }
}
