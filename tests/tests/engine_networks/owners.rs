//! Networks and volumes that belong to an owner by its labels.

use longshore_driver_api::{
    Driver as _, DriverExt as _, Mount, ReapOptions, ReapReport, ResourceKind,
};

use crate::world::with_networks;

/// What kinds of things were removed, in order.
fn kinds(report: &ReapReport) -> Vec<ResourceKind> {
    assert!(report.failed.is_empty(), "{report:?}");
    report.removed.iter().map(|it| it.kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_owner_had_is_removed_and_what_a_live_one_has_stays() {
    with_networks(0, async |world| {
        let engine = &world.scene.setup.engine;
        let furniture =
            async || engine.furniture(&world.scene.application).await.expect("the engine answers");
        let named = |name: &str| {
            let name = format!("{}-{name}", world.scene.application);
            [format!("/networks/{name}"), format!("/volumes/{name}")]
        };
        let alive = world.driver(|_| ()).await;
        let name = format!("{}-alive", world.scene.application);
        engine.make_network(&name, alive.owner_labels()).await.unwrap();
        engine.make_volume(&name, alive.owner_labels()).await.unwrap();
        let program = env!("CARGO_BIN_EXE_longshore-victim");
        let mut victim = world.scene.process(program, &engine.address(), "furnished");
        victim.says("furnished").await;
        let both = [named("alive"), named("victim")].concat();
        let mut all = furniture().await;
        all.sort_by_key(|path| path.ends_with("victim"));
        assert_eq!(all, both);

        // Both live, and so does what they have.
        let reaper = world.driver(|_| ()).await;
        let report = reaper.reap(ReapOptions::new()).await.unwrap();
        assert_eq!((kinds(&report), report.kept), (vec![], 5), "{report:?}");
        victim.kill().await;
        let report = reaper.reap(ReapOptions::new()).await.unwrap();
        let (container, network, volume) =
            (ResourceKind::Container, ResourceKind::Network, ResourceKind::Volume);
        assert_eq!(kinds(&report), [container, network, volume], "{report:?}");
        assert_eq!(report.kept, 2, "{report:?}");
        assert_eq!(furniture().await, named("alive"));

        // As long as its process lives, it may still want them.
        alive.close().await.unwrap();
        let report = reaper.reap(ReapOptions::new()).await.unwrap();
        assert_eq!((kinds(&report), report.kept), (vec![], 2), "{report:?}");
        assert_eq!(furniture().await, named("alive"));
        reaper.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_that_the_engine_makes_for_its_name_outlives_task_and_owner() {
    with_networks(0, async |world| {
        let engine = &world.scene.setup.engine;
        let owner = world.driver(|_| ()).await;
        let name = format!("{}-named", world.scene.application);
        let spec = world.scene.setup.task(["fill", "/data/file", "1"]);
        let spec = spec.mount(Mount::volume(&name, "/data")).build().unwrap();
        assert!(owner.run_task(spec).await.unwrap().is_success());
        owner.close().await.unwrap();
        let reaper = world.driver(|_| ()).await;
        let report = reaper.reap(ReapOptions::new()).await.unwrap();
        assert!(report.removed.is_empty(), "{report:?}");
        let found = engine.furniture(&world.scene.application).await.unwrap();
        assert_eq!(found, [format!("/volumes/{name}")]);
        reaper.close().await.unwrap();
    })
    .await;
}
