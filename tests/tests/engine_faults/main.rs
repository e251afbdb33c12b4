//! Each step of a task's life × each fault of the connection × what the caller does meanwhile: the
//! outcome is right, nothing hangs, and nothing is left on the engine.

mod act;
mod away;
mod case;
mod deeds;
mod expect;
mod judge;
mod report;
mod run;
mod world;

use futures_util::StreamExt;
use longshore_tests::Setup;

use case::Case;
use report::Report;
use world::World;

/// Runs at the same time: as many as two processors bear without a healthy call coming near the
/// driver's bounds.
const AT_ONCE: usize = 4;
/// What a run that is not a soak takes of the whole matrix, if `LONGSHORE_FAULTS` says no other number.
const SAMPLE: usize = 220;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_survives_every_fault_whatever_the_caller_does() {
    let setup = Setup::from_env();
    let world = World::new(setup.clone()).await.expect("the engine and the registry answer");
    let mut cases = chosen(&setup);
    if world.image.is_none() {
        eprintln!("SKIPPED pulls under faults: LONGSHORE_TEST_REGISTRY is not set");
    }
    cases.retain(|case| world.has(case));
    println!("{} of {} cases, seed {}", cases.len(), Case::all().len(), setup.seed);
    let runs = futures_util::stream::iter(cases)
        .map(|case| run::run(&world, case))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let report = Report::new(runs);
    println!("{}", report.table().markdown());
    println!("slowest: {}", report.slowest().join(", "));
    if setup.soak {
        let how = setup.circumstances().await.expect("the engine answers");
        report.table().publish(&how).expect("docs/reliability.md can be written");
    }
    println!("idle: {}", report.idle().join(", "));
    world.end().await.expect("the engine answers");
    let failures = report.failures();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(!report.is_idle(), "too many faults had nothing to do: {:?}", report.idle());
}

/// All cases in a soak, those that `LONGSHORE_FAULT` names (part of a case's text), or a sample.
fn chosen(setup: &Setup) -> Vec<Case> {
    let mut cases = Case::all();
    if let Ok(wanted) = std::env::var("LONGSHORE_FAULT") {
        cases.retain(|case| case.to_string().contains(&wanted));
    } else if !setup.soak {
        let count = std::env::var("LONGSHORE_FAULTS").ok();
        let count = count.map_or(SAMPLE, |count| count.parse().expect("a number of cases"));
        cases = case::sample(cases, count, setup.seed);
    }
    cases
}
