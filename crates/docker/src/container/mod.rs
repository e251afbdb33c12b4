//! One container, from reservation to removal.

mod close;
pub(crate) mod core;
mod create;
mod freeze;
mod remake;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Container, Exec, ExecSpec, ImageStatus, Result, Running, State, TarStream, TaskIo, TaskSpec,
};
use tokio::sync::OnceCell;

use self::core::{Core, Handle};
pub(crate) use self::remake::{make_anew, remake};
use crate::copy;
use crate::exec;
use crate::image;
use crate::running::{self, DockerRunning};

/// A container on a Docker engine.
#[derive(Debug)]
pub(crate) struct DockerContainer {
    handle: Arc<Handle>,
    running: OnceCell<Arc<DockerRunning>>,
}

impl DockerContainer {
    /// The container of `core`. Dropping it hands the container over to the reaper.
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { handle: Arc::new(Handle::new(core)), running: OnceCell::new() }
    }

    /// One whose task runs already, or has ended.
    pub(crate) fn started(handle: Arc<Handle>, running: Arc<DockerRunning>) -> Self {
        Self { handle, running: OnceCell::new_with(Some(running)) }
    }

    fn core(&self) -> &Arc<Core> {
        self.handle.core()
    }
}

#[async_trait]
impl Container for DockerContainer {
    fn spec(&self) -> &TaskSpec {
        &self.core().spec
    }

    fn engine_id(&self) -> Option<String> {
        self.core().engine_id()
    }

    fn state(&self) -> State {
        self.core().state()
    }

    async fn image_status(&self) -> Result<ImageStatus> {
        self.core().check_open("image status")?;
        image::status(self.core()).await
    }

    async fn pull_image(&self) -> Result<()> {
        self.core().check_open("pull")?;
        image::pull(self.core()).await
    }

    fn edit_engine_options(&self, edit: &mut (dyn FnMut(&mut dyn Any) + Send)) -> Result<()> {
        self.core().edit_options(edit)
    }

    async fn create(&self) -> Result<()> {
        create::create(self.core()).await
    }

    fn create_finds_image(&self) -> bool {
        image::is_found_by_create(self.core())
    }

    async fn start(&self) -> Result<Arc<dyn Running>> {
        let running = self.running.get_or_try_init(|| running::start(&self.handle)).await?;
        Ok(Arc::clone(running) as Arc<dyn Running>)
    }

    async fn freeze(&self) -> Result<()> {
        freeze::freeze(self.core()).await
    }

    async fn unfreeze(&self) -> Result<()> {
        freeze::unfreeze(self.core()).await
    }

    async fn exec(&self, spec: ExecSpec, io: TaskIo) -> Result<Arc<dyn Exec>> {
        exec::exec(self.core(), spec, io).await
    }

    async fn copy_in(&self, folder: &str, archive: TarStream) -> Result<()> {
        copy::copy_in(self.core(), folder, archive).await
    }

    async fn copy_out(&self, path: &str) -> Result<TarStream> {
        copy::copy_out(self.core(), path).await
    }

    async fn close(&self) -> Result<()> {
        self.core().close().await
    }
}
