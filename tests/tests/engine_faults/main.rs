//! Each step of a task's life × each fault of the connection × what the caller does meanwhile: the
//! outcome is right, nothing hangs, and nothing is left on the engine.

mod act;
mod away;
mod case;
mod deeds;
mod expect;
mod judge;
mod recovery;
mod report;
mod run;
mod world;

use futures_util::StreamExt;
use longshore_tests::Setup;
use tokio::sync::Mutex;

use case::Case;
use report::Report;
use world::World;

/// Runs at the same time: as many as two processors bear without a healthy call coming near the
/// driver's bounds.
const AT_ONCE: usize = 4;
/// What a run that is not a soak takes of the whole matrix, if `LONGSHORE_FAULTS` says no other number.
const SAMPLE: usize = 220;
/// The same of the recoveries.
const RECOVERIES: usize = 32;

/// Two matrices at once would be more than `AT_ONCE`.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_survives_every_fault_whatever_the_caller_does() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let setup = Setup::from_env();
    let world = World::new(setup.clone()).await.expect("the engine and the registry answer");
    let cases = chosen(&setup, &world, Case::all(), SAMPLE);
    if world.image.is_none() {
        eprintln!("SKIPPED pulls under faults: LONGSHORE_TEST_REGISTRY is not set");
    }
    let runs = futures_util::stream::iter(cases)
        .map(|case| run::run(&world, case))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    world.end().await.expect("the engine answers");
    told(&setup, &Report::new("Faults of the connection", runs)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_taken_up_whatever_breaks_or_left_as_it_was() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let setup = Setup::from_env();
    let world = World::new(setup.clone()).await.expect("the engine and the registry answer");
    let cases = chosen(&setup, &world, Case::of_recoveries(), RECOVERIES);
    let runs = futures_util::stream::iter(cases)
        .map(|case| recovery::run(&world, case))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    world.end().await.expect("the engine answers");
    told(&setup, &Report::new("Faults while a task is taken up", runs)).await;
}

/// Shows the report, publishes it in a soak, and fails if it is not clean.
async fn told(setup: &Setup, report: &Report) {
    println!("{}", report.table().markdown());
    println!("slowest: {}", report.slowest().join(", "));
    if setup.soak {
        let how = setup.circumstances().await.expect("the engine answers");
        report.table().publish(&how).expect("docs/reliability.md can be written");
    }
    println!("idle: {}", report.idle().join(", "));
    let failures = report.failures();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(!report.is_idle(), "too many faults had nothing to do: {:?}", report.idle());
}

/// All cases in a soak, those that `LONGSHORE_FAULT` names (part of a case's text), or a sample; of
/// these, what the engine has.
fn chosen(setup: &Setup, world: &World, all: Vec<Case>, sample: usize) -> Vec<Case> {
    let count = all.len();
    let mut cases = all;
    if let Ok(wanted) = std::env::var("LONGSHORE_FAULT") {
        cases.retain(|case| case.to_string().contains(&wanted));
    } else if !setup.soak {
        let given = std::env::var("LONGSHORE_FAULTS").ok();
        let sample = given.map_or(sample, |given| given.parse().expect("a number of cases"));
        cases = case::sample(cases, sample, setup.seed);
    }
    cases.retain(|case| world.has(case));
    println!("{} of {count} cases, seed {}", cases.len(), setup.seed);
    cases
}
