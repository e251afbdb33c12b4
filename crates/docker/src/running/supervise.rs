//! One task that watches over a container from its start to its end: time, limits, requests to end
//! it, and how it ended.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use longshore_driver_api::{
    Exit, Lost, OutputReport, OverLimit, SentFor, Signal, StreamEnd, StreamReport, TaskIo,
};
use longshore_host::Moment;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::clock::until;
use super::deliver::{ask_to_end, deliver, kill};
use super::drain::drain;
use super::end::{End, KILLED, Waiting, end_of, facts_of};
use super::log::Log;
use super::output::{LAST_CALL, Output, ReadEnd, Signals};
use super::sink::Sink;
use super::start::Unwatched;
use super::{Stopping, cut, input, stats};
use crate::borrow;
use crate::client::stream::{FromContainer, RawStream};
use crate::container::core::{Core, Stage};
use crate::events::Follower;
use crate::meter;

/// What a supervisor begins with.
pub(super) struct Supervisor {
    pub(super) core: Arc<Core>,
    pub(super) id: String,
    pub(super) wait: Waiting,
    pub(super) told: Follower,
    pub(super) source: Source,
    /// What of the output was lost before.
    pub(super) lost: Lost,
    pub(super) io: TaskIo,
    pub(super) requests: mpsc::UnboundedReceiver<Stopping>,
    pub(super) start_time: Option<Duration>,
    /// The task was started no earlier.
    pub(super) begun: Moment,
    pub(super) unwatched: Unwatched,
}

/// Where the output comes from.
pub(crate) enum Source {
    /// The attached streams, if any are wanted.
    Streams(Option<RawStream>),
    /// What the engine keeps, from where it was delivered.
    Log(Log),
}

/// Why the task ends, as far as the driver has a part in it.
#[derive(Debug, Default)]
struct Reasons {
    cancelled: bool,
    timed_out: bool,
    output_limit: bool,
    stopped: bool,
}

impl Reasons {
    fn any(&self) -> bool {
        self.cancelled || self.timed_out || self.output_limit || self.stopped
    }
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
    let Supervisor {
        core,
        id,
        wait,
        told,
        source,
        lost,
        io,
        mut requests,
        start_time,
        begun,
        unwatched,
    } = supervisor;
    let signals = Signals::default();
    let TaskIo { stdin, stdout, stderr, stats: sink, .. } = io;
    let (from, to, relay) = match source {
        Source::Streams(attached) => {
            let (from, to) = attached.map(RawStream::split).unzip();
            (from, to, None)
        }
        Source::Log(log) => {
            let (from, relay) = log.relay(&core, &id, &signals.exited);
            (Some(from), None, Some(relay))
        }
    };
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
    let sink = |writer, position: &Arc<AtomicU64>| {
        let begin = position.load(Ordering::Relaxed);
        Sink::new(writer, bytes.map(|bytes| bytes.saturating_sub(begin))).telling(position)
    };
    let [out, err] = &core.delivered;
    let (stdout, stderr) = (sink(stdout, out), sink(stderr, err));
    let output = Output { stdout, stderr, relayed: relay.is_some() };
    let tty = core.spec.tty;
    let mut pump = spawn_pump(&core, output, from, tty, &signals);
    let stops_beyond = limit.is_some_and(|limit| limit.then == OverLimit::Stop);

    let mut reasons = Reasons::default();
    let clock = &core.clock;
    let mut frozen = core.frozen.subscribe();
    clock.lock().hold(*frozen.borrow_and_update());
    let mut kill_at: Option<(Instant, SentFor)> = None;
    let mut give_up: Option<Instant> = None;
    let mut asked: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    let mut pumped: Option<(OutputReport, ReadEnd)> = None;
    let mut was_cut: Option<bool> = None;
    let doubt = cut::Doubt::default();
    let mut finding_out: BoxFuture<'_, bool> = Box::pin(pending());
    let killing = |reason| -> BoxFuture<'_, ()> { Box::pin(kill(&core, &id, reason)) };
    // How long a kill may take to show.
    let patience = core.shared.timeouts.work;
    let mut ended = {
        let mut end = std::pin::pin!(end_of(&core, &id, wait, &told));
        let mut never = std::pin::pin!(borrow::tell_of_loss(core.loan(), Arc::clone(&core.hooks)));
        loop {
            tokio::select! {
                biased;
                end = &mut end => break end,
                never = &mut never => match never {},
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
                    asked.push(killing(SentFor::Cancel));
                }
                () = signals.over_limit.cancelled(), if stops_beyond && !reasons.output_limit => {
                    reasons.output_limit = true;
                    signals.hurry.cancel();
                    give_up.get_or_insert(Instant::now() + patience);
                    asked.push(killing(SentFor::OutputLimit));
                }
                () = until(clock.lock().end()), if !reasons.timed_out => {
                    reasons.timed_out = true;
                    signals.asked.cancel();
                    kill_at = sooner(kill_at, core.spec.stop.grace, SentFor::Timeout);
                    // Without grace there is nothing to ask for.
                    if !core.spec.stop.grace.is_zero() {
                        let (core, id, killed) = (&core, &id, &signals.hurry);
                        asked.push(Box::pin(async move {
                            let _ = ask_to_end(core, id, SentFor::Timeout, killed).await;
                        }));
                    }
                }
                Some(stop) = requests.recv() => {
                    reasons.stopped = true;
                    signals.asked.cancel();
                    let asks = !stop.grace.is_zero();
                    if asks {
                        kill_at = sooner(kill_at, stop.grace, SentFor::Stop);
                    } else {
                        signals.hurry.cancel();
                        give_up.get_or_insert(Instant::now() + patience);
                    }
                    let (core, id, killed) = (&core, &id, &signals.hurry);
                    asked.push(Box::pin(async move {
                        let result = if asks {
                            ask_to_end(core, id, SentFor::Stop, killed).await
                        } else {
                            deliver(core, id, Signal::KILL, SentFor::Stop).await
                        };
                        let again = !asks && result.is_err();
                        // Who asked may have gone.
                        let _ = stop.asked.send(result);
                        if again {
                            kill(core, id, SentFor::Stop).await;
                        }
                    }));
                }
                () = until(kill_at.map(|(at, _)| at)) => {
                    if let Some((_, reason)) = kill_at.take() {
                        signals.hurry.cancel();
                        give_up.get_or_insert(Instant::now() + patience);
                        asked.push(killing(reason));
                    }
                }
                () = until(give_up) => {
                    let trouble = "the engine did not end the task after it was killed";
                    break End { trouble: Some(trouble.to_owned()), ..End::default() };
                }
                Some(()) = asked.next(), if !asked.is_empty() => {}
                Ok(()) = frozen.changed() => clock.lock().hold(*frozen.borrow_and_update()),
                done = &mut pump, if pumped.is_none() => {
                    let done = done.unwrap_or_else(|_| nothing_known());
                    if done.1 == ReadEnd::Closed && from_wanted(&core) && relay.is_none() {
                        let (core, id, doubt) = (&core, &id, &doubt);
                        finding_out = Box::pin(async move {
                            tokio::time::sleep(cut::FOLLOWS).await;
                            cut::was_cut(core, id, doubt).await
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
    // The removal may have killed it, and that been told, before anybody watched over it.
    reasons.cancelled |= core.ending.is_cancelled() && ended.code == Some(KILLED);
    ended.is_decided = reasons.any();
    // What becomes of its network from now on is nothing to it any more.
    let loan = core.loan();
    let network = loan.map(|loan| loan.report()).unwrap_or_default();
    let run_time = clock.lock().all();
    drop(finding_out);
    // It outlived its output, and nobody could tell why.
    let was_cut = was_cut.unwrap_or_else(|| doubt.is_open());
    // A signal that ended the task counts as sent, though the end came before the answer.
    let answers = async { while asked.next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_CALL, answers).await;
    drop(asked);
    core.stage.send_replace(Stage::Exited);
    // What stood still does so no more: the timeout bounds the wait for a reader, too.
    clock.lock().hold(false);
    signals.exited.cancel();
    // Those who ask for a stop from now on are told that it has ended.
    requests.close();
    while requests.try_recv().is_ok() {}
    input.end().await;
    figures.end().await;
    let drain_begun = Instant::now();
    let facts = async {
        // Apart, so that whoever waits for the end holds no room for what comes after it.
        let mut facts = Box::pin(facts_of(&core, &id, (ended, begun), &told)).await;
        facts.cancelled = reasons.cancelled;
        facts.timed_out = reasons.timed_out;
        facts.output_limit = reasons.output_limit;
        facts.stopped = reasons.stopped;
        facts
    };
    let drained = async {
        match pumped {
            Some(done) => done,
            None => {
                let nobody_waits = nobody_waits(&core, &reasons);
                drain(&mut pump, nobody_waits, &signals, nothing_known).await
            }
        }
    };
    let (mut facts, (mut report, _)) = tokio::join!(facts, drained);
    // Without the end of the task nothing says that the end of its output came with it.
    let end_is_lost = facts.code.is_none() && !core.ending.is_cancelled();
    // A quick task may have ended by itself before what it wrote was read here.
    facts.output_limit |= stops_beyond && signals.over_limit.is_cancelled();
    let is_whole = match relay {
        Some(relay) => relay.was_whole().await,
        None => true,
    };
    if was_cut || end_is_lost || !is_whole {
        report = cut_short(report);
    }
    report = with_losses(report, lost);
    let mut exit = Exit::from_facts(facts);
    exit.output = report;
    core.fill(&mut exit);
    exit.network = network;
    exit.timings.start = start_time;
    exit.timings.run = Some(run_time);
    exit.timings.drain = Some(drain_begun.elapsed());
    meter::exit(&exit);
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

/// Returns once nobody waits for the rest of the output: the caller's cancel, the timeout and closing
/// end that wait.
async fn nobody_waits(core: &Core, reasons: &Reasons) {
    if !reasons.cancelled && !reasons.timed_out && !reasons.output_limit {
        tokio::select! {
            () = core.cancel.cancelled() => {}
            () = core.ending.cancelled() => {}
            () = until(core.clock.lock().end()) => {}
        }
    }
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

/// A stream of which something was lost before is not whole, whatever its end says.
fn with_losses(report: OutputReport, lost: Lost) -> OutputReport {
    let cut = cut_short(report);
    OutputReport::new(
        if lost.stdout.is_loss() { cut.stdout } else { report.stdout },
        if lost.stderr.is_loss() { cut.stderr } else { report.stderr },
    )
}

/// What became of streams whose end proves nothing, because the task's own was not seen.
pub(crate) fn cut_short(report: OutputReport) -> OutputReport {
    let cut = |stream: StreamReport| match stream.end {
        StreamEnd::Unverified => {
            StreamReport::new(StreamEnd::Cut, stream.delivered, stream.discarded)
        }
        _ => stream,
    };
    OutputReport::new(cut(report.stdout), cut(report.stderr))
}
