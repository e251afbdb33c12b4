//! Reaping beside owners that are busy.

use std::time::Duration;

use futures_util::StreamExt;
use longshore_driver_api::{Driver, DriverExt, ReapOptions, Task, TaskIo};
use longshore_testee::{STDOUT, pattern};
use longshore_tests::Setup;

use crate::scene;

const AT_ONCE: usize = 8;
const BYTES: usize = 2000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reaping_beside_many_tasks_takes_none_of_them() {
    let scene = scene(&Setup::from_env());
    let count: u64 = if scene.setup.soak { 200 } else { 24 };
    let (driver, reaper) = (scene.driver(false).await, scene.driver(false).await);
    let run = |seed: u64| {
        let (driver, scene) = (&driver, &scene);
        async move {
            let (io, captured) = TaskIo::captured();
            let (length, seed_text) = (BYTES.to_string(), seed.to_string());
            let args = ["write", "--stdout", &length, "--seed", &seed_text];
            let spec = scene.setup.task(args).build().expect("a valid task");
            let exit = driver.run_task(Task::new(spec).io(io)).await.expect("nothing is broken");
            assert!(exit.is_success() && !exit.output.is_incomplete(), "{exit:?}");
            assert_eq!(captured.stdout(), pattern(seed, STDOUT).bytes_of(BYTES));
        }
    };
    let all = futures_util::stream::iter((0..count).map(run)).buffer_unordered(AT_ONCE);
    let reap_on = async {
        loop {
            let report = reaper.reap(ReapOptions::new()).await.expect("the engine answers");
            assert!(report.removed.is_empty() && report.failed.is_empty(), "{report:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = all.collect::<Vec<()>>() => assert_eq!(done.len() as u64, count),
        () = reap_on => unreachable!("it goes on for ever"),
    }
    driver.close().await.expect("nothing is left");
    reaper.close().await.expect("it has nothing");
    assert_eq!(scene.clean().await, Vec::<String>::new());
    assert!(scene.leases().is_empty());
}
