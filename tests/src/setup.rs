//! What every test that needs an engine begins with.

use std::io;
use std::path::Path;
use std::time::Duration;

use longshore_docker::{DockerConfig, Timeouts};
use longshore_driver_api::{
    ByteSize, Capabilities, LogDriver, NetworkMode, PullPolicy, TaskSpec, TaskSpecBuilder,
};

use crate::engine::Engine;

/// The engine, the image and the seed that a run of the tests was given.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The engine itself.
    pub engine: Engine,
    /// The image of the testee.
    pub image: String,
    /// What samples are drawn with.
    pub seed: u64,
    /// Everything at full size, and the figures into the documents.
    pub soak: bool,
}

impl Setup {
    /// Reads what `cargo xtask test` has set.
    ///
    /// # Panics
    ///
    /// Where it is not set: these tests prove nothing without an engine.
    #[must_use]
    pub fn from_env() -> Self {
        let read = |name: &str| {
            std::env::var(name)
                .unwrap_or_else(|_| panic!("{name} is not set: run this by `cargo xtask test`"))
        };
        let host = read("LONGSHORE_TEST_DOCKER_HOST");
        let Some(socket) = host.strip_prefix("unix://") else {
            panic!("the faults are made on a unix socket, and the engine is at {host}");
        };
        let seed = std::env::var("LONGSHORE_SEED").ok().and_then(|seed| seed.parse().ok());
        Self {
            engine: Engine::new(socket),
            image: read("LONGSHORE_TEST_IMAGE"),
            seed: seed.unwrap_or(1),
            soak: std::env::var("LONGSHORE_SOAK").is_ok_and(|soak| soak == "1"),
        }
    }

    /// How figures of this run were measured, for those who read them.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn circumstances(&self) -> io::Result<String> {
        let processors = std::thread::available_parallelism()?;
        let version = self.engine.version().await?;
        Ok(format!("{version}, {processors} processors, seed {}.", self.seed))
    }

    /// A task of the testee that is never pulled and has no network.
    #[must_use]
    pub fn task<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> TaskSpecBuilder {
        TaskSpec::builder(&self.image)
            .pull(PullPolicy::Never)
            .network(NetworkMode::None)
            .stop_grace(Duration::from_millis(300))
            .args(args)
    }
}

/// A driver's configuration with short bounds, and no reaping of its own accord.
#[must_use]
pub fn config(address: &str, application: &str, run_dir: &Path) -> DockerConfig {
    let mut timeouts = Timeouts::default();
    timeouts.connect = Duration::from_secs(1);
    timeouts.call = Duration::from_secs(2);
    timeouts.work = Duration::from_secs(4);
    timeouts.stream_idle = Duration::from_secs(3);
    timeouts.engine_gone = Duration::from_secs(3);
    timeouts.close = Duration::from_secs(30);
    let mut config = DockerConfig::default();
    config.host = Some(address.to_owned());
    config.application = application.to_owned();
    config.run_dir = Some(run_dir.to_owned());
    config.reap_on_open = false;
    config.timeouts = timeouts;
    config
}

/// The log driver by which an engine keeps every byte of some hundred thousand.
#[must_use]
pub fn keeping_log(can: &Capabilities) -> LogDriver {
    match can.engine.as_str() {
        "podman" => LogDriver::named("k8s-file").option("max-size", "1p"),
        _ => LogDriver::local(ByteSize::mib(1), 2),
    }
}

/// An application that no other run has: what one leaves is not taken for another's.
#[must_use]
pub fn application(test: &str) -> String {
    format!("{test}-{:016x}", rand::random::<u64>())
}
