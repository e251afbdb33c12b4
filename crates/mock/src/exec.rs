//! A further process in a container, watched over from its start to its end.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use longshore_driver_api::{
    Error, ErrorKind, Exec, ExecSpec, Exit, ExitFacts, NotStarted, OutputReport, OverLimit, Result,
    SentFor, SentSignal, Signal, StreamEnd, StreamReport, TaskIo, TtySize,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use crate::driver::Inner;
use crate::engine::Power;
use crate::exit::ExitCell;
use crate::pipe::{Unread, Writer, pipe};
use crate::process::{Extra, In, Inner as Process, Kin, Out, Streams};
use crate::running::pump::{Delivery, Progress, Sink, Source, feed};
use crate::sandbox::Sandbox;
use crate::{Ended, Op};

/// A further process of the mock. Dropping it cancels the process.
pub(crate) struct MockExec(Arc<ExecRun>);

/// What its handle, its container and its supervisor share.
pub(crate) struct ExecRun {
    driver: Arc<Inner>,
    sandbox: Arc<Sandbox>,
    spec: ExecSpec,
    extra: Arc<Extra>,
    will: watch::Sender<Will>,
    sent: Mutex<Vec<SentSignal>>,
    exit: ExitCell,
}

/// What is wished of it, each for good.
#[derive(Debug, Clone, Default)]
struct Will {
    cancelled: bool,
    output_limit: bool,
    /// The container is being removed, which kills the process.
    closed: bool,
    /// Its end will not be seen, for this reason.
    abandoned: Option<String>,
    /// Its end was seen: nothing changes the outcome any more.
    over: bool,
}

struct Attached {
    feed: Option<(Source, Writer)>,
    deliveries: JoinSet<()>,
    stdout: Option<Arc<Progress>>,
    stderr: Option<Arc<Progress>>,
    power: Power,
}

impl ExecRun {
    /// Starts a process, and what watches over it.
    pub(crate) fn start(
        driver: &Arc<Inner>,
        sandbox: &Arc<Sandbox>,
        handle: &Handle,
        (spec, io): (ExecSpec, TaskIo),
        image: &str,
    ) -> Arc<Self> {
        let extra =
            Arc::new(Extra { spec: described(&spec, sandbox), tty: watch::Sender::new(None) });
        let run = Arc::new(Self {
            driver: Arc::clone(driver),
            sandbox: Arc::clone(sandbox),
            spec,
            extra,
            will: watch::Sender::default(),
            sent: Mutex::default(),
            exit: ExitCell::new(),
        });
        let (streams, attached) = run.attach(io, handle);
        let command = &run.spec.command;
        let program = driver.engine.find(&command[0], image);
        let started =
            program.map_err(|why| (why, "there is no such program")).and_then(|program| {
                let kin = Kin { session: None, extra: Some(Arc::clone(&run.extra)) };
                let process = sandbox.spawn(&program, command.clone(), streams, kin);
                process.ok_or((NotStarted::NoRoom, "no further process can be made"))
            });
        let supervised = supervise(Arc::clone(&run), attached, started, handle.clone());
        driver.spawn(supervised, handle);
        run
    }

    fn attach(self: &Arc<Self>, io: TaskIo, handle: &Handle) -> (Streams, Attached) {
        let (stdin, feed) = match io.stdin {
            Some(source) => {
                let (writer, reader) = pipe(Unread::Fail);
                (In::Pipe(reader), Some((source, writer)))
            }
            None => (In::Empty, None),
        };
        let mut deliveries = JoinSet::new();
        let mut output = |sink: Option<Sink>| {
            let Some(to) = sink else { return (Out::Null, None) };
            let (writer, from) = pipe(Unread::Discard);
            let proves = self.driver.config.capabilities.output_end;
            let whole = if proves { StreamEnd::Complete } else { StreamEnd::Unverified };
            let limit = self.spec.output.map(|limit| limit.bytes.bytes());
            let progress = Arc::<Progress>::default();
            let told = Arc::clone(&progress);
            let run = Arc::clone(self);
            let delivery = Delivery { from, to, limit, whole, progress };
            deliveries.spawn_on(delivery.run(move || run.beyond_limit()), handle);
            (Out::Pipe(writer), Some(told))
        };
        let (out, stdout) = output(io.stdout);
        let (err, stderr) = if self.spec.tty { (out.clone(), None) } else { output(io.stderr) };
        let streams = Streams { stdin, stdout: out, stderr: err };
        let power = self.driver.engine.power();
        (streams, Attached { feed, deliveries, stdout, stderr, power })
    }

    fn beyond_limit(&self) {
        if self.spec.output.is_some_and(|limit| limit.then == OverLimit::Stop) {
            self.will.send_modify(|will| will.output_limit |= !will.over);
        }
    }

    fn cancel(&self) {
        self.will.send_modify(|will| will.cancelled = true);
    }

    /// The container is being removed, which kills the process.
    pub(crate) fn close(&self) {
        self.will.send_modify(|will| will.closed = true);
    }

    /// Nobody will see its end.
    pub(crate) fn abandon(&self, why: &str) {
        self.will.send_modify(|will| will.abandoned = Some(why.to_owned()));
    }

    /// Says at once that its end will not be seen, unless it was.
    pub(crate) fn lose(&self, why: &str) {
        let mut facts = ExitFacts::default();
        facts.engine_error = Some(why.to_owned());
        facts.cancelled = self.will.borrow().is_unwanted();
        self.publish(Exit::from_facts(facts));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.exit.is_known()
    }

    pub(crate) async fn over(&self) -> Exit {
        self.exit.known().await
    }

    fn publish(&self, exit: Exit) {
        self.exit.publish(exit);
    }

    /// Kills it, and tries again a few times: nobody else will.
    async fn kill(&self, process: &Process) -> Result<()> {
        const TRIES: u32 = 4;
        if !self.driver.config.capabilities.exec_kill {
            return Err(Error::new(ErrorKind::Unsupported, Op::ExecKill.name())
                .message("this engine cannot kill it: it may live until its container is closed"));
        }
        let reason =
            if self.will.borrow().output_limit { SentFor::OutputLimit } else { SentFor::Cancel };
        for n in 1.. {
            let effect = || {
                self.sent.lock().push(SentSignal::new(Signal::KILL, reason));
                self.sandbox.kill_session(process);
                Ok(())
            };
            let result = self.driver.ask(Op::ExecKill, Some(&self.sandbox.spec), effect).await;
            if result.is_ok() || n == TRIES {
                return result;
            }
            sleep(Duration::from_millis(50) * 2_u32.pow(n)).await;
        }
        Ok(())
    }
}

impl Will {
    fn is_unwanted(&self) -> bool {
        self.cancelled || self.closed
    }
}

/// The container's description with what a further process has of its own.
fn described(spec: &ExecSpec, sandbox: &Sandbox) -> longshore_driver_api::TaskSpec {
    let mut described = sandbox.spec.clone();
    described.entrypoint = Some(Vec::new());
    described.args.clone_from(&spec.command);
    for (name, value) in spec.env.iter() {
        described.env.set(name, value);
    }
    if spec.work_dir.is_some() {
        described.work_dir.clone_from(&spec.work_dir);
    }
    if let Some(user) = &spec.user {
        described.security.user.clone_from(user);
    }
    described.tty = spec.tty;
    described
}

/// The runtime may end, or the owner be killed, before the process is over.
struct PublishOnDrop(Arc<ExecRun>);

impl Drop for PublishOnDrop {
    fn drop(&mut self) {
        if !self.0.is_over() {
            self.0.lose("the runtime that watched over the process has ended");
        }
    }
}

type Started = std::result::Result<Arc<Process>, (NotStarted, &'static str)>;

async fn supervise(run: Arc<ExecRun>, attached: Attached, started: Started, handle: Handle) {
    let _guard = PublishOnDrop(Arc::clone(&run));
    let Attached { feed: input, mut deliveries, stdout, stderr, power } = attached;
    let mut feeding = JoinSet::new();
    if let Some((from, to)) = input {
        feeding.spawn_on(feed(from, to), &handle);
    }
    let began = Instant::now();
    let seen = match &started {
        Ok(process) => end_of(&run, process, power).await,
        Err((why, text)) => Err((Some(*why), (*text).to_owned())),
    };
    let time = began.elapsed();
    run.will.send_modify(|will| will.over = true);
    let will = run.will.borrow().clone();
    feeding.shutdown().await;
    let lost = matches!(&seen, Err((None, _)));
    let mut exit = Exit::from_facts(facts_of(&run, &will, seen));
    if !lost {
        tokio::select! {
            biased;
            () = all(&mut deliveries) => {}
            () = end_of_patience(&run) => {}
        }
    }
    deliveries.shutdown().await;
    let unfinished =
        if lost && !will.is_unwanted() { StreamEnd::Cut } else { StreamEnd::Abandoned };
    let report = |progress: Option<Arc<Progress>>| match progress {
        Some(progress) => progress.report(unfinished),
        None => StreamReport::default(),
    };
    exit.output = OutputReport::new(report(stdout), report(stderr));
    exit.timings.run = Some(time);
    run.publish(exit);
}

async fn all(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// Comes a moment after nobody wants the process any more.
async fn end_of_patience(run: &ExecRun) {
    let mut will = run.will.subscribe();
    // The sender is in `run`.
    let _ = will.wait_for(|will| will.is_unwanted() || will.abandoned.is_some()).await;
    sleep(run.driver.config.drain_grace).await;
}

/// The end of the process, or why it was not started or its end will not be seen.
async fn end_of(
    run: &ExecRun,
    process: &Process,
    power: Power,
) -> std::result::Result<Ended, (Option<NotStarted>, String)> {
    let mut will = run.will.subscribe();
    let given_up = async {
        let wish =
            will.wait_for(|will| will.cancelled || will.output_limit || will.abandoned.is_some());
        // The sender is in `run`.
        if let Ok(Some(why)) = wish.await.map(|will| will.abandoned.clone()) {
            return why;
        }
        if let Err(error) = run.kill(process).await {
            return error.to_string();
        }
        std::future::pending().await
    };
    let abandoned = async {
        let mut will = run.will.subscribe();
        let why = match will.wait_for(|will| will.abandoned.is_some()).await {
            Ok(will) => will.abandoned.clone(),
            Err(_) => None,
        };
        why.unwrap_or_default()
    };
    tokio::select! {
        biased;
        ended = process.fate() => Ok(ended),
        error = run.driver.engine.cut_off(Op::Exec, power) => Err((None, error.to_string())),
        why = given_up => Err((None, why)),
        why = abandoned => Err((None, why)),
    }
}

fn facts_of(
    run: &ExecRun,
    will: &Will,
    seen: std::result::Result<Ended, (Option<NotStarted>, String)>,
) -> ExitFacts {
    let can = &run.driver.config.capabilities;
    let mut facts = ExitFacts::default();
    facts.cancelled = will.is_unwanted();
    facts.output_limit = will.output_limit;
    facts.code_hides_signal = !can.proves_signal;
    facts.code_hides_start = !can.exec_proves_start;
    facts.code_hides_refusal = !can.exec_proves_start;
    facts.sent.clone_from(&run.sent.lock());
    match seen {
        Ok(Ended::Code(code)) => facts.code = Some(i32::from(code)),
        Ok(Ended::Signal(signal)) => {
            facts.code = Some(128 + i32::from(signal.number()));
            facts.signal = can.proves_signal.then_some(signal);
        }
        Err((why, text)) => {
            facts.not_started = why.filter(|_| can.exec_proves_start);
            facts.code = why.map(|why| match why {
                NotStarted::NotFound => 127,
                NotStarted::NotExecutable => 126,
                _ if can.exec_proves_start => 126,
                _ => 125,
            });
            facts.engine_error = Some(text);
        }
    }
    facts
}

impl MockExec {
    pub(crate) fn new(run: Arc<ExecRun>) -> Self {
        Self(run)
    }
}

#[async_trait]
impl Exec for MockExec {
    async fn wait(&self) -> Exit {
        self.0.over().await
    }

    fn cancel(&self) {
        self.0.cancel();
    }

    async fn resize(&self, size: TtySize) -> Result<()> {
        let run = &self.0;
        if !run.spec.tty {
            return Err(Error::new(ErrorKind::InvalidState, Op::ExecResize.name())
                .message(format!("{:?} has no terminal", run.spec.command[0])));
        }
        if run.will.borrow().over {
            return Ok(());
        }
        let effect = || {
            run.extra.tty.send_replace(Some(size));
            Ok(())
        };
        run.driver.ask(Op::ExecResize, Some(&run.sandbox.spec), effect).await
    }
}

impl Drop for MockExec {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl fmt::Debug for MockExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockExec")
            .field("program", &self.0.spec.command[0])
            .field("over", &self.0.is_over())
            .finish_non_exhaustive()
    }
}
