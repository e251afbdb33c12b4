//! The driver: opened on one engine, makes containers there.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Capabilities, Container, Driver, Error, ErrorKind, Handle, ImageRef, LABEL_APPLICATION,
    LABEL_KEEPER, LABEL_LEASE, LABEL_OWNER, LeastUsed, ReapOptions, ReapReport, Recovered, Result,
    Task, TaskIo,
};
use longshore_host::RunDir;
use longshore_images::{CacheUsage, ConfigFile, ImageCache};
use tokio_util::task::TaskTracker;

use crate::blocking::off_the_runtime;
use crate::capabilities;
use crate::client::address::Address;
use crate::client::api::DockerApi;
use crate::client::connect::Connector;
use crate::client::discover::discover;
use crate::client::engine::{Bounds, Engine};
use crate::client::reply::Version;
use crate::client::transport::Transport;
use crate::client::version::{ApiVersion, MIN_API_VERSION, NoCommonVersion, negotiate};
use crate::config::{DockerConfig, StatsSource, Timeouts};
use crate::container::DockerContainer;
use crate::container::core::Core;
use crate::error::{engine_error, first_error};
use crate::image::{cache, load};
use crate::keeper;
use crate::reap;
use crate::reaper;
use crate::recover;
use crate::release;
use crate::retry::again;
use crate::running::stats;
use crate::shared::{EngineIdentity, Parts, Shared, is_forwarded, process_of};

/// Runs tasks in containers on a Docker engine.
///
/// One driver is one owner: all that it makes carries its labels, and a lease proves that it lives.
/// Dropping it does what [`close`](Driver::close) does, in the background.
#[derive(Debug)]
pub struct DockerDriver {
    pub(crate) shared: Arc<Shared>,
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
    /// `Unsupported` if statistics are to come from files that are not here, or a keeper is wanted on an
    /// engine that can have none; what the engine has against a keeper, with what to do;
    /// `InvalidInput` for an archive of images that is not there or cannot be loaded, an address, a
    /// Docker context or certificates that cannot be used, and for a bound, a count or a path in the
    /// configuration that nothing could work with; `Unsupported` for a bound on Podman's images.
    pub async fn open(config: DockerConfig) -> Result<Self> {
        config.check()?;
        let timeouts = config.timeouts.capped();
        let tasks = TaskTracker::new();
        let opened = |error| engine_error("open", "engine", error);
        let host = config.host.clone();
        let connector = off_the_runtime(move || {
            discover(host.as_deref()).and_then(|it| Connector::new(it, timeouts.connect))
        });
        let connector = connector.await?.map_err(opened)?;
        let peer = connector.peer().await;
        let is_by_tcp = matches!(connector.address(), Address::Tcp { .. });
        let address = connector.address().to_string();
        let transport = Transport::new(connector, tasks.clone());
        let api: Arc<dyn DockerApi> = Arc::new(Engine::new(transport, bounds(&timeouts)));

        let version = again("version", || api.version())
            .await
            .map_err(|error| first_error(&address, error))?;
        let spoken = agree(&version)?;
        api.speak(spoken);
        let info = again("info", || api.info()).await.map_err(opened)?;
        let mut capabilities = capabilities::found(&version, &info, spoken);
        let id = capabilities::engine_id(&capabilities, &info);
        release::check(config.server_version.as_deref(), &capabilities)?;
        cache::check(&config, &capabilities)?;
        let stats_source = stats::source(config.stats_source, peer, &address).await?;
        capabilities.stats_interval = stats_source != StatsSource::Engine;
        capabilities.prefork = config.namespaces.is_some();
        let look = move || {
            let (exec_kill, process) =
                (peer.is_some_and(longshore_host::can_kill), process_of(peer));
            let is_elsewhere = is_by_tcp || (process.is_none() && is_forwarded(peer));
            (exec_kill, process, is_elsewhere)
        };
        let (exec_kill, process, is_elsewhere) = off_the_runtime(look).await?;
        capabilities.exec_kill = exec_kill;
        let gone = timeouts.engine_gone;
        let keeper = keeper::choose(config.keeper, is_elsewhere, &capabilities, gone)?;

        if let Some(archive) = &config.docker_load_file {
            load::load(&*api, archive).await?;
        }

        let (asked, engine) = (config.clone(), api.address());
        let (run_dir, lease, cache) = off_the_runtime(move || {
            let run_dir = RunDir::open(asked.run_dir.as_deref())?;
            let cache = cache::open(&asked, run_dir.path(), &engine)?;
            let lease = run_dir.lease(&asked.application)?;
            Ok::<_, Error>((run_dir, lease, cache))
        })
        .await??;
        let mut labels = BTreeMap::from([
            (LABEL_APPLICATION.to_owned(), config.application.clone()),
            (LABEL_OWNER.to_owned(), lease.owner().to_owned()),
            (LABEL_LEASE.to_owned(), lease.domain().to_string()),
        ]);
        labels.extend(keeper.as_ref().map(|keeper| (LABEL_KEEPER.to_owned(), keeper.label())));
        let credentials = config.credentials.unwrap_or_else(|| Arc::new(ConfigFile::usual()));
        let (reaper, thread) = reaper::new()?;
        let application = config.application;
        let shared = Arc::new(Shared::new(Parts {
            api,
            engine: EngineIdentity { id, process },
            capabilities,
            timeouts,
            image_volumes: config.image_volumes,
            stats_source,
            pull_attempts: config.pull_attempts,
            application,
            labels,
            keeper,
            run_dir,
            lease,
            credentials,
            networks: LeastUsed::new(&config.networks),
            namespaces: config.namespaces,
            cache,
            tasks,
            reaper,
        }));
        thread.begin(Arc::clone(&shared))?;
        // From here on dropping it ends what was begun.
        let driver = Self { shared };
        if let Some(keeper) = &driver.shared.keeper
            && let Err(error) = keeper.ready().await
        {
            // The error that made it useless is the one to report.
            let _ = driver.close().await;
            return Err(error);
        }
        if config.reap_on_open {
            driver.shared.reaper.reap();
        }
        Ok(driver)
    }

    /// The labels that say that something on the engine belongs to this owner.
    ///
    /// A network or a volume that is made with them is removed as a container of this owner's is: by a
    /// reaper of the application, once the owner's process has ended. The driver itself makes neither.
    /// Nor does closing it remove them, so remove yourself what you do not need any more; the reaper is
    /// for what a crash leaves. What is to outlive its owner must not have these labels.
    ///
    /// ```no_run
    /// # async fn example() -> longshore_driver_api::Result<()> {
    /// use longshore_docker::{DockerConfig, DockerDriver};
    ///
    /// let driver = DockerDriver::open(DockerConfig::default()).await?;
    /// for (name, value) in driver.owner_labels() {
    ///     println!("docker network create --label {name}={value} …");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn owner_labels(&self) -> &BTreeMap<String, String> {
        &self.shared.labels
    }

    /// Where the images on the engine stand, as far as they are counted; none if the configuration
    /// does not bound them.
    #[must_use]
    pub fn image_cache(&self) -> Option<CacheUsage> {
        self.shared.cache.as_ref().map(ImageCache::usage)
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
        let network = self.shared.networks.choose_for(&task.spec.network)?;
        let core = Arc::new(Core::new(Arc::clone(&self.shared), task, image, network));
        self.shared.enter(&core)?;
        Ok(Arc::new(DockerContainer::new(core)))
    }

    async fn recover(&self, handle: &Handle, io: TaskIo) -> Result<Recovered> {
        recover::recover(&self.shared, handle, io).await
    }

    async fn reap(&self, options: ReapOptions) -> Result<ReapReport> {
        reap::reap(&self.shared, options).await
    }

    async fn close(&self) -> Result<()> {
        self.shared.reaper.shut_down();
        let ended = self.shared.reaper.ended().await;
        // After the tasks, which have borrowed from it.
        let lender = match &self.shared.namespaces {
            Some(source) => source.close().await,
            None => Ok(()),
        };
        ended.and(lender)
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
    let oldest = version.min_api_version.as_ref().filter(|oldest| !oldest.is_empty());
    let oldest = oldest.map(|oldest| oldest.parse());
    let oldest = oldest.transpose().map_err(unreadable)?;
    let engine = &version.version;
    negotiate(newest, oldest).map_err(|why| match why {
        NoCommonVersion::EngineTooOld => Error::new(ErrorKind::EngineTooOld, "open").message(format!(
            "engine {engine} speaks API {newest}, and the oldest that is supported is {MIN_API_VERSION} (Docker 20.10)"
        )).remedy("upgrade the engine"),
        NoCommonVersion::EngineTooNew => Error::new(ErrorKind::Unsupported, "open").message(format!(
            "engine {engine} has given up all API versions that are known here: upgrade Longshore"
        )),
    })
}
