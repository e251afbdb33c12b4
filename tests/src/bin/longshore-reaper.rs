//! A process that removes once what dead owners of an application left, and tells what that was.
//!
//! `longshore-reaper ADDRESS APPLICATION RUN_DIR` prints a line for each thing that it removed, or could
//! not remove, and `kept NUMBER` at the end.

use std::error::Error;
use std::path::Path;

use longshore_docker::{DockerDriver, KeeperUse, Timeouts};
use longshore_driver_api::{Driver, ReapOptions};
use longshore_tests::config;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, application, run_dir] = args.as_slice() else {
        return Err("usage: longshore-reaper ADDRESS APPLICATION RUN_DIR".into());
    };
    let mut config = config(address, application, Path::new(run_dir));
    // What it removes is what matters, and not how long a busy engine takes for an answer.
    config.timeouts = Timeouts::default();
    config.keeper = KeeperUse::Never;
    let driver = DockerDriver::open(config).await?;
    let report = driver.reap(ReapOptions::new()).await?;
    for reaped in report.removed.iter().chain(&report.failed) {
        println!("reaped {}", reaped.id);
    }
    println!("kept {}", report.kept);
    driver.close().await?;
    Ok(())
}
