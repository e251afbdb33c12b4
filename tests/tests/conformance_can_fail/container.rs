//! A container with a defect.

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use longshore_driver_api::{
    Container, Error, ErrorKind, Exec, ExecSpec, ImageStatus, Result, Running, State, TarStream,
    TaskHooks, TaskIo, TaskSpec,
};

use crate::Defect;
use crate::running::BrokenRunning;

/// The mock's container with a defect.
pub(crate) struct BrokenContainer {
    inner: Arc<dyn Container>,
    defect: Defect,
    hooks: Arc<dyn TaskHooks>,
    asked: AtomicBool,
    closed: AtomicBool,
}

impl BrokenContainer {
    pub(crate) fn new(
        inner: Arc<dyn Container>,
        defect: Defect,
        hooks: Arc<dyn TaskHooks>,
    ) -> Self {
        Self { inner, defect, hooks, asked: AtomicBool::new(false), closed: AtomicBool::new(false) }
    }
}

impl fmt::Debug for BrokenContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("BrokenContainer");
        if self.defect == Defect::ShowsTheEnvironment {
            shown.field("env", &self.spec().env.iter().collect::<Vec<_>>());
        }
        shown.field("inner", &self.inner).finish()
    }
}

impl Drop for BrokenContainer {
    fn drop(&mut self) {
        // A second panic while the first unwinds would end the process.
        if self.defect == Defect::NeedsARuntimeToDrop && !std::thread::panicking() {
            let _runtime = tokio::runtime::Handle::current();
        }
        if self.defect == Defect::LeavesWhatIsOpen {
            std::mem::forget(Arc::clone(&self.inner));
        }
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is a defect nobody chose"
)]
impl Container for BrokenContainer {
    fn spec(&self) -> &TaskSpec {
        self.inner.spec()
    }

    fn engine_id(&self) -> Option<String> {
        self.inner.engine_id()
    }

    fn state(&self) -> State {
        if self.defect == Defect::NeverRemoves && self.closed.load(Ordering::SeqCst) {
            return State::Closed;
        }
        self.inner.state()
    }

    async fn image_status(&self) -> Result<ImageStatus> {
        let asked_before = self.asked.swap(true, Ordering::SeqCst);
        match self.defect {
            Defect::ChecksImagesOnce if asked_before => return Ok(ImageStatus::Present),
            Defect::AlwaysAsksForCredentials => {
                let image = self.spec().image.parse().expect("it was validated");
                self.hooks.credential(&image).await?;
            }
            _ => {}
        }
        self.inner.image_status().await
    }

    async fn pull_image(&self) -> Result<()> {
        self.inner.pull_image().await
    }

    fn edit_engine_options(&self, edit: &mut (dyn FnMut(&mut dyn Any) + Send)) -> Result<()> {
        self.inner.edit_engine_options(edit)
    }

    fn create_finds_image(&self) -> bool {
        self.inner.create_finds_image()
    }

    async fn create(&self) -> Result<()> {
        if self.defect != Defect::ForgetsDroppedCreates {
            return self.inner.create().await;
        }
        // Dropped in between, this handle is never given back.
        let held = ManuallyDrop::new(Arc::clone(&self.inner));
        let created = self.inner.create().await;
        drop(ManuallyDrop::into_inner(held));
        created
    }

    async fn start(&self) -> Result<Arc<dyn Running>> {
        let inner = self.inner.start().await?;
        Ok(Arc::new(BrokenRunning::new(inner, self.defect)))
    }

    async fn freeze(&self) -> Result<()> {
        match self.defect {
            Defect::FreezesOnce if self.state() == State::Frozen => {
                Err(Error::new(ErrorKind::Engine, "freeze").message("it is already paused"))
            }
            Defect::CountsTheTimeFrozen => {
                self.inner.freeze().await?;
                let container = Arc::clone(&self.inner);
                tokio::spawn(async move {
                    if let Some(timeout) = container.spec().timeout {
                        tokio::time::sleep(timeout).await;
                        let _ = container.close().await;
                    }
                });
                Ok(())
            }
            _ => self.inner.freeze().await,
        }
    }

    async fn unfreeze(&self) -> Result<()> {
        self.inner.unfreeze().await
    }

    async fn exec(&self, spec: ExecSpec, io: TaskIo) -> Result<Arc<dyn Exec>> {
        self.inner.exec(spec, io).await
    }

    async fn copy_in(&self, folder: &str, archive: TarStream) -> Result<()> {
        self.inner.copy_in(folder, archive).await
    }

    async fn copy_out(&self, path: &str) -> Result<TarStream> {
        self.inner.copy_out(path).await
    }

    async fn close(&self) -> Result<()> {
        let closed_before = self.closed.swap(true, Ordering::SeqCst);
        match self.defect {
            Defect::ClosesOnce if closed_before => {
                Err(Error::new(ErrorKind::NotFound, "close").message("no such container"))
            }
            Defect::NeverRemoves => {
                self.hooks.closed();
                Ok(())
            }
            _ => self.inner.close().await,
        }
    }
}
