//! The same short task by every rival, with the same hardening.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use longshore_docker::{DockerConfig, DockerDriver, DockerPlaceholders};
use longshore_driver_api::{
    Captured, Driver, DriverExt, Exit, NetworkMode, Task, TaskIo, TaskSpec, WhenEmpty,
};
use longshore_prefork::{Pool, PoolOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::api::{Api, Reply};

/// What every rival runs, and the output that shows that it ran.
const COMMAND: [&str; 2] = ["say", "hello"];
const OUTPUT: &[u8] = b"hello\n";

/// The crate as a program would use it, on one runtime.
pub(crate) struct Ours {
    runtime: Runtime,
    driver: Arc<DockerDriver>,
    image: String,
}

impl Ours {
    pub(crate) fn open(host: &str, image: &str) -> Result<Ours> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut config = DockerConfig::default();
        config.host = Some(host.to_owned());
        let driver = Arc::new(runtime.block_on(DockerDriver::open(config))?);
        Ok(Ours { runtime, driver, image: image.to_owned() })
    }

    /// The same with a pool of so many placeholders, all of which are ready.
    pub(crate) fn with_pool(host: &str, image: &str, size: usize) -> Result<Ours> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut config = DockerConfig::default();
        config.host = Some(host.to_owned());
        let driver = runtime.block_on(async {
            let placeholders = DockerPlaceholders::open(config.clone()).await?;
            let mut options = PoolOptions::sized(size);
            options.when_empty = WhenEmpty::Wait(Duration::from_secs(60));
            let pool = Arc::new(Pool::open(options, Arc::new(placeholders))?);
            while pool.usage().free < size {
                let usage = pool.usage();
                ensure!(usage.failed == 0, "a placeholder cannot be made: {:?}", usage.last_error);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            config.namespaces = Some(pool);
            Ok(Arc::new(DockerDriver::open(config).await?))
        })?;
        Ok(Ours { runtime, driver, image: image.to_owned() })
    }

    /// One task, from nothing to removed.
    pub(crate) fn run(&self, network: &str) -> Result<()> {
        self.runtime.block_on(one(&self.driver, &self.image, network))
    }

    /// One task, and the time until its output and its exit are known; it is removed after that.
    pub(crate) fn result(&self, network: &str) -> Result<Duration> {
        self.runtime.block_on(async {
            let start = Instant::now();
            let (task, output) = task(&self.image, network)?;
            let container = self.driver.prepare(task).await?;
            let exit = container.start().await?.wait().await;
            let time = start.elapsed();
            container.close().await?;
            check(&exit, &output.stdout())?;
            Ok(time)
        })
    }

    /// As many tasks, so many at a time.
    pub(crate) fn run_many(
        &self,
        network: &'static str,
        tasks: usize,
        at_once: usize,
    ) -> Result<()> {
        self.runtime.block_on(async {
            let mut workers = JoinSet::new();
            for _ in 0..at_once {
                let (driver, image) = (Arc::clone(&self.driver), self.image.clone());
                workers.spawn(async move {
                    for _ in 0..tasks / at_once {
                        one(&driver, &image, network).await?;
                    }
                    anyhow::Ok(())
                });
            }
            while let Some(done) = workers.join_next().await {
                done??;
            }
            Ok(())
        })
    }

    /// A task that writes so many bytes, which are counted and dropped: the time from its start
    /// until its output and its exit are known.
    pub(crate) fn write(&self, bytes: u64) -> Result<Duration> {
        self.runtime.block_on(async {
            let command = write_command(bytes);
            let spec = TaskSpec::builder(&self.image).args(command).network("none".into());
            let io = TaskIo::none().stdout(tokio::io::sink()).stderr(tokio::io::sink());
            let container = self.driver.prepare(Task::new(spec.build()?).io(io)).await?;
            let start = Instant::now();
            let exit = container.start().await?.wait().await;
            let time = start.elapsed();
            container.close().await?;
            ensure!(exit.is_success() && exit.output.stdout.delivered == bytes, "it gave {exit:?}");
            Ok(time)
        })
    }
}

fn task(image: &str, network: &str) -> Result<(Task, Captured)> {
    let spec =
        TaskSpec::builder(image).args(COMMAND).network(NetworkMode::from(network)).build()?;
    let (io, output) = TaskIo::captured();
    Ok((Task::new(spec).io(io), output))
}

async fn one(driver: &DockerDriver, image: &str, network: &str) -> Result<()> {
    let (task, output) = task(image, network)?;
    let exit = driver.run_task(task).await?;
    check(&exit, &output.stdout())
}

fn check(exit: &Exit, output: &[u8]) -> Result<()> {
    ensure!(exit.is_success() && output == OUTPUT, "the task gave {exit:?}");
    Ok(())
}

/// The command that writes so many bytes.
fn write_command(bytes: u64) -> [String; 5] {
    ["write", "--stdout", &bytes.to_string(), "--chunk", "65536"].map(str::to_owned)
}

/// What the driver holds goes in good order, and a failure to remove anything is told.
impl Drop for Ours {
    fn drop(&mut self) {
        if let Err(error) = self.runtime.block_on(self.driver.close()) {
            eprintln!("close the driver: {error}");
        }
    }
}

/// The fewest calls that lose no output and no exit code.
pub(crate) fn cycle(api: &Api, image: &str, network: &str) -> Result<()> {
    let (output, _) = bare(api, image, network, &COMMAND.map(str::to_owned), |output| {
        // A frame has a head of eight bytes; a short line is one frame.
        Ok(output.rest()?.split_off(8))
    })?;
    ensure!(output == OUTPUT, "the output is {output:?}");
    Ok(())
}

/// The same calls for a task that writes so many bytes, which are counted, heads of frames and
/// all, and dropped.
pub(crate) fn bare_write(api: &Api, image: &str, bytes: u64) -> Result<Duration> {
    let (count, time) = bare(api, image, "none", &write_command(bytes), Reply::count)?;
    ensure!(count > bytes, "only {count} bytes came");
    Ok(time)
}

/// What `read` makes of the output, and the time from the start until that and the exit are known.
fn bare<T>(
    api: &Api,
    image: &str,
    network: &str,
    command: &[String],
    read: impl FnOnce(Reply) -> Result<T>,
) -> Result<(T, Duration)> {
    let config = serde_json::json!({
        "Image": image,
        "Cmd": command,
        "User": "1000:1000",
        "AttachStdout": true,
        "AttachStderr": true,
        "HostConfig": {
            "NetworkMode": network,
            "Init": true,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": {"Type": "none"},
        },
    });
    let created = api.call("POST", "/containers/create", &config.to_string())?;
    let id = created["Id"].as_str().context("the engine names no container")?;
    let output =
        api.open("POST", &format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1"), "")?;
    let exit = api.open("POST", &format!("/containers/{id}/wait?condition=next-exit"), "")?;
    let start = Instant::now();
    api.call("POST", &format!("/containers/{id}/start"), "")?;
    let output = read(output)?;
    let exit: serde_json::Value = serde_json::from_slice(&exit.rest()?)?;
    let time = start.elapsed();
    ensure!(exit["StatusCode"] == 0, "the exit is {exit}");
    api.call("DELETE", &format!("/containers/{id}?v=1"), "")?;
    Ok((output, time))
}

/// So many tasks, so many at a time, each worker on a thread of its own.
pub(crate) fn on_threads(
    tasks: usize,
    at_once: usize,
    one: impl Fn() -> Result<()> + Send + Sync,
) -> Result<()> {
    std::thread::scope(|scope| {
        let worker = || (0..tasks / at_once).try_for_each(|_| one());
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker panicked"))
    })
}

pub(crate) fn docker_run(host: &str, image: &str, network: &str) -> Result<()> {
    let output = Command::new("docker")
        .args(["--host", host, "run", "--rm", "--init", "--user", "1000:1000", "--cap-drop", "ALL"])
        .args([
            "--security-opt",
            "no-new-privileges",
            "--log-driver",
            "none",
            "--network",
            network,
            image,
        ])
        .args(COMMAND)
        .output()
        .context("start docker")?;
    ensure!(output.status.success() && output.stdout == OUTPUT, "docker run gave {output:?}");
    Ok(())
}
