//! More workers than placeholders cost nothing: those who wait go on at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_driver_api::{Driver, DriverExt, NetworkReport};
use longshore_mock::{Engine, Image, Op, Program, Rule};
use longshore_prefork::PoolOptions;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{World, borrower};

const TASKS: usize = 100;
const PLACEHOLDERS: usize = 4;

/// How long so many workers take for all tasks, with what an engine needs for each step.
async fn time_of(workers: usize, use_once: bool) -> Duration {
    let ms = Duration::from_millis;
    let engine = Engine::new();
    engine.add_image("acme/tool:1", Image::new(Program::steps().sleep(ms(50)).exit(0))).unwrap();
    engine.rule(Rule::on(Op::Create).delay(ms(20)));
    engine.rule(Rule::on(Op::Start).delay(ms(70)));
    engine.rule(Rule::on(Op::Remove).delay(ms(15)));
    let mut options = PoolOptions::sized(PLACEHOLDERS);
    options.use_once = use_once;
    options.rate = 0;
    let world = Arc::new(World::on(engine, options));
    world.until(|usage| usage.free == PLACEHOLDERS).await;

    let begun = Instant::now();
    let left = Arc::new(AtomicUsize::new(TASKS));
    let mut running = JoinSet::new();
    for _ in 0..workers {
        let (world, left) = (Arc::clone(&world), Arc::clone(&left));
        running.spawn(async move {
            while left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok()
            {
                let exit = world.driver.run_task(borrower().build().unwrap()).await.unwrap();
                assert!(exit.is_success() && exit.network == NetworkReport::Lent, "{exit:?}");
            }
        });
    }
    running.join_all().await;
    let took = begun.elapsed();
    let usage = world.pool.usage();
    assert_eq!(usage.hits + usage.misses, TASKS as u64);
    assert!(workers <= PLACEHOLDERS || usage.misses > 0, "nobody waited: {usage:?}");
    world.driver.close().await.unwrap();
    took
}

#[tokio::test(start_paused = true)]
async fn eight_workers_on_four_placeholders_are_never_slower_than_four() {
    for use_once in [false, true] {
        let alone = time_of(1, use_once).await;
        let four = time_of(PLACEHOLDERS, use_once).await;
        for workers in [5, 8, 16, 50] {
            let more = time_of(workers, use_once).await;
            assert!(more <= four, "{workers} workers take {more:?}, {PLACEHOLDERS} take {four:?}");
        }
        assert!(four < alone, "four take {four:?}, one takes {alone:?}");
    }
}
