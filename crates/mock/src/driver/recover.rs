//! Taking up tasks of dead owners.

use std::sync::Arc;

use longshore_driver_api::{
    Container, Error, ErrorKind, Handle, ImageRef, Recovered, Result, Running, TaskIo,
};
use tokio::runtime::Handle as Runtime;

use super::{Inner, MockDriver};
use crate::Op;
use crate::container::{Core, MockContainer};
use crate::running::{Kept, Run};
use crate::sandbox::{Phase, Sandbox};

impl MockDriver {
    pub(super) async fn recovered(&self, handle: &Handle, io: TaskIo) -> Result<Recovered> {
        let inner = &self.inner;
        if !inner.config.capabilities.recover {
            return Err(error(ErrorKind::Unsupported, "this engine's tasks cannot be recovered"));
        }
        if io.stdin.is_some() {
            let text = "the task's input has ended with its first owner";
            return Err(error(ErrorKind::InvalidInput, text).remedy("give none"));
        }
        let kept = Kept::of(handle)?;
        if kept.engine != inner.engine.number {
            return Err(error(ErrorKind::HandleForeign, "the handle is one of another engine"));
        }
        let runtime = Runtime::try_current().map_err(|_| {
            error(ErrorKind::InvalidState, "there is no tokio runtime here: call it inside of one")
        })?;
        let adopt = || inner.adopt(&kept.container);
        let adopted = inner.ask(Op::Recover, None, adopt).await?;
        let sandbox = Arc::clone(&adopted.sandbox);
        let spec = sandbox.spec.without_secrets();
        let image: ImageRef = spec.image.parse().map_err(|wrong| {
            error(ErrorKind::Protocol, &format!("image {:?}: {wrong}", spec.image))
        })?;
        let core = Core::adopted(Arc::clone(inner), self.next_number(), spec, image, runtime);
        let core = Arc::new(core);
        self.enter(&core, Op::Recover)?;
        // From here on it is this owner's, and closing is what ends that.
        adopted.keep();
        let lost = core.take_up(&sandbox, |image| {
            Run::resume(inner, &sandbox, &core.handle, io, handle, image)
        });
        let container = MockContainer::new(Arc::clone(&core));
        let running: Arc<dyn Running> = container.running();
        let container: Arc<dyn Container> = Arc::new(container);
        Ok(Recovered::new(container, running, lost))
    }
}

impl Inner {
    /// Makes this owner that of a container, if nobody else is.
    fn adopt(self: &Arc<Self>, id: &str) -> Result<Adopted> {
        let Some(sandbox) = self.engine.get(id).filter(|it| it.life().phase != Phase::Removed)
        else {
            let text = format!("container {id} is gone: it was removed");
            return Err(error(ErrorKind::NotFound, &text));
        };
        if sandbox.application != self.config.application {
            let theirs = &sandbox.application;
            let text = format!("container {id} is one of application {theirs:?}");
            return Err(error(ErrorKind::HandleForeign, &text));
        }
        {
            let state = self.engine.state();
            if !state.owners.left(&sandbox) {
                let text = format!("container {id} has an owner who lives, or may live");
                return Err(error(ErrorKind::OwnerAlive, &text));
            }
            if !self.is_recoverable(&sandbox) {
                let text = format!("container {id} could be recovered, and that time has passed");
                return Err(error(ErrorKind::Expired, &text));
            }
            *sandbox.adopter.lock() = Some(self.owner().to_owned());
        }
        Ok(Adopted { sandbox, kept: false })
    }
}

/// A container that was just adopted: given up again unless it is kept.
struct Adopted {
    sandbox: Arc<Sandbox>,
    kept: bool,
}

impl Adopted {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        if !self.kept {
            *self.sandbox.adopter.lock() = None;
        }
    }
}

fn error(kind: ErrorKind, text: &str) -> Error {
    Error::new(kind, Op::Recover.name()).message(text)
}
