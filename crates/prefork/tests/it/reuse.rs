//! Who may have a placeholder after whom.

use std::time::Duration;

use longshore_driver_api::{Capability, DriverExt, TaskSpec};
use longshore_prefork::PoolOptions;

use super::{World, borrower};

async fn run(world: &World, spec: TaskSpec) {
    world.driver.run_task(spec).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_harmless_task_a_placeholder_is_lent_again() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let before = world.holders();
    for _ in 0..10 {
        run(&world, borrower().build().unwrap()).await;
        assert_eq!(world.holders(), before);
    }
    assert_eq!(world.pool.slots()[0].generation, 10);
    assert_eq!(world.pool.usage().made, 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_task_that_could_change_the_network_another_placeholder_is_made() {
    let world = World::filled(PoolOptions::sized(1)).await;
    for name in ["NET_ADMIN", "NET_RAW", "SYS_ADMIN"] {
        let before = world.holders();
        let capability: Capability = name.parse().unwrap();
        run(
            &world,
            borrower().edit(|spec| spec.security.cap_add = vec![capability]).build().unwrap(),
        )
        .await;
        world.until(|usage| usage.free == 1).await;
        assert_ne!(world.holders(), before, "{name}");
    }
    assert_eq!(world.pool.usage().recycled, 3);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn use_once_never_lends_a_placeholder_twice() {
    let mut options = PoolOptions::sized(2);
    options.use_once = true;
    let world = World::filled(options).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let lease = world.lease().await;
        assert!(seen.insert(lease.namespaces().holder.clone()), "lent twice");
        drop(lease);
    }
    world.until(|usage| usage.free == 2).await;
    assert_eq!(world.engine.counts().total(), 2);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_out_until_the_tasks_container_is_gone() {
    use longshore_mock::{Op, Rule};

    let world = World::filled(PoolOptions::sized(1)).await;
    world.engine.rule(Rule::on(Op::Remove).delay(Duration::from_secs(5)));
    let container = world.driver.prepare(borrower().build().unwrap()).await.unwrap();
    container.start().await.unwrap().wait().await;
    let closing = container.close();
    let looking = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(world.pool.usage().in_use, 1);
    };
    let (closed, ()) = tokio::join!(closing, looking);
    closed.unwrap();
    assert_eq!(world.pool.usage().free, 1);
    world.engine.clear_rules();
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_will_not_remove_a_task_keeps_its_placeholder_from_others() {
    use longshore_driver_api::ErrorKind;
    use longshore_mock::{Op, Rule};

    let world = World::filled(PoolOptions::sized(1)).await;
    world.engine.rule(Rule::on(Op::Remove).times(3).fail(ErrorKind::Engine));
    let container = world.driver.prepare(borrower().build().unwrap()).await.unwrap();
    container.start().await.unwrap().wait().await;
    container.close().await.unwrap_err();
    assert_eq!(world.pool.usage().in_use, 1);
    // The driver goes on trying, and then it is free.
    world.until(|usage| usage.free == 1).await;
    drop(container);
    world.close().await;
}
