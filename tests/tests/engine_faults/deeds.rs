//! What the caller does beside starting and waiting, and whether that ended as it had to.

use longshore_driver_api::{
    ByteSize, Container, ContainerExt, Error, ErrorKind, ExecSpec, Exit, Outcome, Result, Running,
    TaskIo, TtySize,
};
use longshore_testee::{STDOUT, pattern};
use longshore_tests::{Fault, FaultProxy, Step};

use crate::act::{FILE, OUT, Play};
use crate::case::{Action, EXEC, Often, Program};
use crate::expect::{Expected, is_past_head};
use crate::judge::{Wrote, check_output};
use crate::world::World;

impl Play {
    /// Judges a call. One that none of the broken requests belongs to has to succeed.
    fn check<T>(&self, name: &str, steps: &[Step], result: &Result<T>) {
        let case = &self.case;
        let is_broken = steps.contains(&case.step);
        let expected = if is_broken { Expected::of(case) } else { Expected::Success };
        if expected.fits(result) {
            return;
        }
        match result {
            Err(error) if self.may_be_late(error) => {}
            Err(error) => self.says(format!("{name}: {error} ({:?})", error.kind())),
            Ok(_) => self.says(format!("{name} succeeded, and could not")),
        }
    }

    /// Whether what fails so may do so because the task was ended or closed before.
    fn may_be_late(&self, error: &Error) -> bool {
        match self.case.action {
            Action::Close => error.kind() == ErrorKind::Closed,
            Action::Deadline => error.kind() == ErrorKind::InvalidState,
            _ => false,
        }
    }

    pub(crate) async fn stop(&self, running: &dyn Running) {
        // The kill after the grace comes in any case.
        let stopped = running.stop(None).await;
        self.check("stop", &[Step::Kill], &stopped);
    }

    /// Ending the task must work whatever the engine made of these.
    pub(crate) async fn freeze(&self, container: &dyn Container, proxy: &FaultProxy) {
        let frozen = container.freeze().await;
        self.check("freeze", &[Step::Pause], &frozen);
        let unfrozen = container.unfreeze().await;
        self.check("unfreeze", &[Step::Unpause], &unfrozen);
        if unfrozen.is_err() && self.case.action == Action::Deadline {
            // As long as it stands still, its time does not pass.
            proxy.heal();
            let unfrozen = container.unfreeze().await;
            self.check("unfreeze again", &[], &unfrozen);
        }
    }

    pub(crate) async fn resize(&self, running: &dyn Running) {
        let resized = running.resize(TtySize { rows: 30, columns: 90 }).await;
        self.check("resize", &[Step::Resize], &resized);
    }

    /// Copies a file in, and out again if that is to be broken.
    pub(crate) async fn copy(&self, container: &dyn Container) -> Result<()> {
        let bytes = pattern(self.bytes, STDOUT).bytes_of(OUT);
        container.write_file(FILE, &bytes, 0o644).await?;
        if self.case.step == Step::ArchiveOut {
            let read = container.read_file(FILE, ByteSize::mib(1)).await?;
            if read != bytes {
                self.says(format!("{} bytes were read that are not the file", read.len()));
            }
        }
        Ok(())
    }

    pub(crate) async fn is_connected(&self, world: &World, container: &dyn Container) {
        let id = container.engine_id().expect("it was created");
        let found = world.setup.engine.inspect(&id).await.expect("the engine answers");
        // Who closes meanwhile may have removed it.
        let Some(found) = found else { return };
        let networks = &found["NetworkSettings"]["Networks"];
        for name in &world.networks {
            if networks.get(name).is_none() && self.case.action != Action::Close {
                self.says(format!("it was created without the network {name}: {networks}"));
            }
        }
    }

    /// Runs a further process to its end.
    pub(crate) async fn exec(&self, container: &dyn Container) {
        let words = self.exec.words(self.bytes);
        let spec = ExecSpec::new(["/testee".to_owned()].into_iter().chain(words));
        let (mut io, captured) = TaskIo::captured();
        if self.exec == Program::Fed {
            io = io.stdin(std::io::Cursor::new(pattern(self.bytes, STDOUT).bytes_of(OUT)));
        }
        let begun = container.exec(spec, io).await;
        self.check("exec", &[Step::ExecCreate, Step::ExecStart], &begun);
        let Ok(process) = begun else { return };
        if self.case.action == Action::Cancel {
            process.cancel();
        }
        let exit = process.wait().await;
        if !self.may_end_so(&exit) {
            let (outcome, trouble) = (&exit.outcome, &exit.engine_error);
            self.says(format!("the process's outcome is {outcome:?} ({trouble:?})"));
        }
        let wrote_all = matches!(exit.outcome, Outcome::Code(0));
        let streams = self.case.step == Step::ExecStart;
        // What was fed to it may not have come.
        let wrote_all = wrote_all && !(streams && self.exec == Program::Fed);
        let wrote = Wrote {
            bytes: self.bytes,
            lengths: self.exec.lengths(),
            all: wrote_all,
            must_be_whole: wrote_all && !streams,
            // Nothing tells the end of its streams from a cut between two frames. Silence is told.
            unseen_cut: streams
                && is_past_head(self.case.fault)
                && !matches!(self.case.fault, Fault::StallAt(_)),
        };
        let mut problems = Vec::new();
        check_output(&wrote, &exit, &captured, &mut problems);
        problems.into_iter().for_each(|problem| self.says(format!("process: {problem}")));
    }

    fn loses_streams(&self) -> bool {
        let broken = matches!(self.case.fault, Fault::Truncate(_) | Fault::HalfClose(_))
            || self.case.fault == Fault::DuplicateReply;
        self.case.step == Step::ExecStart && broken
    }

    fn may_end_so(&self, exit: &Exit) -> bool {
        let lost = self.case.step == Step::ExecInspect && self.case.often == Often::UntilClose;
        match (self.case.action, &exit.outcome) {
            (_, Outcome::Lost) => lost && EXEC.contains(&self.case.step),
            (Action::Cancel, outcome) => *outcome == Outcome::Cancelled,
            (Action::Close, Outcome::Cancelled) => true,
            // An engine ends a process whose connection is cut, and then calls this its code.
            (_, Outcome::Code(126)) => self.loses_streams(),
            // The end of the task takes it along.
            (Action::Deadline, outcome) => *outcome != Outcome::Code(0),
            (_, outcome) => *outcome == Outcome::Code(0),
        }
    }
}
