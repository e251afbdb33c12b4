//! Tasks on borrowed networks, with placeholders on a real engine.

mod away;
mod faults;
mod owner;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use longshore_docker::DockerPlaceholders;
use longshore_driver_api::{
    Driver as _, DriverExt as _, ErrorKind, NetworkMode, NetworkReport, Outcome, PlaceholderSpec,
    Placeholders as _, WhenEmpty,
};
use longshore_prefork::PoolOptions;
use serde_json::json;

use world::{
    Place, World, borrower, call, inspect, open, tells_its_address, until, until_it_waits,
};

#[tokio::test]
async fn a_task_is_on_its_placeholders_network_and_the_next_one_as_well() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let holder = world.holders()[0].clone();
    let about = inspect(&holder).await;
    let address = about["NetworkSettings"]["MacAddress"].as_str().unwrap().to_owned();
    assert!(!address.is_empty());
    for generation in 1..=3 {
        let (exit, output) = world.run(tells_its_address()).await;
        assert_eq!((exit.outcome, &exit.network), (Outcome::Code(0), &NetworkReport::Lent));
        assert_eq!(output.trim(), address);
        assert!(exit.timings.lease.unwrap() < Duration::from_secs(1), "{:?}", exit.timings);
        world.until(|usage| usage.free == 1).await;
        assert_eq!(world.pool.slots()[0].generation, generation);
        assert_eq!(world.holders(), std::slice::from_ref(&holder));
    }
    assert_eq!((world.pool.usage().made, world.pool.usage().recycled), (1, 0));
    world.close().await;
}

#[tokio::test]
async fn a_placeholder_is_hardened_bounded_and_its_owners() {
    let mut options = PoolOptions::sized(1);
    options.hostname = true;
    let world = World::filled(options).await;
    let about = inspect(&world.holders()[0]).await;
    let host = &about["HostConfig"];
    assert_eq!(about["Config"]["User"], "65534:65534");
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!((&host["ReadonlyRootfs"], &host["Privileged"]), (&json!(true), &json!(false)));
    assert_eq!((&host["Memory"], &host["PidsLimit"]), (&json!(32 << 20), &json!(16)));
    assert_eq!(host["LogConfig"]["Type"], "none");
    let labels = &about["Config"]["Labels"];
    for label in ["longshore.application", "longshore.owner", "longshore.lease"] {
        assert!(labels[label].as_str().is_some_and(|value| !value.is_empty()), "{labels}");
    }
    let id = labels["longshore.task"].as_str().unwrap();
    assert!(id.starts_with("prefork-") && about["Config"]["Hostname"] == id, "{id}");
    assert!(about["Config"]["Image"].as_str().unwrap().contains("longshore/placeholder:"));
    world.close().await;
}

#[tokio::test]
async fn what_is_used_once_is_never_lent_twice() {
    let mut options = PoolOptions::sized(1);
    options.use_once = true;
    let world = World::filled(options).await;
    let mut holders = BTreeSet::new();
    for _ in 0..3 {
        world.until(|usage| usage.free == 1).await;
        assert!(holders.insert(world.holders()[0].clone()), "{holders:?}");
        let (exit, _) = world.run(borrower(["exit", "0"])).await;
        assert_eq!(exit.network, NetworkReport::Lent);
    }
    world.until(|usage| usage.free == 1).await;
    assert_eq!(world.pool.usage().recycled, 3);
    world.close().await;
}

#[tokio::test]
async fn a_network_is_lent_again_only_after_a_task_that_could_not_change_it() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let first = world.holders();
    world.run(borrower(["exit", "3"])).await;
    world.until(|usage| usage.free == 1).await;
    assert_eq!(world.holders(), first);
    let admin = borrower(["exit", "0"])
        .edit(|spec| spec.security.cap_add = vec!["NET_ADMIN".parse().unwrap()]);
    world.run(admin).await;
    world.until(|usage| usage.free == 1).await;
    assert_ne!(world.holders(), first);
    assert_eq!(world.pool.usage().recycled, 1);
    world.close().await;
}

#[tokio::test]
async fn slots_are_on_the_networks_in_turn_and_tasks_learn_where_they_are() {
    let mut options = PoolOptions::sized(2);
    options.networks = vec!["bridge".to_owned(), "none".to_owned()];
    let world = World::filled(options).await;
    let mut found = Vec::new();
    let mut started = Vec::new();
    for _ in 0..2 {
        let spec = borrower(["sleep", "forever"]).build().unwrap();
        let container = world.driver.prepare(spec).await.unwrap();
        let running = container.start().await.unwrap();
        found.push(running.network().await.unwrap().address().is_some());
        started.push((container, running));
    }
    found.sort_unstable();
    assert_eq!(found, [false, true]);
    drop(started);
    world.until(|usage| usage.free == 2).await;
    world.close().await;
}

#[tokio::test]
async fn more_than_the_network_is_shared_if_so_configured() {
    let mut options = PoolOptions::sized(1);
    (options.share_ipc, options.share_pid) = (true, true);
    let world = World::filled(options).await;
    let holder = world.holders()[0].clone();
    let container = world.driver.prepare(borrower(["world"]).build().unwrap()).await.unwrap();
    let about = inspect(&container.engine_id().unwrap()).await;
    let joined = format!("container:{holder}");
    for mode in ["NetworkMode", "IpcMode", "PidMode"] {
        assert_eq!(about["HostConfig"][mode], joined.as_str(), "{mode}");
    }
    container.close().await.unwrap();
    world.until(|usage| usage.free == 1).await;
    let (exit, output) = world.run(borrower(["world"])).await;
    assert_eq!(exit.outcome, Outcome::Code(0), "{exit:?}");
    let seen: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(seen["init"], "hold", "its process 1 is the placeholder's");
    world.until(|usage| usage.free == 1 && usage.recycled == 2).await;

    let own = borrower(["exit", "0"])
        .edit(|spec| spec.limits.shm_size = Some(longshore_driver_api::ByteSize::mib(1)));
    let error = world.driver.run_task(own.build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("limits.shm_size"), "{error}");
    world.close().await;
}

#[tokio::test]
async fn who_finds_nothing_waits_fails_or_has_a_network_of_its_own() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let long = borrower(["sleep", "forever"]).build().unwrap();
    let container = world.driver.prepare(long).await.unwrap();
    let when =
        |policy| tells_its_address().edit(move |spec| spec.network.when_empty = Some(policy));
    let error = world.driver.run_task(when(WhenEmpty::Error).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolEmpty);
    assert!(error.to_string().contains("of 1, 1 in use"), "{error}");
    let short = WhenEmpty::Wait(Duration::from_millis(50));
    let error = world.driver.run_task(when(short).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolEmpty);
    let (exit, output) = world.run(when(WhenEmpty::FallBack)).await;
    assert_eq!((exit.outcome, exit.network), (Outcome::Code(0), NetworkReport::FellBack));
    assert_eq!(output.trim().len(), "02:42:ac:11:00:02".len());

    let waits = world.run(when(WhenEmpty::Wait(Duration::from_secs(60))));
    let ends = async {
        world.until(|usage| usage.waiting == 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        container.close().await.unwrap();
    };
    let ((exit, _), ()) = tokio::join!(waits, ends);
    assert_eq!(exit.network, NetworkReport::Lent);
    assert!(exit.timings.lease.unwrap() >= Duration::from_millis(100), "{:?}", exit.timings);
    world.close().await;
}

const WALLED: &str = "longshore-test-walled";

#[tokio::test]
async fn who_falls_back_from_an_isolated_network_stays_in_it() {
    // Left by a run that was killed.
    call("DELETE", &format!("/networks/{WALLED}"), "").await;
    let make = format!(r#"{{"Name":"{WALLED}","CheckDuplicate":true,"Internal":true}}"#);
    assert_eq!(call("POST", "/networks/create", &make).await.0, 201);
    let mut options = PoolOptions::sized(1);
    options.networks = vec![WALLED.to_owned()];
    let world = World::filled(options).await;
    let long = borrower(["sleep", "forever"]).build().unwrap();
    let container = world.driver.prepare(long).await.unwrap();
    let other = borrower(["sleep", "forever"])
        .edit(|spec| spec.network.when_empty = Some(WhenEmpty::FallBack));
    let other = world.driver.prepare(other.build().unwrap()).await.unwrap();
    let running = other.start().await.unwrap();
    let info = running.network().await.unwrap();
    let names: Vec<&str> = info.networks.iter().map(|it| it.network.as_str()).collect();
    assert_eq!((names, info.address().is_some()), (vec![WALLED], true));
    running.cancel();
    assert_eq!(running.wait().await.network, NetworkReport::FellBack);
    container.close().await.unwrap();
    other.close().await.unwrap();
    world.close().await;
    assert_eq!(call("DELETE", &format!("/networks/{WALLED}"), "").await.0, 204);
}

#[tokio::test]
async fn closing_while_it_waits_ends_the_wait_and_leaves_the_queue() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let long = borrower(["sleep", "forever"]).build().unwrap();
    let holder = world.driver.prepare(long).await.unwrap();
    let waiter = world.driver.container(borrower(["exit", "0"]).build().unwrap().into()).unwrap();
    let closes = async {
        world.until(|usage| usage.waiting == 1).await;
        waiter.close().await.unwrap();
    };
    let (created, ()) = tokio::join!(waiter.create(), closes);
    assert_eq!(created.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(world.pool.usage().waiting, 0);
    holder.close().await.unwrap();
    world.until(|usage| usage.free == 1).await;
    world.close().await;
}

#[tokio::test]
async fn our_own_image_comes_from_here_whoever_is_first_and_is_one_for_all() {
    let place = Place::new();
    let open = || async { DockerPlaceholders::open(place.config()).await.unwrap() };
    let (one, other) = (open().await, open().await);
    let spec = |id: &str| PlaceholderSpec::new(id, NetworkMode::None);
    let made = one.make(&spec("a")).await.unwrap();
    let about = inspect(&made.namespaces().holder).await;
    let image = about["Config"]["Image"].as_str().unwrap().to_owned();
    // It goes if nobody else uses it just now; either way it is there afterwards, and once.
    made.stop().await.unwrap();
    call("DELETE", &format!("/images/{image}?noprune=1"), "").await;
    let (first, second) = (spec("a"), spec("b"));
    let (a, b) = tokio::join!(one.make(&first), other.make(&second));
    let (status, about) = call("GET", &format!("/images/{image}/json"), "").await;
    assert_eq!(status, 200, "{about}");
    for made in [a.unwrap(), b.unwrap()] {
        made.start().await.unwrap();
        let made_of = inspect(&made.namespaces().holder).await;
        assert_eq!(made_of["State"]["Running"], true);
        assert!(about["Id"].is_string() && made_of["Image"] == about["Id"], "{made_of}");
        made.stop().await.unwrap();
    }
    assert!(about["Size"].as_u64().unwrap() < 1 << 20, "{about}");
    one.close().await.unwrap();
    other.close().await.unwrap();
    assert_eq!(place.left().await, [""; 0]);
}

#[tokio::test]
async fn a_placeholder_that_is_asked_to_end_ends_at_once() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let holder = world.holders()[0].clone();
    until_it_waits(&inspect(&holder).await).await;
    let begun = std::time::Instant::now();
    let (status, said) = call("POST", &format!("/containers/{holder}/stop?t=30"), "").await;
    assert!(status == 204 || status == 304, "{said}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    world.until(|usage| usage.died == 1 && usage.free == 1).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_that_is_dropped_takes_its_pool_with_it() {
    let place = Place::new();
    let (pool, driver) = open(place.config(), PoolOptions::sized(2)).await.unwrap();
    until(&pool, "both are free", |usage| usage.free == 2).await;
    let spec = borrower(["sleep", "forever"]).build().unwrap();
    let container = driver.prepare(spec).await.unwrap();
    assert_eq!(place.left().await.len(), 3);
    drop((pool, driver, container));
    let begun = std::time::Instant::now();
    while !place.left().await.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", place.left().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
