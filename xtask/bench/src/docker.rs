//! `docker`: one short task from nothing to removed, on a real engine.

use std::process::Command;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{Driver, DriverExt, NetworkMode, Task, TaskIo, TaskSpec};
use tokio::runtime::{Builder, Runtime};

use crate::api::Api;
use crate::frame::{Case, Plan};

/// What every rival runs, and the output that shows that it ran.
const COMMAND: [&str; 2] = ["say", "hello"];
const OUTPUT: &[u8] = b"hello\n";

pub(crate) fn plan() -> Result<Plan> {
    let variable = |name| {
        std::env::var(name).with_context(|| format!("{name} is not set; cargo xtask bench sets it"))
    };
    let host = variable("LONGSHORE_TEST_DOCKER_HOST")?;
    let image = variable("LONGSHORE_TEST_IMAGE")?;
    let api = Rc::new(Api::new(&host)?);
    let runtime = Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    let mut config = DockerConfig::default();
    config.host = Some(host.clone());
    let driver = runtime.block_on(DockerDriver::open(config))?;
    let ours = Rc::new(Ours { runtime, driver });
    let has_cli = Command::new("docker").arg("--version").output().is_ok();
    let mut cases = Vec::new();
    for network in ["bridge", "none", "host"] {
        let mut case = |who, run: Box<dyn FnMut() -> Result<()>>| {
            let what = network.to_owned();
            cases.push(Case { who, what, run: milliseconds(run) });
        };
        let (our, own) = (Rc::clone(&ours), image.clone());
        case("longshore", Box::new(move || our.run(&own, network)));
        let (theirs, own) = (Rc::clone(&api), image.clone());
        case("api", Box::new(move || cycle(&theirs, &own, network)));
        if has_cli {
            let (host, image) = (host.clone(), image.clone());
            case("cli", Box::new(move || docker_run(&host, &image, network)));
        }
    }
    Ok(Plan {
        name: "docker",
        about: "One short task from nothing to removed, its output read, by network, one at a time, all with \
                the same hardening: `longshore` through the crate, `api` the bare calls of the engine's API, \
                `cli` `docker run --rm`."
            .to_owned(),
        unit: "ms",
        baseline: "api",
        cases,
    })
}

fn milliseconds(mut run: Box<dyn FnMut() -> Result<()>>) -> Box<dyn FnMut() -> Result<f64>> {
    Box::new(move || {
        let start = Instant::now();
        run()?;
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    })
}

/// The crate as a program would use it, on one runtime.
struct Ours {
    runtime: Runtime,
    driver: DockerDriver,
}

impl Ours {
    fn run(&self, image: &str, network: &str) -> Result<()> {
        let spec =
            TaskSpec::builder(image).args(COMMAND).network(NetworkMode::from(network)).build()?;
        let (io, output) = TaskIo::captured();
        let exit = self.runtime.block_on(self.driver.run_task(Task::new(spec).io(io)))?;
        ensure!(exit.is_success() && output.stdout() == OUTPUT, "the task gave {exit:?}");
        Ok(())
    }
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
fn cycle(api: &Api, image: &str, network: &str) -> Result<()> {
    let config = serde_json::json!({
        "Image": image,
        "Cmd": COMMAND,
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
    api.call("POST", &format!("/containers/{id}/start"), "")?;
    // A frame has a head of eight bytes; a short line is one frame.
    let output = output.rest()?;
    ensure!(output.get(8..) == Some(OUTPUT), "the output is {output:?}");
    let exit: serde_json::Value = serde_json::from_slice(&exit.rest()?)?;
    ensure!(exit["StatusCode"] == 0, "the exit is {exit}");
    api.call("DELETE", &format!("/containers/{id}?v=1"), "")?;
    Ok(())
}

fn docker_run(host: &str, image: &str, network: &str) -> Result<()> {
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
