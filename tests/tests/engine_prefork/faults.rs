//! What happens to placeholders, and what tasks learn of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_docker::DockerPlaceholders;
use longshore_driver_api::{
    ContainerExt as _, DriverExt as _, ErrorKind, NetworkMode, NetworkReport, Outcome,
    PlaceholderSpec, Placeholders as _, Task, TaskHooks, TaskIo, WhenEmpty,
};
use longshore_prefork::{PoolOptions, SlotPhase};
use longshore_tests::Setup;

use crate::world::{Place, World, borrower, call, inspect, kill, tells_its_address};

#[tokio::test]
async fn a_placeholder_killed_while_free_is_replaced_and_never_lent() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let before = world.holders();
    kill(&before[0]).await;
    world.until(|usage| usage.died == 1 && usage.free == 1).await;
    assert_ne!(world.holders(), before);
    let (exit, _) = world.run(borrower(["exit", "0"])).await;
    assert_eq!((exit.outcome, exit.network), (Outcome::Code(0), NetworkReport::Lent));
    world.close().await;
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl TaskHooks for Told {
    fn network_lost(&self, why: &str) {
        self.0.lock().unwrap().push(why.to_owned());
        panic!("the caller's code is not to be trusted");
    }
}

#[tokio::test]
async fn a_placeholder_killed_while_leased_is_told_to_the_task_and_in_its_exit() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let told = Arc::new(Told::default());
    let spec = borrower(["trap-term", "--exit", "7", "--delay", "0"]).build().unwrap();
    let container = world.driver.prepare(Task::new(spec).hooks(told.clone())).await.unwrap();
    let running = container.start().await.unwrap();
    kill(&world.holders()[0]).await;
    // The slot has another placeholder, which is nobody's.
    world.until(|usage| usage.died == 1 && usage.free == 1).await;
    let error = running.network().await.unwrap_err();
    assert!(error.to_string().contains("borrowed"), "{error}");
    running.stop(None).await.unwrap();
    let exit = running.wait().await;
    let NetworkReport::Lost(why) = &exit.network else { panic!("{exit:?}") };
    assert!(why.contains("the placeholder ended"), "{why}");
    assert_eq!((exit.outcome, exit.code), (Outcome::Stopped, Some(7)));
    assert_eq!(told.0.lock().unwrap().as_slice(), std::slice::from_ref(why));
    container.close().await.unwrap();
    assert_eq!(world.pool.usage().free, 1);
    world.close().await;
}

#[tokio::test]
async fn a_task_whose_placeholder_died_before_its_start_borrows_another() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let (io, output) = TaskIo::captured();
    let task = Task::new(tells_its_address().build().unwrap()).io(io);
    let container = world.driver.prepare(task).await.unwrap();
    let before = (container.engine_id(), world.holders());
    kill(&before.1[0]).await;
    let running = container.start().await.unwrap();
    let exit = running.wait().await;
    assert_eq!((exit.outcome, &exit.network), (Outcome::Code(0), &NetworkReport::Lent));
    assert_ne!((container.engine_id(), world.holders()), before);
    let about = inspect(&world.holders()[0]).await;
    let address = about["NetworkSettings"]["MacAddress"].as_str().unwrap();
    assert_eq!(String::from_utf8(output.stdout()).unwrap().trim(), address);
    container.close().await.unwrap();
    assert_eq!((world.pool.usage().died, world.pool.usage().misses), (1, 1));
    world.close().await;
}

#[tokio::test]
async fn what_was_copied_in_before_a_placeholder_died_is_not_lost_in_silence() {
    let world = World::filled(PoolOptions::sized(1)).await;
    let container = world.driver.prepare(borrower(["exit", "0"]).build().unwrap()).await.unwrap();
    container.write_file("/given", b"it", 0o644).await.unwrap();
    kill(&world.holders()[0]).await;
    let error = container.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.is_retryable() && error.to_string().contains("run the task again"), "{error}");
    container.close().await.unwrap();
    world.until(|usage| usage.died == 1 && usage.free == 1).await;
    world.run(borrower(["exit", "0"])).await;
    world.close().await;
}

#[tokio::test]
async fn a_placeholder_that_is_removed_before_its_start_is_an_error_and_leaves_nothing() {
    let place = Place::new();
    let placeholders = DockerPlaceholders::open(place.config()).await.unwrap();
    let spec = PlaceholderSpec::new("one", NetworkMode::Bridge);
    let made = placeholders.make(&spec).await.unwrap();
    let (status, _) =
        call("DELETE", &format!("/containers/{}?force=1", made.namespaces().holder), "").await;
    assert_eq!(status, 204);
    made.start().await.unwrap_err();
    made.stop().await.unwrap();
    placeholders.close().await.unwrap();
    assert_eq!(place.left().await, [""; 0]);
}

#[tokio::test]
async fn a_missing_image_is_seen_and_tasks_fail_or_fall_back_as_they_chose() {
    let mut options = PoolOptions::sized(2);
    options.image = Some("127.0.0.1:9/longshore/nonesuch:1".to_owned());
    let world = World::new(options).await;
    world.until(|usage| usage.failed == 2).await;
    let usage = world.pool.usage();
    assert!(usage.last_error.as_ref().unwrap().contains("nonesuch"), "{usage:?}");
    let with =
        |policy| borrower(["exit", "0"]).edit(move |spec| spec.network.when_empty = Some(policy));
    let error = world.driver.run_task(with(WhenEmpty::Error).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolEmpty);
    assert!(error.to_string().contains("nonesuch"), "{error}");
    let (exit, _) = world.run(with(WhenEmpty::FallBack)).await;
    assert_eq!((exit.outcome, exit.network), (Outcome::Code(0), NetworkReport::FellBack));
    world.close().await;
}

#[tokio::test]
async fn a_program_that_ends_at_once_fails_the_slot_with_its_reason() {
    let mut options = PoolOptions::sized(1);
    options.image = Some(Setup::from_env().image);
    options.command = vec!["exit".to_owned(), "5".to_owned()];
    let world = World::new(options).await;
    world.until(|usage| usage.died > 0 && usage.failed == 1).await;
    let usage = world.pool.usage();
    assert!(usage.last_error.as_ref().unwrap().contains("Code(5)"), "{usage:?}");
    world.close().await;
}

const NETWORK: &str = "longshore-test-prefork";

#[tokio::test]
async fn a_network_that_is_removed_is_seen_and_comes_right_when_it_is_back() {
    // Left by a run that was killed.
    call("DELETE", &format!("/networks/{NETWORK}"), "").await;
    let make = r#"{"Name":"longshore-test-prefork","CheckDuplicate":true}"#;
    assert_eq!(call("POST", "/networks/create", make).await.0, 201);
    let mut options = PoolOptions::sized(2);
    options.networks = vec!["bridge".to_owned(), NETWORK.to_owned()];
    let world = World::filled(options).await;
    let slot = |phase: SlotPhase| {
        world.pool.slots().into_iter().any(|slot| slot.network == NETWORK && slot.phase == phase)
    };
    let holder = world.pool.slots().into_iter().find(|slot| slot.network == NETWORK);
    let holder = holder.unwrap().holder.unwrap();
    let away = format!("/networks/{NETWORK}/disconnect");
    let who = format!(r#"{{"Container":"{holder}","Force":true}}"#);
    assert_eq!(call("POST", &away, &who).await.0, 200);
    assert_eq!(call("DELETE", &format!("/networks/{NETWORK}"), "").await.0, 204);
    kill(&holder).await;
    world.until(|usage| usage.failures > 0 && usage.failed == 1 && usage.free == 1).await;
    assert!(slot(SlotPhase::Failed));
    let usage = world.pool.usage();
    assert!(usage.last_error.as_ref().unwrap().contains(NETWORK), "{usage:?}");

    assert_eq!(call("POST", "/networks/create", make).await.0, 201);
    world.until(|usage| usage.free == 2).await;
    assert_eq!(world.pool.usage().last_error, None);
    world.close().await;
    assert_eq!(call("DELETE", &format!("/networks/{NETWORK}"), "").await.0, 204);
}

#[tokio::test]
async fn churn_with_kills_leaves_nothing_and_strands_nobody() {
    let mut options = PoolOptions::sized(3);
    options.when_empty = WhenEmpty::Wait(Duration::from_secs(60));
    (options.rate, options.burst) = (0, 1);
    let world = World::filled(options).await;
    let run = async |worker: usize| {
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            let spec = borrower(["exit", "0"]).build().unwrap();
            match world.driver.run_task(spec).await {
                Ok(exit) => outcomes.push(exit.is_success()),
                // Its placeholder was killed under it.
                Err(error) => assert!(error.is_retryable(), "worker {worker}: {error}"),
            }
        }
        outcomes
    };
    let kills = async {
        for nth in 0..4 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            if let Some(holder) = world.holders().get(nth % 3) {
                // It may be gone already.
                call("POST", &format!("/containers/{holder}/kill"), "").await;
            }
        }
    };
    let (a, b, c, d, ()) = tokio::join!(run(0), run(1), run(2), run(3), kills);
    let all: Vec<bool> = [a, b, c, d].concat();
    assert!(all.len() >= 8 && all.iter().all(|well| *well), "{all:?}");
    world.until(|usage| usage.free == 3 && usage.waiting == 0).await;
    world.close().await;
}
