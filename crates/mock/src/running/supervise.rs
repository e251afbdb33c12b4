//! Watches over a running task, whether or not anybody waits for it.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use longshore_driver_api::{
    Error, ErrorKind, Exit, Loan, Result, SentFor, Signal, StatsSink, TaskHooks,
};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use super::drain::Deliveries;
use super::launch::Attached;
use super::run::{Run, Seen, Wish};
use super::stats::Meter;
use crate::Op;
use crate::engine::Power;
use crate::rule::Then;

/// From the start of the process until its exit is published.
pub(super) async fn supervise(run: Arc<Run>, attached: Attached, handle: Handle) {
    let _guard = PublishOnDrop(Arc::clone(&run));
    let Attached { feed, stdout, stderr, stats, loan, timings, started, power } = attached;
    let mut feeding = JoinSet::new();
    if let Some((from, to)) = feed {
        feeding.spawn_on(super::pump::feed(from, to), &handle);
    }
    let deliveries = Deliveries::start(&run, stdout, stderr, &handle);
    let seen = tokio::select! {
        biased;
        seen = Watch::new(&run, &handle, stats).until_over(power) => seen,
        never = tell_of_loss(loan.as_ref()) => match never {},
    };
    let network = loan.as_ref().map(|(loan, _)| loan.report());
    drop(loan);
    let over = Instant::now();
    let mut facts = run.see(&seen);
    feeding.shutdown().await;
    let lost = matches!(seen, Seen::Lost(_));
    let output = deliveries.drain(&run, lost).await;
    // A quick task may have ended by itself before all that it wrote was delivered.
    facts.output_limit = run.will.lock().output_limit;
    let mut exit = Exit::from_facts(facts);
    exit.output = output;
    exit.timings = timings;
    exit.network = network.unwrap_or_default();
    exit.timings.run = Some(over.duration_since(started));
    exit.timings.drain = Some(over.elapsed());
    run.publish(exit);
}

/// Tells when what the task has borrowed is lost, and goes on waiting for ever.
async fn tell_of_loss(loan: Option<&(Arc<Loan>, Arc<dyn TaskHooks>)>) -> Infallible {
    if let Some((loan, hooks)) = loan {
        hooks.network_lost(&loan.until_lost().await);
    }
    std::future::pending().await
}

/// The runtime may end, or the owner be killed, before the task is over.
struct PublishOnDrop(Arc<Run>);

impl Drop for PublishOnDrop {
    fn drop(&mut self) {
        if !self.0.is_over() {
            self.0.lose("the runtime that watched over the task has ended");
        }
    }
}

struct Watch<'a> {
    run: &'a Arc<Run>,
    handle: &'a Handle,
    stats: Option<(Box<dyn StatsSink>, Meter)>,
    actions: JoinSet<Acted>,
    killing: bool,
    /// When the grace after a stop signal has passed, and why it was sent.
    kill_at: Option<(Instant, SentFor)>,
    /// When the end should have been heard of, after a kill.
    heard_by: Option<Instant>,
}

enum Acted {
    TimedOut(Result<()>),
    Stopped(Duration, Result<()>, oneshot::Sender<Error>),
    Killed(Result<()>),
}

impl<'a> Watch<'a> {
    fn new(run: &'a Arc<Run>, handle: &'a Handle, stats: Option<Box<dyn StatsSink>>) -> Self {
        let stats = stats.map(|sink| (sink, Meter::new(&run.sandbox)));
        let actions = JoinSet::new();
        Self { run, handle, stats, actions, killing: false, kill_at: None, heard_by: None }
    }

    async fn until_over(mut self, power: Power) -> Seen {
        let run = self.run;
        let mut end = pin!(end_of(run, power));
        let mut deadline = pin!(deadline(run));
        let period = run.spec().stats_interval.unwrap_or(run.driver.config.stats_interval);
        let period = period.max(Duration::from_millis(1));
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut timed_out = false;
        loop {
            let wishes = std::mem::take(&mut run.will.lock().wishes);
            for wish in wishes {
                match wish {
                    Wish::Kill(reason) => self.kill(reason),
                    Wish::Stop(grace, reply) => self.stop(grace, reply),
                    Wish::Listen => self.listen(),
                    Wish::Abandon => return unreachable_end(),
                }
            }
            let (kill_at, heard_by) = (self.kill_at, self.heard_by);
            tokio::select! {
                biased;
                seen = &mut end => return seen,
                Some(acted) = self.actions.join_next() => {
                    if let Ok(acted) = acted && let Some(seen) = self.acted(acted) {
                        return seen;
                    }
                }
                () = run.nudge.notified() => {}
                () = &mut deadline, if !timed_out => {
                    timed_out = true;
                    self.time_out();
                }
                () = sleep_until(at(kill_at.map(|(at, _)| at))), if kill_at.is_some() => {
                    if let Some((_, reason)) = self.kill_at.take() {
                        self.kill(reason);
                    }
                }
                () = sleep_until(at(heard_by)), if heard_by.is_some() => return unreachable_end(),
                _ = ticks.tick(), if self.stats.is_some() => {
                    if let Some((sink, meter)) = &mut self.stats {
                        sink.sample(meter.sample(&run.driver.engine, &run.sandbox));
                    }
                }
            }
        }
    }

    fn time_out(&mut self) {
        self.run.will.lock().timed_out = true;
        let run = Arc::clone(self.run);
        let asked = async move { Acted::TimedOut(ask_to_stop(&run, SentFor::Timeout).await) };
        self.actions.spawn_on(asked, self.handle);
    }

    fn stop(&mut self, grace: Duration, reply: oneshot::Sender<Error>) {
        let run = Arc::clone(self.run);
        let asked =
            async move { Acted::Stopped(grace, ask_to_stop(&run, SentFor::Stop).await, reply) };
        self.actions.spawn_on(asked, self.handle);
    }

    fn kill(&mut self, reason: SentFor) {
        if !std::mem::replace(&mut self.killing, true) {
            let run = Arc::clone(self.run);
            let killed = async move { Acted::Killed(kill(&run, reason).await) };
            self.actions.spawn_on(killed, self.handle);
        }
    }

    fn acted(&mut self, acted: Acted) -> Option<Seen> {
        match acted {
            Acted::TimedOut(Ok(())) => {
                self.grace(self.run.spec().stop.grace, SentFor::Timeout);
            }
            // The grace is for a task that was asked.
            Acted::TimedOut(Err(_)) => self.kill(SentFor::Timeout),
            Acted::Stopped(grace, Ok(()), _) => self.grace(grace, SentFor::Stop),
            Acted::Stopped(_, Err(error), reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(error);
            }
            Acted::Killed(Ok(())) => self.listen(),
            Acted::Killed(Err(error)) => return Some(Seen::Lost(error)),
        }
        None
    }

    /// The process has no reason to live on: its end is heard of within the bound of a call, or not
    /// at all.
    fn listen(&mut self) {
        let by = || Instant::now().checked_add(self.run.driver.config.call_timeout);
        self.heard_by = self.heard_by.or_else(by);
    }

    /// Kills after this time, or earlier if that was said before.
    fn grace(&mut self, grace: Duration, reason: SentFor) {
        let at = at(Instant::now().checked_add(grace));
        if self.kill_at.is_none_or(|(earlier, _)| at < earlier) {
            self.kill_at = Some((at, reason));
        }
    }
}

/// A time so far away that it does not come stands in for none.
fn at(time: Option<Instant>) -> Instant {
    time.unwrap_or_else(|| Instant::now() + Duration::from_secs(60 * 60 * 24 * 365))
}

fn unreachable_end() -> Seen {
    let text = "the engine did not say how the killed task ended";
    Seen::Lost(Error::new(ErrorKind::Deadline, Op::Wait.name()).message(text))
}

/// The driver's wait for the end of the process, as the engine answers it.
async fn end_of(run: &Run, power: Power) -> Seen {
    let engine = &run.driver.engine;
    let spec = run.spec();
    let plan = run.driver.plan(Op::Wait, Some(spec));
    let entry = engine.log.begin(Op::Wait, run.driver.owner(), Some(&spec.id));
    let answer = async {
        let life = run.sandbox.over().await;
        sleep(plan.delay).await;
        match plan.then {
            Then::Never => std::future::pending().await,
            then => then.reply(|| {
                life.end.ok_or_else(|| {
                    Error::new(ErrorKind::NotFound, Op::Wait.name())
                        .message(format!("the container of task {:?} is gone", spec.id))
                })
            }),
        }
    };
    let result = tokio::select! {
        biased;
        error = engine.cut_off(Op::Wait, power) => Err(error),
        answer = answer => answer,
    };
    entry.end(&result);
    match result {
        Ok(died) => Seen::Died(died),
        Err(error) => Seen::Lost(error),
    }
}

/// Comes when the task's timeout has passed, in which frozen time does not count.
pub(super) async fn deadline(run: &Run) {
    match run.spec().timeout {
        Some(timeout) => run.sandbox.freezer.reaches(timeout).await,
        None => std::future::pending().await,
    }
}

async fn ask_to_stop(run: &Run, reason: SentFor) -> Result<()> {
    let effect = || {
        run.note(run.stop_signal, reason);
        // A frozen task hears nothing.
        if run.sandbox.freezer.is_frozen() {
            run.sandbox.unfreeze();
        }
        run.sandbox.signal(run.stop_signal);
        Ok(())
    };
    run.driver.ask(Op::Stop, Some(run.spec()), effect).await
}

/// Kills it, and tries again a few times: nobody else will.
async fn kill(run: &Run, reason: SentFor) -> Result<()> {
    const TRIES: u32 = 4;
    let mut tries = 0;
    loop {
        let effect = || {
            run.note(Signal::KILL, reason);
            run.sandbox.kill();
            Ok(())
        };
        let result = run.driver.ask(Op::Kill, Some(run.spec()), effect).await;
        tries += 1;
        if result.is_ok() || tries == TRIES {
            return result;
        }
        sleep(Duration::from_millis(50) * 2_u32.pow(tries)).await;
    }
}
