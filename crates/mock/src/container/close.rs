//! From any state to nothing.

use std::sync::{Arc, Weak};

use longshore_driver_api::{Error, Result};

use super::core::Core;
use crate::Op;
use crate::exec::ExecRun;
use crate::rule::Plan;
use crate::running::Run;
use crate::sandbox::Sandbox;

impl Core {
    /// Begins to close, once. What needs no waiting is done when this returns, and all of it if
    /// nothing does.
    pub(crate) fn begin_close(self: &Arc<Self>) {
        let (io, loan, sandboxes, run, execs) = {
            let mut life = self.life.lock();
            if std::mem::replace(&mut life.closing, true) {
                return;
            }
            let mut sandboxes = std::mem::take(&mut life.strays);
            sandboxes.extend(life.sandbox.clone());
            let execs: Vec<_> = life.execs.iter().filter_map(Weak::upgrade).collect();
            (life.io.take(), life.loan.take(), sandboxes, life.run.clone(), execs)
        };
        drop((io, loan));
        if self.driver.is_dead() {
            self.closed.send_replace(Some(Ok(())));
            return;
        }
        if let Some(run) = &run {
            run.close();
        }
        for exec in &execs {
            exec.close();
        }
        let mut closing = Closing {
            core: Arc::clone(self),
            run,
            execs,
            late: Vec::new(),
            result: Ok(()),
            done: false,
        };
        for sandbox in sandboxes {
            let effect = || {
                self.driver.engine.remove(&sandbox);
                Ok(())
            };
            match self.driver.ask_now(Op::Remove, Some(&self.spec), effect) {
                Ok(result) => closing.removed(sandbox, result),
                Err(plan) => closing.late.push((sandbox, plan)),
            }
        }
        let over = closing.run.as_ref().is_none_or(|run| run.is_over())
            && closing.execs.iter().all(|exec| exec.is_over());
        if closing.late.is_empty() && over {
            closing.finish();
        } else {
            self.driver.spawn(closing.carry_on(), &self.handle);
        }
    }

    pub(super) async fn close(self: &Arc<Self>) -> Result<()> {
        let entry =
            self.driver.engine.log.begin(Op::Close, self.driver.owner(), Some(&self.spec.id));
        let again = self.closed.borrow().is_some();
        self.begin_close();
        let result = if again { self.remove_again().await } else { self.wait_closed().await };
        entry.end(&result);
        result
    }

    pub(crate) async fn wait_closed(&self) -> Result<()> {
        let mut closed = self.closed.subscribe();
        loop {
            if let Some(result) = &*closed.borrow_and_update() {
                return result.as_ref().map_err(Error::duplicate).copied();
            }
            // The sender is in `self`.
            let _ = closed.changed().await;
        }
    }

    /// Tries again to remove what could not be removed when it was closed.
    async fn remove_again(&self) -> Result<()> {
        let sandbox = self.life.lock().sandbox.clone();
        match sandbox {
            Some(sandbox) if !self.driver.is_dead() => self.driver.remove_leftover(&sandbox).await,
            _ => Ok(()),
        }
    }

    /// The owner was killed: whoever waits for something learns it, and nothing else happens.
    pub(crate) fn die(&self) {
        let (run, execs) = {
            let life = self.life.lock();
            (life.run.clone(), life.execs.clone())
        };
        if let Some(run) = run {
            run.die();
        }
        for exec in execs.iter().filter_map(Weak::upgrade) {
            exec.lose("the owner was killed");
        }
        self.closed.send_if_modified(|closed| {
            let waiting = closed.is_none();
            if waiting {
                *closed = Some(Ok(()));
            }
            waiting
        });
    }
}

/// A container that is being closed. Whatever ends this, the container is released.
struct Closing {
    core: Arc<Core>,
    run: Option<Arc<Run>>,
    execs: Vec<Arc<ExecRun>>,
    /// What the rules remove only later.
    late: Vec<(Arc<Sandbox>, Plan)>,
    result: Result<()>,
    done: bool,
}

impl Closing {
    async fn carry_on(mut self) {
        while let Some((sandbox, plan)) = self.late.pop() {
            let core = Arc::clone(&self.core);
            let effect = || {
                core.driver.engine.remove(&sandbox);
                Ok(())
            };
            let result = core.driver.ask_by(plan, Op::Remove, Some(&core.spec), effect).await;
            self.removed(sandbox, result);
        }
        if let Some(run) = self.run.clone() {
            run.over().await;
        }
        for exec in std::mem::take(&mut self.execs) {
            exec.over().await;
        }
        self.finish();
    }

    fn removed(&mut self, sandbox: Arc<Sandbox>, result: Result<()>) {
        let driver = &self.core.driver;
        // Where it failed, that may be the reply alone.
        let gone = driver.engine.get(&sandbox.id).is_none();
        match &self.run {
            Some(run) if gone => run.removed(),
            Some(run) => run.abandon(),
            None => {}
        }
        if !gone {
            for exec in &self.execs {
                exec.abandon("its container could not be removed");
            }
            driver.leave(sandbox, &self.core.handle);
        }
        if let Err(error) = result {
            self.result = Err(error);
        }
    }

    /// Releases everything that this process held.
    fn finish(&mut self) {
        self.done = true;
        let core = &self.core;
        if core.driver.is_dead() {
            return;
        }
        {
            let mut life = core.life.lock();
            if std::mem::take(&mut life.holds_image) {
                core.driver.engine.state().images.release(&core.image_name());
            }
            life.network = None;
        }
        core.driver.forget(core.number);
        core.hooks.closed();
        let result = std::mem::replace(&mut self.result, Ok(()));
        core.closed.send_replace(Some(result));
    }
}

impl Drop for Closing {
    /// The runtime that it was to be carried on in has ended: everything is done at once, without
    /// the rules.
    fn drop(&mut self) {
        if self.done || self.core.driver.is_dead() {
            return;
        }
        for (sandbox, _) in std::mem::take(&mut self.late) {
            self.core.driver.engine.remove(&sandbox);
        }
        self.finish();
    }
}
