//! The driver: opened on one engine, makes containers there.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Capabilities, Container, Driver, Error, ErrorKind, ImageRef, LABEL_APPLICATION, LABEL_LEASE,
    LABEL_OWNER, ReapOptions, ReapReport, Result, Task,
};
use longshore_host::RunDir;
use longshore_images::ConfigFile;
use tokio_util::task::TaskTracker;

use crate::blocking::off_the_runtime;
use crate::capabilities;
use crate::client::api::DockerApi;
use crate::client::connect::Connector;
use crate::client::discover::discover;
use crate::client::engine::{Bounds, Engine};
use crate::client::reply::Version;
use crate::client::transport::Transport;
use crate::client::version::{ApiVersion, MIN_API_VERSION, NoCommonVersion, negotiate};
use crate::config::{DockerConfig, Timeouts};
use crate::container::DockerContainer;
use crate::container::core::Core;
use crate::error::engine_error;
use crate::reap;
use crate::reaper;
use crate::retry::again;
use crate::shared::{Parts, Shared};

/// Runs tasks in containers on a Docker engine.
///
/// One driver is one owner: all that it makes carries its labels, and a lease proves that it lives.
/// Dropping it does what [`close`](Driver::close) does, in the background.
#[derive(Debug)]
pub struct DockerDriver {
    shared: Arc<Shared>,
}

impl DockerDriver {
    /// Finds the engine, agrees on a version of its API, takes a lease, and begins in the
    /// background to remove what dead owners of the same application left.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `EngineUnavailable` and `PermissionDenied` with the address and what to do; `EngineTooOld`;
    /// `InvalidInput` for an address, a Docker context or certificates that cannot be used.
    pub async fn open(config: DockerConfig) -> Result<Self> {
        let timeouts = config.timeouts;
        let tasks = TaskTracker::new();
        let opened = |error| engine_error("open", "engine", error);
        let host = config.host.clone();
        let connector = off_the_runtime(move || {
            discover(host.as_deref()).and_then(|it| Connector::new(it, timeouts.connect))
        });
        let connector = connector.await?.map_err(opened)?;
        let transport = Transport::new(connector, tasks.clone());
        let api: Arc<dyn DockerApi> = Arc::new(Engine::new(transport, bounds(&timeouts)));

        let version = again(|| api.version()).await.map_err(opened)?;
        let spoken = agree(&version)?;
        api.speak(spoken);
        let info = again(|| api.info()).await.map_err(opened)?;
        let capabilities = capabilities::found(&version, &info, spoken);

        let (folder, application) = (config.run_dir, config.application.clone());
        let (run_dir, lease) = off_the_runtime(move || {
            let run_dir = RunDir::open(folder.as_deref())?;
            let lease = run_dir.lease(&application)?;
            Ok::<_, Error>((run_dir, lease))
        })
        .await??;
        let labels = BTreeMap::from([
            (LABEL_APPLICATION.to_owned(), config.application.clone()),
            (LABEL_OWNER.to_owned(), lease.owner().to_owned()),
            (LABEL_LEASE.to_owned(), lease.domain().to_string()),
        ]);
        let credentials = config.credentials.unwrap_or_else(|| Arc::new(ConfigFile::usual()));
        let (reaper, thread) = reaper::new();
        let application = config.application;
        let shared = Arc::new(Shared::new(Parts {
            api,
            capabilities,
            timeouts,
            pull_attempts: config.pull_attempts,
            application,
            labels,
            run_dir,
            lease,
            credentials,
            tasks,
            reaper,
        }));
        thread.begin(Arc::clone(&shared))?;
        if config.reap_on_open {
            shared.reaper.reap();
        }
        Ok(Self { shared })
    }
}

#[async_trait]
impl Driver for DockerDriver {
    fn name(&self) -> &str {
        "docker"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    async fn ping(&self) -> Result<()> {
        let asked = self.shared.api.version().await;
        asked.map(drop).map_err(|error| engine_error("ping", "engine", error))
    }

    fn container(&self, task: Task) -> Result<Arc<dyn Container>> {
        task.spec.validate()?;
        capabilities::check(&self.shared.capabilities, &task.spec)?;
        let image: ImageRef = task.spec.image.parse().map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "container")
                .message(format!("image {:?}: {error}", task.spec.image))
        })?;
        let image = image.with_default_tag();
        let core = Arc::new(Core::new(Arc::clone(&self.shared), task, image));
        self.shared.enter(&core)?;
        Ok(Arc::new(DockerContainer::new(core)))
    }

    async fn reap(&self, options: ReapOptions) -> Result<ReapReport> {
        reap::reap(&self.shared, options).await
    }

    async fn close(&self) -> Result<()> {
        self.shared.reaper.shut_down();
        self.shared.reaper.ended().await
    }
}

impl Drop for DockerDriver {
    fn drop(&mut self) {
        self.shared.reaper.shut_down();
    }
}

fn bounds(timeouts: &Timeouts) -> Bounds {
    Bounds {
        call: timeouts.call,
        work: timeouts.work,
        stream_idle: timeouts.stream_idle,
        pull_idle: timeouts.pull_idle,
        pull_total: timeouts.pull_total,
    }
}

fn agree(version: &Version) -> Result<ApiVersion> {
    let unreadable = |error| engine_error("open", "the engine's version", error);
    let newest: ApiVersion = version.api_version.parse().map_err(unreadable)?;
    let oldest = version.min_api_version.as_ref().map(|oldest| oldest.parse());
    let oldest = oldest.transpose().map_err(unreadable)?;
    let engine = &version.version;
    negotiate(newest, oldest).map_err(|why| match why {
        NoCommonVersion::EngineTooOld => Error::new(ErrorKind::EngineTooOld, "open").message(format!(
            "engine {engine} speaks API {newest}, and the oldest that is supported is {MIN_API_VERSION} (Docker 20.10): upgrade the engine"
        )),
        NoCommonVersion::EngineTooNew => Error::new(ErrorKind::Unsupported, "open").message(format!(
            "engine {engine} has given up all API versions that are known here: upgrade Longshore"
        )),
    })
}
