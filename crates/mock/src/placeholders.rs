//! Placeholders in memory: containers that hold namespaces for others.

use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Container, ContainerExt as _, Driver, Namespaces, Placeholder, PlaceholderSpec, Placeholders,
    Result, Running, Task,
};
use tokio::sync::OnceCell;

use crate::engine::Shared;
use crate::{Image, MockDriver, Program};

/// The image of placeholders that name none. It is there whenever one is made.
const OWN_IMAGE: &str = "docker.io/longshore/placeholder:mock";

/// Makes placeholders on an [`Engine`](crate::Engine): containers, so that
/// [`Rule`](crate::Rule)s apply to them as to any other. They are made by a driver of their own,
/// hence by an owner of their own.
///
/// A placeholder that names no image runs until it is killed. One that names an image runs what
/// that does, which may be to end at once.
#[derive(Debug)]
pub struct MockPlaceholders {
    engine: Arc<Shared>,
    driver: MockDriver,
}

impl MockPlaceholders {
    pub(crate) fn new(engine: Arc<Shared>, driver: MockDriver) -> Self {
        Self { engine, driver }
    }

    /// The owner that its containers belong to.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.driver.owner()
    }
}

#[async_trait]
impl Placeholders for MockPlaceholders {
    async fn make(&self, spec: &PlaceholderSpec) -> Result<Arc<dyn Placeholder>> {
        let image = spec.image.as_deref().unwrap_or(OWN_IMAGE);
        if spec.image.is_none() {
            let forever = || Image::new(Program::steps().forever());
            self.engine.state().images.add_missing(OWN_IMAGE, forever);
        }
        let task = spec.task(image, spec.image.is_some())?;
        let container = self.driver.container(Task::new(task))?;
        let ready = async {
            container.ensure_image().await?;
            container.create().await
        };
        if let Err(error) = ready.await {
            // The error that made it useless is the one to report.
            let _ = container.close().await;
            return Err(error);
        }
        let mut namespaces = Namespaces::network("mock", container.engine_id().unwrap_or_default());
        (namespaces.ipc, namespaces.pid) = (spec.ipc, spec.pid);
        Ok(Arc::new(MockPlaceholder { container, namespaces, running: OnceCell::new() }))
    }

    async fn close(&self) -> Result<()> {
        self.driver.close().await
    }
}

/// A container that holds namespaces.
#[derive(Debug)]
struct MockPlaceholder {
    container: Arc<dyn Container>,
    namespaces: Namespaces,
    running: OnceCell<Arc<dyn Running>>,
}

#[async_trait]
impl Placeholder for MockPlaceholder {
    fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    async fn start(&self) -> Result<()> {
        self.running.get_or_try_init(|| self.container.start()).await.map(drop)
    }

    async fn watch(&self) -> String {
        let Some(running) = self.running.get() else { return std::future::pending().await };
        let exit = running.wait().await;
        let mut why = format!("the placeholder ended: {:?}", exit.outcome);
        if let Some(error) = exit.engine_error {
            why = format!("{why} ({error})");
        }
        why
    }

    async fn stop(&self) -> Result<()> {
        self.container.close().await
    }
}
