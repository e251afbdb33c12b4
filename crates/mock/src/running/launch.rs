//! Attaches a task's streams, then starts its process.

use std::sync::Arc;

use longshore_driver_api::{
    Loan, OverLimit, SentFor, StatsSink, StreamEnd, TaskHooks, TaskIo, TaskSpec, Timings,
};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::pump::{Delivery, Progress, Sink, Source};
use super::run::{Run, Wish};
use super::supervise::supervise;
use crate::driver::Inner;
use crate::engine::Power;
use crate::pipe::{Reader, Tap, Unread, Writer, pipe};
use crate::process::{In, Out, Streams};
use crate::sandbox::{Sandbox, Taps};

/// What the supervisor of a task works with.
pub(super) struct Attached {
    pub(super) feed: Option<(Source, Writer)>,
    pub(super) stdout: Option<Delivery>,
    pub(super) stderr: Option<Delivery>,
    pub(super) stats: Option<Box<dyn StatsSink>>,
    /// What the task has borrowed, and whom to tell when it is lost.
    pub(super) loan: Option<(Arc<Loan>, Arc<dyn TaskHooks>)>,
    pub(super) timings: Timings,
    pub(super) started: Instant,
    pub(super) power: Power,
}

impl Run {
    /// Starts the task's process in its sandbox. What watches over it is there before.
    pub(crate) fn launch(
        driver: &Arc<Inner>,
        sandbox: &Arc<Sandbox>,
        handle: &Handle,
        io: TaskIo,
        hooks: Arc<dyn TaskHooks>,
        image: &str,
        timings: Timings,
    ) -> Arc<Self> {
        let engine = &driver.engine;
        let stop_signal = engine.stop_signal(&sandbox.spec, image);
        let run = Arc::new(Self::new(Arc::clone(driver), Arc::clone(sandbox), stop_signal));
        let (streams, mut attached) = run.attach(io, timings);
        attached.loan = sandbox.loan().map(|loan| (loan, hooks));
        driver.spawn(supervise(Arc::clone(&run), attached, handle.clone()), handle);
        match engine.program(&sandbox.spec, image) {
            (Ok(program), argv) => sandbox.start(&program, argv, streams),
            (Err(why), _) => sandbox.fail_to_start(why),
        }
        run
    }

    fn attach(&self, io: TaskIo, timings: Timings) -> (Streams, Attached) {
        let (stdin, feed) = match io.stdin {
            Some(source) => {
                let (writer, reader) = pipe(Unread::Fail);
                (In::Pipe(reader), Some((source, writer)))
            }
            None => (In::Empty, None),
        };
        let (out, stdout) = self.output(io.stdout);
        // A terminal is one stream.
        let tty = self.spec().tty;
        let (err, stderr) = if tty { (out.clone(), None) } else { self.output(io.stderr) };
        if self.spec().recoverable_for.is_some() {
            let taps =
                Taps { stdout: self.tap(&out), stderr: (!tty).then(|| self.tap(&err)).flatten() };
            *self.sandbox.taps.lock() = taps;
        }
        self.delivers(stdout.as_ref(), stderr.as_ref());
        let streams = Streams { stdin, stdout: out, stderr: err };
        let attached = Attached {
            feed,
            stdout,
            stderr,
            stats: io.stats,
            loan: None,
            timings,
            started: Instant::now(),
            power: self.driver.engine.power(),
        };
        (streams, attached)
    }

    /// What a later owner finds a stream's output by.
    fn tap(&self, out: &Out) -> Option<Tap> {
        let Out::Pipe(writer) = out else { return None };
        let tap = writer.tap();
        if keeps_output(self.spec()) {
            tap.keep();
        }
        Some(tap)
    }

    fn output(&self, sink: Option<Sink>) -> (Out, Option<Delivery>) {
        if sink.is_none() && self.spec().recoverable_for.is_none() {
            return (Out::Null, None);
        }
        let (writer, from): (_, Reader) = pipe(Unread::Discard);
        (Out::Pipe(writer), sink.map(|to| self.delivery(from, to, 0, false)))
    }

    /// Carries a stream on from this position; `cut` if bytes before it are missing.
    pub(super) fn delivery(&self, from: Reader, to: Sink, position: u64, cut: bool) -> Delivery {
        let whole = match self.driver.config.capabilities.output_end {
            _ if cut => StreamEnd::Cut,
            true => StreamEnd::Complete,
            false => StreamEnd::Unverified,
        };
        let limit = self.spec().limits.output.map(|limit| limit.bytes.bytes());
        let limit = limit.map(|limit| limit.saturating_sub(position));
        let progress = Arc::new(Progress::from(position));
        Delivery { from, to, limit, whole, progress }
    }

    /// Takes note of where it is seen how much was delivered.
    pub(super) fn delivers(&self, stdout: Option<&Delivery>, stderr: Option<&Delivery>) {
        let progress = |it: Option<&Delivery>| it.map(|it| Arc::clone(&it.progress));
        *self.progress.lock() = [progress(stdout), progress(stderr)];
    }

    /// A stream went beyond its limit.
    pub(super) fn beyond_limit(&self) {
        let then = self.spec().limits.output.map(|limit| limit.then);
        if then == Some(OverLimit::Stop) {
            self.wish(|will| {
                will.output_limit = true;
                if !will.over {
                    will.wishes.push(Wish::Kill(SentFor::OutputLimit));
                }
            });
        }
    }
}

/// Whether the engine keeps a task's output, so that it can be delivered to a later owner.
pub(super) fn keeps_output(spec: &TaskSpec) -> bool {
    spec.log.driver == "local"
}
