//! One task that watches over a container from its start to its end: time, limits, requests to end
//! it, and how it ended.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use longshore_driver_api::{
    Exit, OutputReport, OverLimit, SentFor, Signal, StreamEnd, StreamReport, TaskIo,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::clock::{Clock, until};
use super::deliver::{deliver, stop_signal};
use super::end::{End, end_of, facts_of};
use super::output::{LAST_CALL, Output, ReadEnd, Signals};
use super::sink::Sink;
use super::start::Unwatched;
use super::{Stopping, cut, input, stats};
use crate::client::stream::{FromContainer, RawStream};
use crate::client::wait::PendingWait;
use crate::container::core::{Core, Stage};

/// What a supervisor begins with.
pub(super) struct Supervisor {
    pub(super) core: Arc<Core>,
    pub(super) id: String,
    pub(super) wait: PendingWait,
    pub(super) attached: Option<RawStream>,
    pub(super) io: TaskIo,
    pub(super) requests: mpsc::UnboundedReceiver<Stopping>,
    pub(super) start_time: Duration,
    pub(super) unwatched: Unwatched,
}

/// Why the task ends, as far as the driver has a part in it.
#[derive(Debug, Default)]
struct Reasons {
    cancelled: bool,
    timed_out: bool,
    output_limit: bool,
    stopped: bool,
}

/// A task that is ended when its handle goes.
struct Helper(Option<JoinHandle<()>>);

impl Helper {
    /// Ends it, and returns when it is.
    async fn end(mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Watches over a started container to its end, and says how it ended.
pub(super) async fn supervise(supervisor: Supervisor) {
    let Supervisor { core, id, wait, attached, io, mut requests, start_time, unwatched } =
        supervisor;
    let started = Instant::now();
    let signals = Signals::default();
    let TaskIo { stdin, stdout, stderr, stats: sink, .. } = io;
    let (from, to) = attached.map(RawStream::split).unzip();
    let input = Helper(match (stdin, to) {
        (Some(reader), Some(to)) => {
            Some(core.shared.tasks.spawn(input::pump(reader, to, core.spec.tty)))
        }
        _ => None,
    });
    let figures = Helper(
        sink.map(|sink| core.shared.tasks.spawn(stats::pump(Arc::clone(&core), id.clone(), sink))),
    );
    let limit = core.spec.limits.output;
    let bytes = limit.map(|limit| limit.bytes.bytes());
    let output = Output { stdout: Sink::new(stdout, bytes), stderr: Sink::new(stderr, bytes) };
    let tty = core.spec.tty;
    let mut pump = spawn_pump(&core, output, from, tty, &signals);
    let stops_beyond = limit.is_some_and(|limit| limit.then == OverLimit::Stop);

    let mut reasons = Reasons::default();
    let mut clock = Clock::start(core.spec.timeout);
    let mut frozen = core.frozen.subscribe();
    let mut kill_at: Option<(Instant, SentFor)> = None;
    let mut give_up: Option<Instant> = None;
    let mut asked: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    let mut pumped: Option<(OutputReport, ReadEnd)> = None;
    let mut was_cut: Option<bool> = None;
    let mut finding_out: BoxFuture<'_, bool> = Box::pin(pending());
    let send = |signal, reason| -> BoxFuture<'_, ()> {
        let (core, id) = (&core, &id);
        Box::pin(async move {
            if let Err(error) = deliver(core, id, signal, reason).await {
                tracing::warn!(container = core.name, %error, "a signal could not be sent");
            }
        })
    };
    // How long a kill may take to show.
    let patience = core.shared.timeouts.work;
    let ended = {
        let mut end = std::pin::pin!(end_of(&core, &id, wait));
        loop {
            tokio::select! {
                biased;
                end = &mut end => break end,
                () = core.ending.cancelled(), if !reasons.cancelled => {
                    // The removal kills it.
                    reasons.cancelled = true;
                    signals.hurry.cancel();
                    give_up = Some(Instant::now() + patience);
                }
                () = core.cancel.cancelled(), if !reasons.cancelled => {
                    reasons.cancelled = true;
                    signals.hurry.cancel();
                    give_up = Some(Instant::now() + patience);
                    asked.push(send(Signal::KILL, SentFor::Cancel));
                }
                () = signals.over_limit.cancelled(), if stops_beyond && !reasons.output_limit => {
                    reasons.output_limit = true;
                    signals.hurry.cancel();
                    give_up.get_or_insert(Instant::now() + patience);
                    asked.push(send(Signal::KILL, SentFor::OutputLimit));
                }
                () = until(clock.end()), if !reasons.timed_out => {
                    reasons.timed_out = true;
                    signals.asked.cancel();
                    kill_at = sooner(kill_at, core.spec.stop.grace, SentFor::Timeout);
                    let (core, id) = (&core, &id);
                    asked.push(Box::pin(async move {
                        let signal = stop_signal(core, id).await;
                        let _ = deliver(core, id, signal, SentFor::Timeout).await;
                    }));
                }
                Some(stop) = requests.recv() => {
                    reasons.stopped = true;
                    signals.asked.cancel();
                    kill_at = sooner(kill_at, stop.grace, SentFor::Stop);
                    let (core, id) = (&core, &id);
                    asked.push(Box::pin(async move {
                        let signal = stop_signal(core, id).await;
                        let result = deliver(core, id, signal, SentFor::Stop).await;
                        // Who asked may have gone.
                        let _ = stop.asked.send(result);
                    }));
                }
                () = until(kill_at.map(|(at, _)| at)) => {
                    if let Some((_, reason)) = kill_at.take() {
                        signals.hurry.cancel();
                        give_up.get_or_insert(Instant::now() + patience);
                        asked.push(send(Signal::KILL, reason));
                    }
                }
                () = until(give_up) => {
                    let trouble = "the engine did not end the task after it was killed";
                    break End { code: None, trouble: Some(trouble.to_owned()) };
                }
                Some(()) = asked.next(), if !asked.is_empty() => {}
                Ok(()) = frozen.changed() => clock.hold(*frozen.borrow_and_update()),
                done = &mut pump, if pumped.is_none() => {
                    let done = done.unwrap_or_else(|_| nothing_known());
                    if done.1 == ReadEnd::Closed && from_wanted(&core) {
                        let (core, id) = (&core, &id);
                        finding_out = Box::pin(async move {
                            tokio::time::sleep(cut::FOLLOWS).await;
                            cut::was_cut(core, id).await
                        });
                    }
                    pumped = Some(done);
                }
                cut = &mut finding_out, if was_cut.is_none() => {
                    was_cut = Some(cut);
                    finding_out = Box::pin(pending());
                }
            }
        }
    };
    let run_time = started.elapsed();
    drop(finding_out);
    // A signal that ended the task counts as sent, though the end came before the answer.
    let answers = async { while asked.next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_CALL, answers).await;
    drop(asked);
    core.stage.send_replace(Stage::Exited);
    signals.exited.cancel();
    // Those who ask for a stop from now on are told that it has ended.
    requests.close();
    input.end().await;
    figures.end().await;
    let drain_begun = Instant::now();
    // Without the end of the task nothing says that the end of its output came with it.
    let lost = ended.code.is_none() && !core.ending.is_cancelled();
    let facts = async {
        let mut facts = facts_of(&core, &id, ended).await;
        facts.cancelled = reasons.cancelled;
        facts.timed_out = reasons.timed_out;
        facts.output_limit = reasons.output_limit;
        facts.stopped = reasons.stopped;
        facts
    };
    let drained = async {
        match pumped {
            Some(done) => done,
            None => drain(&core, &reasons, &clock, &signals, &mut pump).await,
        }
    };
    let (facts, (mut report, _)) = tokio::join!(facts, drained);
    if was_cut == Some(true) || lost {
        report = cut_short(report);
    }
    let mut exit = Exit::from_facts(facts);
    exit.output = report;
    (exit.timings.image, exit.timings.create) = core.times();
    exit.timings.start = Some(start_time);
    exit.timings.run = Some(run_time);
    exit.timings.drain = Some(drain_begun.elapsed());
    core.exit.send_replace(Some(Arc::new(exit)));
    drop(unwatched);
}

type Pump = JoinHandle<(OutputReport, ReadEnd)>;

fn spawn_pump(
    core: &Core,
    output: Output,
    from: Option<FromContainer>,
    tty: bool,
    signals: &Signals,
) -> Pump {
    let signals = signals.clone();
    core.shared.tasks.spawn(async move {
        match from {
            Some(from) => output.pump(from, tty, signals).await,
            None => output.pump(tokio::io::empty(), tty, signals).await,
        }
    })
}

/// Waits for the rest of the output. The caller's cancel, the timeout and closing end that wait.
async fn drain(
    core: &Core,
    reasons: &Reasons,
    clock: &Clock,
    signals: &Signals,
    pump: &mut Pump,
) -> (OutputReport, ReadEnd) {
    let nobody_waits = async {
        if !reasons.cancelled && !reasons.timed_out && !reasons.output_limit {
            tokio::select! {
                () = core.cancel.cancelled() => {}
                () = core.ending.cancelled() => {}
                () = until(clock.end()) => {}
            }
        }
        tokio::time::sleep(LAST_CALL).await;
    };
    tokio::select! {
        biased;
        done = &mut *pump => return done.unwrap_or_else(|_| nothing_known()),
        () = nobody_waits => signals.abandon.cancel(),
    }
    pump.await.unwrap_or_else(|_| nothing_known())
}

fn sooner(
    kill_at: Option<(Instant, SentFor)>,
    grace: Duration,
    reason: SentFor,
) -> Option<(Instant, SentFor)> {
    match (kill_at, Instant::now().checked_add(grace)) {
        (Some(known), Some(at)) if known.0 <= at => Some(known),
        (_, Some(at)) => Some((at, reason)),
        (known, None) => known,
    }
}

fn from_wanted(core: &Core) -> bool {
    core.streams.stdout || core.streams.stderr
}

/// The caller's writer panicked, and took the pump with it.
fn nothing_known() -> (OutputReport, ReadEnd) {
    let failed = StreamReport::new(StreamEnd::WriterFailed, 0, 0);
    (OutputReport::new(failed, failed), ReadEnd::Abandoned)
}

fn cut_short(report: OutputReport) -> OutputReport {
    let cut = |stream: StreamReport| match stream.end {
        StreamEnd::Unverified => {
            StreamReport::new(StreamEnd::Cut, stream.delivered, stream.discarded)
        }
        _ => stream,
    };
    OutputReport::new(cut(report.stdout), cut(report.stderr))
}
