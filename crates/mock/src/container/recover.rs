//! A container that was made by an owner who is dead.

use std::sync::Arc;

use longshore_driver_api::{ImageRef, Lost, Task, TaskSpec};
use tokio::runtime::Handle;

use super::MockContainer;
use super::core::Core;
use super::stages;
use crate::driver::Inner;
use crate::running::{MockRunning, Run};
use crate::sandbox::Sandbox;

impl Core {
    pub(crate) fn adopted(
        driver: Arc<Inner>,
        number: u64,
        spec: TaskSpec,
        image: ImageRef,
        handle: Handle,
    ) -> Self {
        let core = Self::new(driver, number, Task::new(spec), image, handle, None);
        {
            let mut life = core.life.lock();
            life.creating = true;
            life.io = None;
            // It has its network already.
            life.network = None;
        }
        core
    }

    /// Takes its task up.
    pub(crate) fn take_up(
        &self,
        sandbox: &Arc<Sandbox>,
        resume: impl FnOnce(&str) -> (Arc<Run>, Lost),
    ) -> Lost {
        let mut life = self.life.lock();
        self.hold_image(&mut life);
        life.sandbox = Some(Arc::clone(sandbox));
        let (run, lost) = resume(&self.image_name());
        life.run = Some(run);
        lost
    }
}

impl MockContainer {
    /// The handle to the task that was taken up.
    pub(crate) fn running(&self) -> Arc<MockRunning> {
        stages::running(&mut self.core.life.lock(), &self.token)
    }
}
