//! What goes wrong with placeholders and with the engine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_driver_api::{
    ContainerExt as _, DriverExt, ErrorKind, NetworkReport, Outcome, Signal, Task, TaskHooks,
    WhenEmpty,
};
use longshore_mock::{Containers, Engine, Image, Op, Program, Rule};
use longshore_prefork::{PoolOptions, SlotPhase};

use super::{World, borrower, engine_of_long_tasks};

#[tokio::test(start_paused = true)]
async fn a_placeholder_killed_while_free_is_replaced_and_never_lent() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let before = world.holders();
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.engine.signal_container(&before[0], Signal::KILL).unwrap();
    world.until(|usage| usage.died == 1).await;
    let lease = world.lease().await;
    assert_ne!(lease.namespaces().holder, before[0]);
    drop(lease);
    world.close().await;
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl TaskHooks for Told {
    fn network_lost(&self, why: &str) {
        self.0.lock().unwrap().push(why.to_owned());
    }
}

#[tokio::test(start_paused = true)]
async fn a_placeholder_killed_while_leased_is_told_to_the_task_and_in_its_exit() {
    let world = World::on(engine_of_long_tasks(), PoolOptions::sized(1));
    let told = Arc::new(Told::default());
    let task = Task::new(borrower().build().unwrap()).hooks(told.clone());
    let container = world.driver.prepare(task).await.unwrap();
    let running = container.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.engine.remove_container(&world.holders()[0]).unwrap();
    world.until(|usage| usage.died == 1).await;
    assert_eq!(told.0.lock().unwrap().len(), 1);
    // The slot has another placeholder by now, which is nobody's.
    world.until(|usage| usage.free == 1).await;
    running.cancel();
    let exit = running.wait().await;
    assert!(matches!(&exit.network, NetworkReport::Lost(why) if why.contains("gone")), "{exit:?}");
    assert_eq!(exit.outcome, Outcome::Cancelled);
    container.close().await.unwrap();
    assert_eq!(world.pool.usage().free, 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_placeholder_killed_while_starting_is_made_again() {
    let engine = Engine::new();
    engine.rule(Rule::on(Op::Start).once().delay(Duration::from_secs(5)));
    let world = World::on(engine, PoolOptions::sized(1));
    world.engine.until(|engine| engine.counts().created == 1).await;
    let id = world.engine.containers()[0].id.clone();
    world.engine.remove_container(&id).unwrap();
    world.until(|usage| usage.free == 1).await;
    assert_eq!(world.pool.usage().failures, 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_fails_the_slots_visibly_and_comes_right_when_it_is_there() {
    let engine = Engine::new();
    engine.unknown_images(None);
    let mut options = PoolOptions::sized(3);
    options.image = Some("acme/holder:1".to_owned());
    let world = World::on(engine, options);
    tokio::time::sleep(Duration::from_secs(120)).await;

    let usage = world.pool.usage();
    assert_eq!((usage.failed, usage.free), (3, 0), "{usage:?}");
    assert!(usage.failures < 60, "it was tried {} times in two minutes", usage.failures);
    assert!(usage.last_error.unwrap().contains("acme/holder:1"));
    let error = world.ask(WhenEmpty::Error).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolEmpty);
    assert!(error.to_string().contains("acme/holder:1"), "{error}");
    assert_eq!(world.engine.counts().total(), 0);

    let forever = Image::new(Program::steps().forever());
    world.engine.publish_image("acme/holder:1", forever).unwrap();
    world.until(|usage| usage.free == 3).await;
    assert_eq!(world.pool.usage().last_error, None);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_placeholder_that_ends_at_once_is_not_made_again_and_again() {
    let engine = Engine::new();
    engine.add_image("acme/holder:1", Image::new(Program::exit(0))).unwrap();
    let mut options = PoolOptions::sized(1);
    options.image = Some("acme/holder:1".to_owned());
    let world = World::on(engine, options);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let made = world.pool.usage().made;
    assert!((5..60).contains(&made), "{made} in ten minutes");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_slot_whose_network_is_missing_does_not_hold_up_the_others() {
    let mut options = PoolOptions::sized(4);
    options.networks = vec!["bridge".to_owned(), "acme".to_owned()];
    let world = World::new(options);
    world.until(|usage| usage.free == 2 && usage.failed == 2).await;
    let failed: Vec<_> =
        world.pool.slots().into_iter().filter(|slot| slot.phase == SlotPhase::Failed).collect();
    assert!(failed.iter().all(|slot| slot.network == "acme"), "{failed:?}");
    assert!(failed.iter().all(|slot| slot.error.as_ref().unwrap().contains("acme")));
    world.engine.add_network("acme");
    world.until(|usage| usage.free == 4).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_as_the_last_error_is_the_last_one_whichever_slot_it_is_of() {
    let mut options = PoolOptions::sized(2);
    options.networks = vec!["acme".to_owned(), "bridge".to_owned()];
    let world = World::new(options);
    // So often that it is not tried again for a while.
    world.until(|usage| usage.free == 1 && usage.failed == 1 && usage.failures == 9).await;
    assert!(world.pool.usage().last_error.unwrap().contains("acme"));
    world.engine.rule(Rule::on(Op::Create).delay(Duration::from_secs(5)));
    world.engine.signal_container(&world.holders()[0], Signal::KILL).unwrap();
    world.until(|usage| usage.died == 1).await;
    let death = world.pool.slots()[1].error.clone();
    assert!(death.is_some());
    assert_eq!(world.pool.usage().last_error, death);
    world.until(|usage| usage.failures == 10).await;
    assert!(world.pool.usage().last_error.unwrap().contains("acme"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn earlier_failures_are_forgotten_however_short_the_lives_are_that_leases_end() {
    let engine = Engine::new();
    engine.rule(Rule::on(Op::Create).times(8).fail(ErrorKind::Engine));
    let mut options = PoolOptions::sized(1);
    options.use_once = true;
    let world = World::on(engine, options);
    for _ in 0..5 {
        drop(world.lease().await);
    }
    world.until(|usage| usage.free == 1).await;
    assert_eq!(world.pool.usage().failures, 8);
    world.engine.rule(Rule::on(Op::Create).once().fail(ErrorKind::Engine));
    drop(world.lease().await);
    let before = tokio::time::Instant::now();
    drop(world.lease().await);
    assert_eq!(world.pool.usage().failures, 9);
    assert!(before.elapsed() < Duration::from_millis(200), "{:?}", before.elapsed());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_restarts_loses_its_placeholders_and_gets_new_ones() {
    for containers in [Containers::Die, Containers::Survive] {
        let world = World::filled(PoolOptions::sized(2)).await;
        let lease = world.lease().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.engine.stop(containers);
        let why = lease.until_lost().await;
        assert!(!why.is_empty());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.pool.usage().free, 0);
        world.engine.start();
        world.until(|usage| usage.free == 2).await;
        // The lease of a placeholder that is no more frees nobody else's.
        drop(lease);
        assert_eq!(world.pool.usage().free, 2);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn placeholders_are_made_no_faster_than_the_bucket_allows() {
    let begun = tokio::time::Instant::now();
    let world = World::filled(PoolOptions::sized(50)).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(3) && took < Duration::from_millis(3200), "{took:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_placeholder_died_before_its_start_borrows_another() {
    let world = World::filled(PoolOptions::sized(1)).await;
    for knows_it in [false, true] {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let container = world.driver.prepare(borrower().build().unwrap()).await.unwrap();
        let before = container.engine_id();
        let died = world.pool.usage().died;
        world.engine.signal_container(&world.holders()[0], Signal::KILL).unwrap();
        if knows_it {
            world.until(|usage| usage.died > died && usage.free == 1).await;
        }
        let running = container.start().await.unwrap();
        assert_ne!(container.engine_id(), before);
        let exit = running.wait().await;
        assert_eq!((exit.code, &exit.network), (Some(0), &NetworkReport::Lent));
        container.close().await.unwrap();
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_copied_into_a_container_is_not_lost_with_its_placeholder() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let container = world.driver.prepare(borrower().build().unwrap()).await.unwrap();
    container.write_file("/tmp/a", b"a", 0o644).await.unwrap();
    let before = container.engine_id();
    world.engine.signal_container(&world.holders()[0], Signal::KILL).unwrap();
    let error = container.start().await.unwrap_err();
    assert_eq!((error.kind(), container.engine_id()), (ErrorKind::Busy, before));
    container.close().await.unwrap();
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn all_that_a_task_waits_for_placeholders_that_die_is_within_its_bound() {
    let engine = Engine::new();
    let of_the_pool = Rule::on(Op::Start).when(|call| call.owner == "pool");
    engine.rule(of_the_pool.delay(Duration::from_secs(3)));
    let world = World::on(engine, PoolOptions::sized(1));
    let spec = borrower()
        .edit(|spec| spec.network.when_empty = Some(WhenEmpty::Wait(Duration::from_secs(5))));
    let begun = tokio::time::Instant::now();
    let container = world.driver.prepare(spec.build().unwrap()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    world.engine.signal_container(&world.holders()[0], Signal::KILL).unwrap();
    world.until(|usage| usage.died == 1).await;
    // Three of its five seconds are gone, and it takes three more to make another.
    let error = container.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolEmpty, "{error}");
    assert_eq!(begun.elapsed().as_secs(), 5);
    container.close().await.unwrap();
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_placeholder_died_unknown_to_the_pool_is_told_to_try_again() {
    let engine = Engine::new();
    // The driver is told of the death late.
    engine.rule(Rule::on(Op::Wait).delay(Duration::from_secs(5)));
    let world = World::on(engine, PoolOptions::sized(1));
    world.until(|usage| usage.free == 1).await;
    let container = world.driver.prepare(borrower().build().unwrap()).await.unwrap();
    world.engine.signal_container(&world.holders()[0], Signal::KILL).unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let error = container.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    container.close().await.unwrap();
    world.close().await;
}
