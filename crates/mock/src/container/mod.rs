//! A container of the mock.

mod close;
mod copy;
mod core;
mod exec;
mod health;
mod options;
mod recover;
mod remake;
mod stages;
mod token;

pub use options::EngineOptions;

pub(crate) use self::core::Core;
pub(crate) use token::Token;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Container, Error, ErrorKind, Exec, ExecSpec, ImageStatus, Result, Running, State, TarStream,
    TaskIo, TaskSpec,
};

use crate::Op;
use crate::sandbox::{Phase, Sandbox};

/// One container of the mock.
pub(crate) struct MockContainer {
    core: Arc<Core>,
    token: Arc<Token>,
}

impl MockContainer {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let token = Arc::new(Token(Arc::clone(&core)));
        Self { core, token }
    }

    /// Freezes or unfreezes.
    async fn set_frozen(&self, op: Op, set: fn(&Sandbox)) -> Result<()> {
        let core = &self.core;
        if !core.driver.config.capabilities.freeze {
            return Err(Error::new(ErrorKind::Unsupported, op.name())
                .message("this engine cannot freeze containers"));
        }
        let running = || {
            let life = core.life.lock();
            let sandbox = life.sandbox.clone().filter(|_| !life.closing);
            sandbox
                .filter(|sandbox| sandbox.life().phase == Phase::Running)
                .ok_or_else(|| core.invalid(op, "does not run"))
        };
        running()?;
        let effect = || running().map(|sandbox| set(&sandbox));
        core.driver.ask(op, Some(&core.spec), effect).await
    }
}

#[async_trait]
impl Container for MockContainer {
    fn spec(&self) -> &TaskSpec {
        &self.core.spec
    }

    fn engine_id(&self) -> Option<String> {
        self.core.life.lock().sandbox.as_ref().map(|sandbox| sandbox.id.clone())
    }

    fn state(&self) -> State {
        self.core.state()
    }

    async fn image_status(&self) -> Result<ImageStatus> {
        self.core.image_status().await
    }

    async fn pull_image(&self) -> Result<()> {
        self.core.pull_image().await
    }

    fn edit_engine_options(&self, edit: &mut (dyn FnMut(&mut dyn Any) + Send)) -> Result<()> {
        let mut options = {
            let life = self.core.life.lock();
            self.core.check_open(&life, Op::Create)?;
            if life.creating {
                return Err(self.core.invalid(Op::Create, "is created already, or about to be"));
            }
            life.options.clone()
        };
        // The callback may look at this container, so no lock is held.
        edit(&mut options);
        self.core.life.lock().options = options;
        Ok(())
    }

    async fn create(&self) -> Result<()> {
        self.core.create().await
    }

    fn create_finds_image(&self) -> bool {
        false
    }

    async fn start(&self) -> Result<Arc<dyn Running>> {
        Ok(self.core.start(&self.token).await?)
    }

    async fn freeze(&self) -> Result<()> {
        self.set_frozen(Op::Freeze, Sandbox::freeze).await
    }

    async fn unfreeze(&self) -> Result<()> {
        self.set_frozen(Op::Unfreeze, Sandbox::unfreeze).await
    }

    async fn exec(&self, spec: ExecSpec, io: TaskIo) -> Result<Arc<dyn Exec>> {
        Ok(Arc::new(self.core.exec(spec, io).await?))
    }

    async fn copy_in(&self, folder: &str, archive: TarStream) -> Result<()> {
        self.core.copy_in(folder, archive).await
    }

    async fn copy_out(&self, path: &str) -> Result<TarStream> {
        self.core.copy_out(path).await
    }

    async fn close(&self) -> Result<()> {
        self.core.close().await
    }
}

impl fmt::Debug for MockContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockContainer")
            .field("task", &self.core.spec.id)
            .field("state", &self.core.state())
            .finish_non_exhaustive()
    }
}
