//! A process that leaves a task to be recovered, or recovers one, and is there to be killed.
//!
//! `longshore-heir ADDRESS APPLICATION RUN_DIR BYTES` starts a task that writes so many bytes in
//! some seconds, prints its handle once it has some of them, and stays for ever. With a handle in
//! place of the number it recovers that task and prints `won` or `lost` and why.

use std::error::Error;
use std::future::pending;
use std::path::Path;
use std::time::Duration;

use longshore_docker::DockerDriver;
use longshore_driver_api::{Driver, DriverExt, Handle, Task, TaskIo};
use longshore_tests::{Setup, config, keeping_log};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, application, run_dir, what] = args.as_slice() else {
        return Err("usage: longshore-heir ADDRESS APPLICATION RUN_DIR BYTES|HANDLE".into());
    };
    let driver = DockerDriver::open(config(address, application, Path::new(run_dir))).await?;
    println!("opened");
    if what.parse::<u64>().is_ok() {
        return leave(&driver, what).await;
    }
    let handle: Handle = what.parse()?;
    let (io, _output) = TaskIo::captured();
    match driver.recover(&handle, io).await {
        Ok(_recovered) => {
            println!("won");
            pending().await
        }
        Err(error) => {
            println!("lost {:?}", error.kind());
            driver.close().await?;
            Ok(())
        }
    }
}

async fn leave(driver: &DockerDriver, bytes: &str) -> Result<(), Box<dyn Error>> {
    let args = ["write", "--stdout", bytes, "--rate", "20000", "--chunk", "100", "--seed", "7"];
    let spec = Setup::from_env()
        .task(args)
        .log(keeping_log(driver.capabilities()))
        .recoverable_for(Duration::from_secs(600))
        .build()?;
    let (io, output) = TaskIo::captured();
    let container = driver.prepare(Task::new(spec).io(io)).await?;
    let running = container.start().await?;
    // An engine that is killed right after it has started a task may forget it.
    while output.stdout().len() < 8000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("handle {}", running.handle()?);
    pending().await
}
