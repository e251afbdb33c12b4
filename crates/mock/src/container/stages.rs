//! From the image to the start.

use std::sync::Arc;

use longshore_driver_api::{
    Error, ErrorKind, ImageStatus, Loan, NamespaceRequest, NetworkMode, PullProgress, Result,
};
use tokio::time::Instant;

use super::core::{Core, Life};
use super::token::Token;
use crate::Op;
use crate::driver::Key;
use crate::engine::{full_name, network};
use crate::running::{MockRunning, Run};
use crate::sandbox::Sandbox;

impl Core {
    pub(super) fn image_name(&self) -> String {
        full_name(&self.image)
    }

    fn check_image(&self, op: Op) -> Result<()> {
        let refuses = self.driver.config.refuse.as_ref().is_some_and(|refuse| refuse(&self.image));
        if refuses {
            let text = format!("image {:?}: the configuration refuses it", self.spec.image);
            return Err(Error::new(ErrorKind::ImageRejected, op.name()).message(text));
        }
        Ok(())
    }

    pub(super) async fn image_status(&self) -> Result<ImageStatus> {
        self.check_open(&self.life.lock(), Op::ImageStatus)?;
        let effect = || {
            self.check_image(Op::ImageStatus)?;
            let mut life = self.life.lock();
            self.check_open(&life, Op::ImageStatus)?;
            let there = self.hold_image(&mut life);
            if there && life.timings.image.is_none() {
                life.timings.image = Some(self.reserved.elapsed());
            }
            Ok(if there { ImageStatus::Present } else { ImageStatus::NeedsPull })
        };
        self.driver.ask(Op::ImageStatus, Some(&self.spec), effect).await
    }

    /// Keeps the image on the engine, if it is there.
    pub(super) fn hold_image(&self, life: &mut Life) -> bool {
        let mut state = self.driver.engine.state();
        let name = self.image_name();
        if !state.images.is_there(&name, self.spec.platform.as_deref()) {
            return false;
        }
        if life.holds_image {
            return true;
        }
        life.holds_image = state.images.hold(&name);
        life.holds_image
    }

    pub(super) async fn pull_image(&self) -> Result<()> {
        self.check_open(&self.life.lock(), Op::Pull)?;
        self.check_image(Op::Pull)?;
        if !self.driver.config.capabilities.pull {
            let text = format!("image {:?}: this engine cannot pull; load it", self.spec.image);
            return Err(Error::new(ErrorKind::Unsupported, Op::Pull.name()).message(text));
        }
        let credential = match self.hooks.credential(&self.image).await? {
            Some(credential) => Some(credential),
            None => self.driver.config.credentials.credential(&self.image).await?,
        };
        let mut progress = PullProgress::default();
        progress.layers = 1;
        "pulling".clone_into(&mut progress.status);
        self.hooks.pull_progress(&progress);
        let platform = self.spec.platform.clone();
        let key = Key { image: self.image_name(), platform, credential };
        self.driver.pull(key, &self.spec).await?;
        progress.layers_done = 1;
        "done".clone_into(&mut progress.status);
        self.hooks.pull_progress(&progress);
        Ok(())
    }

    pub(super) async fn create(self: &Arc<Self>) -> Result<()> {
        let _stage = self.stage.lock().await;
        {
            let mut life = self.life.lock();
            self.check_open(&life, Op::Create)?;
            if life.sandbox.is_some() {
                return Ok(());
            }
            life.creating = true;
        }
        self.make_one().await
    }

    /// Makes the container, with the stage held.
    pub(super) async fn make_one(&self) -> Result<()> {
        self.borrow().await?;
        let began = Instant::now();
        let made = self.driver.ask(Op::Create, Some(&self.spec), || self.make()).await?;
        let mut life = self.life.lock();
        self.check_open(&life, Op::Create)?;
        life.strays.retain(|stray| stray.id != made.id);
        life.sandbox = Some(made);
        life.timings.create = Some(began.elapsed());
        Ok(())
    }

    /// Borrows a network, where the task wants one and none was borrowed that is still good.
    async fn borrow(&self) -> Result<()> {
        if self.spec.network.mode != NetworkMode::Prefork {
            return Ok(());
        }
        let lost = self.life.lock().loan.take_if(|loan| loan.is_lost());
        drop(lost);
        if self.life.lock().loan.is_some() {
            return Ok(());
        }
        let source = self.driver.config.namespaces.clone();
        let source = source.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, Op::Create.name())
                .message("the driver has no pool to borrow a network from")
        })?;
        let began = Instant::now();
        let mut request = NamespaceRequest::of(&self.spec);
        request.waited = self.life.lock().timings.lease.unwrap_or_default();
        let loan = Loan::ask(&*source, request, "mock").await?;
        let mut life = self.life.lock();
        // Of all that it has waited for, lost or not.
        life.timings.lease = Some(request.waited + began.elapsed());
        life.loans += 1;
        self.check_open(&life, Op::Create)?;
        life.loan = Some(Arc::new(loan));
        Ok(())
    }

    /// What the engine does to create the container. It counts as a stray until the reply arrives.
    fn make(&self) -> Result<Arc<Sandbox>> {
        self.check_image(Op::Create)?;
        let engine = &self.driver.engine;
        let mut life = self.life.lock();
        self.check_open(&life, Op::Create)?;
        let chosen = life.network.as_ref().map(|chosen| chosen.name().to_owned());
        let mut network = network::resolved(&self.spec.network, chosen);
        if let Some(own) = life.loan.as_ref().and_then(|loan| loan.own_network()) {
            network.mode = own;
        }
        engine.check_networks(&network)?;
        if !self.hold_image(&mut life) {
            let text = format!(
                "image {:?} is not on the engine: ensure that it is there, then try again",
                self.spec.image
            );
            return Err(Error::new(ErrorKind::Busy, Op::Create.name()).message(text));
        }
        let mut spec = life.options.clone().apply(&self.spec);
        spec.network = network;
        let identity = self.driver.identity(&spec);
        let handle = self.handle.clone();
        let loan = life.loan.take();
        let sandbox = Arc::new(Sandbox::new(identity, spec, handle, Arc::downgrade(engine), loan));
        engine.insert(Arc::clone(&sandbox), &self.image_name());
        life.strays.push(Arc::clone(&sandbox));
        Ok(sandbox)
    }

    pub(super) async fn start(self: &Arc<Self>, token: &Arc<Token>) -> Result<Arc<MockRunning>> {
        let mut dropped = CloseUnlessDone { core: self, done: false };
        let started = self.start_once().await;
        let well = match (&started, self.spec.health.wait) {
            (Ok(()), Some(bound)) => self.wait_until_healthy(bound).await,
            _ => Ok(()),
        };
        let unwell = well.is_err();
        let started = started.and(well);
        let mut life = self.life.lock();
        let started = started.and_then(|()| self.check_open(&life, Op::Start));
        // A failure leaves it to the caller, unless the process was started all the same.
        dropped.done = started.is_ok() || unwell || life.run.is_none();
        let running = started.map(|()| running(&mut life, token));
        drop(life);
        drop(dropped);
        running
    }

    async fn start_once(&self) -> Result<()> {
        let _stage = self.stage.lock().await;
        loop {
            let sandbox = {
                let life = self.life.lock();
                self.check_open(&life, Op::Start)?;
                if life.run.is_some() {
                    return Ok(());
                }
                let created = life.sandbox.clone();
                created.ok_or_else(|| self.invalid(Op::Start, "is not created yet: create it"))?
            };
            let began = Instant::now();
            let effect = || self.launch(&sandbox, began);
            let started = self.driver.ask(Op::Start, Some(&self.spec), effect).await;
            let Err(error) = started else { return Ok(()) };
            if !self.remake(&sandbox).await? {
                return Err(error);
            }
        }
    }

    /// What the engine does to start the process, with its streams attached before.
    fn launch(&self, sandbox: &Arc<Sandbox>, began: Instant) -> Result<()> {
        self.driver.engine.check_log_driver(&self.spec.log)?;
        let mut life = self.life.lock();
        self.check_open(&life, Op::Start)?;
        if self.driver.engine.get(&sandbox.id).is_none() {
            let text = format!("the container of task {:?} is gone", self.spec.id);
            return Err(Error::new(ErrorKind::NotFound, Op::Start.name()).message(text));
        }
        match sandbox.joins() {
            None => self.driver.engine.join(sandbox)?,
            Some(holder) => {
                let found = self.holder(&holder).ok_or_else(|| {
                    Error::new(ErrorKind::Busy, Op::Start.name()).message(format!(
                        "cannot join the network of container {holder}, which does not run: try again"
                    ))
                })?;
                sandbox.set_network(found.network());
            }
        }
        let io = life.io.take().unwrap_or_default();
        life.timings.start = Some(began.elapsed());
        let image = self.image_name();
        let (handle, hooks) = (&self.handle, Arc::clone(&self.hooks));
        let run = Run::launch(&self.driver, sandbox, handle, io, hooks, &image, life.timings);
        life.run = Some(run);
        Ok(())
    }
}

/// The handle to what runs: the same one for everybody who asks for it while it is there.
pub(super) fn running(life: &mut Life, token: &Arc<Token>) -> Arc<MockRunning> {
    if let Some(running) = life.running.upgrade() {
        return running;
    }
    let run = life.run.clone().expect("it is asked for only after the start");
    let running = Arc::new(MockRunning::new(run, Arc::clone(token)));
    life.running = Arc::downgrade(&running);
    running
}

/// Closes the container when the future of a start is dropped.
struct CloseUnlessDone<'a> {
    core: &'a Arc<Core>,
    done: bool,
}

impl Drop for CloseUnlessDone<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.core.begin_close();
        }
    }
}
