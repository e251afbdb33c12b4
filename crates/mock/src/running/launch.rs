//! Attaches a task's streams, then starts its process.

use std::sync::Arc;

use longshore_driver_api::{OverLimit, SentFor, StatsSink, StreamEnd, TaskIo, Timings};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::pump::{Delivery, Progress, Sink, Source};
use super::run::{Run, Wish};
use super::supervise::supervise;
use crate::driver::Inner;
use crate::engine::Power;
use crate::pipe::{Reader, Unread, Writer, pipe};
use crate::process::{In, Out, Streams};
use crate::sandbox::Sandbox;

/// What the supervisor of a task works with.
pub(super) struct Attached {
    pub(super) feed: Option<(Source, Writer)>,
    pub(super) stdout: Option<Delivery>,
    pub(super) stderr: Option<Delivery>,
    pub(super) stats: Option<Box<dyn StatsSink>>,
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
        image: &str,
        timings: Timings,
    ) -> Arc<Self> {
        let engine = &driver.engine;
        let stop_signal = engine.stop_signal(&sandbox.spec, image);
        let run = Arc::new(Self::new(Arc::clone(driver), Arc::clone(sandbox), stop_signal));
        let (streams, attached) = run.attach(io, timings);
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
        let (err, stderr) =
            if self.spec().tty { (out.clone(), None) } else { self.output(io.stderr) };
        let streams = Streams { stdin, stdout: out, stderr: err };
        let attached = Attached {
            feed,
            stdout,
            stderr,
            stats: io.stats,
            timings,
            started: Instant::now(),
            power: self.driver.engine.power(),
        };
        (streams, attached)
    }

    fn output(&self, sink: Option<Sink>) -> (Out, Option<Delivery>) {
        let Some(to) = sink else { return (Out::Null, None) };
        let (writer, from): (_, Reader) = pipe(Unread::Discard);
        let whole = if self.driver.config.capabilities.output_end {
            StreamEnd::Complete
        } else {
            StreamEnd::Unverified
        };
        let limit = self.spec().limits.output.map(|limit| limit.bytes.bytes());
        let progress = Arc::<Progress>::default();
        (Out::Pipe(writer), Some(Delivery { from, to, limit, whole, progress }))
    }

    /// A stream went beyond its limit.
    pub(super) fn beyond_limit(&self) {
        let then = self.spec().limits.output.map(|limit| limit.then);
        if then == Some(OverLimit::Stop) {
            self.wish(|will| {
                if !will.over {
                    will.output_limit = true;
                    will.wishes.push(Wish::Kill(SentFor::OutputLimit));
                }
            });
        }
    }
}
