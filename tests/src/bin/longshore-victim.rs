//! A process that owns containers and is there to be killed.
//!
//! `longshore-victim ADDRESS APPLICATION RUN_DIR STAGE` goes through the life of a task, prints a
//! line at each stage, and stays for ever at the one that it was told. On the way to `exited` the task
//! ends by itself; on the way to `ended` and `closed` it is frozen, let go on and killed. At `reaped` the
//! victim removes what others left, and at `busy` it runs one task after the other, four at a time. At
//! `furnished` it has a network and a volume of its own, and a task on both.

use std::error::Error;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use longshore_docker::{DockerDriver, StatsSource};
use longshore_driver_api::{
    ByteSize, ContainerExt, Driver, DriverExt, Mount, ReapOptions, Task, TaskIo,
};
use longshore_tests::{Setup, config};

const STAGES: &str = "opened, reaped, reserved, found, created, started, frozen, unfrozen, ended, \
    exited, closed, busy, furnished";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, application, run_dir, stage] = args.as_slice() else {
        return Err("usage: longshore-victim ADDRESS APPLICATION RUN_DIR STAGE".into());
    };
    if !STAGES.split(", ").any(|known| known == stage) {
        return Err(format!("unknown stage {stage:?}: one of {STAGES}").into());
    }
    let setup = Setup::from_env();
    let mut config = config(address, application, Path::new(run_dir));
    // Its death is what matters, and not how long a busy engine takes for an answer.
    config.timeouts.call = Duration::from_secs(20);
    // So that the engine is asked for statistics.
    config.stats_source = StatsSource::Engine;
    let driver = DockerDriver::open(config).await?;
    reached("opened", stage).await;
    if stage == "busy" {
        be_busy(&setup, Arc::new(driver)).await;
    }
    if stage == "furnished" {
        return be_furnished(&setup, &driver, &format!("{application}-victim")).await;
    }
    if stage == "reaped" {
        driver.reap(ReapOptions::new()).await?;
        reached("reaped", stage).await;
    }
    let program = if stage == "exited" { ["exit", "0"] } else { ["sleep", "forever"] };
    let (io, _output) = TaskIo::captured();
    let io = io.stats(|_| {});
    // With a limit of memory the engine is asked about the end.
    let spec = setup.task(program).memory(ByteSize::mib(64)).build()?;
    let container = driver.container(Task::new(spec).io(io))?;
    reached("reserved", stage).await;
    container.ensure_image().await?;
    reached("found", stage).await;
    container.create().await?;
    reached("created", stage).await;
    let running = container.start().await?;
    reached("started", stage).await;
    if stage == "exited" {
        running.wait().await;
        reached("exited", stage).await;
    }
    if driver.capabilities().freeze {
        container.freeze().await?;
        reached("frozen", stage).await;
        container.unfreeze().await?;
        reached("unfrozen", stage).await;
    }
    running.cancel();
    running.wait().await;
    reached("ended", stage).await;
    container.close().await?;
    reached("closed", stage).await;
    Ok(())
}

/// Tells that a stage is reached, and stays there if it is the last.
async fn reached(stage: &str, last: &str) {
    println!("{stage}");
    if stage == last {
        pending::<()>().await;
    }
}

async fn be_busy(setup: &Setup, driver: Arc<DockerDriver>) -> ! {
    for worker in 0..4 {
        let (setup, driver) = (setup.clone(), Arc::clone(&driver));
        tokio::spawn(async move {
            loop {
                let millis = (worker * 20).to_string();
                let Ok(spec) = setup.task(["sleep", &millis]).build() else { return };
                if driver.run_task(spec).await.is_ok() {
                    println!("ran");
                }
            }
        });
    }
    pending().await
}

async fn be_furnished(
    setup: &Setup,
    driver: &DockerDriver,
    name: &str,
) -> Result<(), Box<dyn Error>> {
    setup.engine.make_network(name, driver.owner_labels()).await?;
    setup.engine.make_volume(name, driver.owner_labels()).await?;
    let spec = setup.task(["sleep", "forever"]).network(name.into());
    let spec = spec.mount(Mount::volume(name, "/data")).build()?;
    let container = driver.prepare(Task::new(spec)).await?;
    let _running = container.start().await?;
    reached("furnished", "furnished").await;
    Ok(())
}
