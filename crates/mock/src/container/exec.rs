//! A further process, from the request to its start.

use std::sync::Arc;

use longshore_driver_api::{Error, ErrorKind, ExecSpec, Result, TaskIo};

use super::core::Core;
use crate::Op;
use crate::exec::{ExecRun, MockExec};
use crate::sandbox::{Phase, Sandbox};

impl Core {
    pub(super) async fn exec(self: &Arc<Self>, spec: ExecSpec, io: TaskIo) -> Result<MockExec> {
        self.check_exec(&spec, &io)?;
        self.running()?;
        // Whatever keeps the reply from the caller drops what was started, and so kills it.
        let effect = || {
            let sandbox = self.running()?;
            let image = self.image_name();
            let run = ExecRun::start(&self.driver, &sandbox, &self.handle, (spec, io), &image);
            let mut life = self.life.lock();
            life.execs.retain(|exec| exec.strong_count() > 0);
            life.execs.push(Arc::downgrade(&run));
            Ok(MockExec::new(run))
        };
        self.driver.ask(Op::Exec, Some(&self.spec), effect).await
    }

    fn check_exec(&self, spec: &ExecSpec, io: &TaskIo) -> Result<()> {
        let can = &self.driver.config.capabilities;
        let asked = [
            ("exec", true, can.exec),
            ("stdin", io.stdin.is_some(), can.stdin),
            ("a stderr apart from stdout", io.stderr.is_some() && !spec.tty, can.separate_stderr),
            ("tty", spec.tty, can.tty),
        ];
        let refused: Vec<&str> =
            asked.iter().filter(|(_, asked, can)| *asked && !can).map(|(name, ..)| *name).collect();
        if !refused.is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, Op::Exec.name()).message(format!(
                "this engine cannot do what is asked for: {}",
                refused.join(", ")
            )));
        }
        spec.validate()
    }

    fn running(&self) -> Result<Arc<Sandbox>> {
        let life = self.life.lock();
        self.check_open(&life, Op::Exec)?;
        let sandbox = life.sandbox.clone();
        sandbox
            .filter(|sandbox| {
                sandbox.life().phase == Phase::Running && !sandbox.freezer.is_frozen()
            })
            .ok_or_else(|| self.invalid(Op::Exec, "does not run, or is frozen"))
    }
}
