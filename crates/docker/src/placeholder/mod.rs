//! Containers that hold namespaces for others.

mod image;
mod program;

pub(crate) use image::ensure;
pub(crate) use program::{Program, runs_on};

use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Container, ContainerExt as _, Driver as _, Error, ErrorKind, Exit, Namespaces, Placeholder,
    PlaceholderSpec, Placeholders, PullPolicy, Result, Running, State, Task, TaskSpec,
};
use tokio::sync::{Mutex, OnceCell};

use crate::borrow::BACKEND;
use crate::{DockerConfig, DockerDriver, EngineOptions};

/// Makes placeholders on an engine: containers that hold namespaces for those of tasks.
///
/// They are an owner's like all that Longshore makes, with a lease and labels of their own, so that
/// whatever this process leaves is removed by the next reaper of the application. Each is hardened:
/// an ordinary user, no capability, nothing to gain by set-user-id programs, a root file system that
/// can only be read, limits of memory and processes, no log.
///
/// A [`PlaceholderSpec`] that names no image gets one of our own, which is made here and loaded into
/// the engine without a registry: one static program of less than 512 bytes, for `linux/amd64` and
/// `linux/arm64`, that waits and ends at once when asked to.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use longshore_docker::{DockerConfig, DockerDriver, DockerPlaceholders};
/// # use longshore_driver_api::NamespaceSource;
/// # async fn example(pool_of: fn(DockerPlaceholders) -> Arc<dyn NamespaceSource>) -> longshore_driver_api::Result<()> {
/// let mut config = DockerConfig::default();
/// let placeholders = DockerPlaceholders::open(config.clone()).await?;
/// config.namespaces = Some(pool_of(placeholders));
/// let driver = DockerDriver::open(config).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DockerPlaceholders {
    driver: DockerDriver,
    /// One at a time looks for our own image.
    loading: Mutex<()>,
}

impl DockerPlaceholders {
    /// Finds the engine as [`DockerDriver::open`] does, and takes a lease. Images that are to be
    /// loaded or kept few, reaping, and where tasks borrow from, are left to the driver of the tasks.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// As [`DockerDriver::open`]. [`Unsupported`](ErrorKind::Unsupported) on Podman: there, a
    /// container that joins a placeholder which has died starts it anew, with another network.
    pub async fn open(mut config: DockerConfig) -> Result<Self> {
        config.reap_on_open = false;
        config.docker_load_file = None;
        config.image_clean_max_size = None;
        config.namespaces = None;
        let driver = DockerDriver::open(config).await?;
        let can = driver.capabilities();
        if can.engine != "docker" {
            let text =
                format!("there are no placeholders on {} {}", can.engine, can.engine_version);
            driver.close().await?;
            return Err(Error::new(ErrorKind::Unsupported, "open placeholders")
                .message(text)
                .remedy("do without a pool (pre_fork_pool_size = 0)"));
        }
        Ok(Self { driver, loading: Mutex::new(()) })
    }

    /// The description of a placeholder as a task.
    async fn task(&self, spec: &PlaceholderSpec) -> Result<TaskSpec> {
        if let Some(image) = &spec.image {
            return Ok(spec.task(image, true)?);
        }
        if !spec.command.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "make a placeholder")
                .message("a command needs an image that has it: our own does one thing only"));
        }
        let _one = self.loading.lock().await;
        let shared = &self.driver.shared;
        let (api, platform) = (&*shared.api, &shared.capabilities.platform);
        let image = ensure(api, platform, Program::Placeholder, shared.timeouts.work).await?;
        let mut task = spec.task(&image, false)?;
        // Nobody's registry is asked for it.
        task.pull = PullPolicy::Never;
        Ok(task)
    }
}

#[async_trait]
impl Placeholders for DockerPlaceholders {
    async fn make(&self, spec: &PlaceholderSpec) -> Result<Arc<dyn Placeholder>> {
        let container = self.driver.container(Task::new(self.task(spec).await?))?;
        let ready = async {
            if spec.ipc {
                let mut share = Ok(());
                container.edit_engine_options(&mut |options| {
                    if let Some(options) = options.downcast_mut::<EngineOptions>() {
                        share = options.set("/HostConfig/IpcMode", "\"shareable\"");
                    }
                })?;
                share?;
            }
            container.ensure_image().await?;
            container.create().await
        };
        // Whatever there is of one that failed is removed behind the caller's back: looking for one
        // whose answer was lost can take as long as making it may take.
        ready.await?;
        let id = container.engine_id().unwrap_or_default();
        let mut namespaces = Namespaces::network(BACKEND, id);
        (namespaces.ipc, namespaces.pid) = (spec.ipc, spec.pid);
        Ok(Arc::new(DockerPlaceholder { container, namespaces, running: OnceCell::new() }))
    }

    async fn close(&self) -> Result<()> {
        self.driver.close().await
    }
}

/// A container that holds namespaces.
#[derive(Debug)]
struct DockerPlaceholder {
    container: Arc<dyn Container>,
    namespaces: Namespaces,
    running: OnceCell<Arc<dyn Running>>,
}

#[async_trait]
impl Placeholder for DockerPlaceholder {
    fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    async fn start(&self) -> Result<()> {
        let running = self.running.get_or_try_init(|| self.container.start()).await?;
        if self.container.state() == State::Exited {
            // A program that cannot be started is a task's end; here nothing holds anything then.
            let why = ended(&running.wait().await);
            return Err(Error::new(ErrorKind::EndedEarly, "start").message(why));
        }
        Ok(())
    }

    async fn watch(&self) -> String {
        let Some(running) = self.running.get() else { return std::future::pending().await };
        ended(&running.wait().await)
    }

    async fn stop(&self) -> Result<()> {
        self.container.close().await
    }
}

fn ended(exit: &Exit) -> String {
    let why = format!("the placeholder ended: {:?}", exit.outcome);
    match &exit.engine_error {
        Some(error) => format!("{why} ({error})"),
        None => why,
    }
}
