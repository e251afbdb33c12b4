//! What is known of a container, shared by its handles, its supervisor and the reaper.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use longshore_driver_api::{
    Chosen, Error, ErrorKind, Exit, ImageRef, Loan, NetworkMode, Result, SentSignal, Signal, State,
    Task, TaskHooks, TaskIo, TaskSpec,
};
use longshore_host::{Adoption, Moment};
use longshore_images::ImageHold;
use parking_lot::Mutex;
use rand::distr::{Alphanumeric, SampleString};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::api::Streams;
use crate::create;
use crate::options::EngineOptions;
use crate::running::Clock;
use crate::shared::Shared;

/// What the name of every container that a driver makes begins with.
pub(crate) const NAME: &str = "longshore-";

/// What is known of a container.
pub(crate) struct Core {
    /// The driver's part.
    pub(crate) shared: Arc<Shared>,
    /// Its number in the driver.
    pub(crate) key: u64,
    /// The task.
    pub(crate) spec: TaskSpec,
    /// Whom to ask and tell.
    pub(crate) hooks: Arc<dyn TaskHooks>,
    /// The task's image, with a tag or a digest.
    pub(crate) image: ImageRef,
    /// The container's name on the engine: random, and known before the container is asked for.
    pub(crate) name: String,
    /// The streams that somebody wants.
    pub(crate) streams: Streams,
    /// When it was reserved.
    pub(crate) reserved: Instant,
    /// How far its making on the engine is.
    pub(crate) creation: watch::Sender<Creation>,
    /// Whether its processes stand still, as far as is known.
    pub(crate) frozen: watch::Sender<bool>,
    /// Held while that is changed.
    pub(crate) freezing: Arc<tokio::sync::Mutex<()>>,
    /// Held while a network is borrowed.
    pub(crate) borrowing: tokio::sync::Mutex<()>,
    /// How long its task has run.
    pub(crate) clock: Mutex<Clock>,
    /// Up to where stdout and stderr were delivered, to this owner or to one before.
    pub(crate) delivered: [Arc<AtomicU64>; 2],
    /// How its task ended.
    pub(crate) exit: watch::Sender<Option<Arc<Exit>>>,
    /// The caller cancelled the task.
    pub(crate) cancel: CancellationToken,
    /// Closing began.
    pub(crate) ending: CancellationToken,
    /// How closing went.
    pub(super) closed: watch::Sender<Option<std::result::Result<(), Arc<Error>>>>,
    /// The further processes that are being watched over.
    pub(crate) execs: TaskTracker,
    /// The signals that were sent, in order.
    pub(crate) sent: Mutex<Vec<SentSignal>>,
    /// Those that the process is sent when it goes on: it is frozen.
    pub(crate) kept_signals: Mutex<VecDeque<Signal>>,
    /// How far the task is.
    pub(crate) stage: watch::Sender<Stage>,
    /// Whether somebody besides the task may have changed its files.
    touched: AtomicBool,
    /// Another owner has made it, and its handle does not hold its environment.
    pub(crate) is_adopted: bool,
    book: Mutex<Book>,
}

/// How far the making of a container on the engine is.
#[derive(Debug, Clone)]
pub(crate) enum Creation {
    /// It was never asked for.
    NotAsked,
    /// It is asked for.
    InFlight,
    /// It is there, under this id.
    Done(String),
    /// It failed. Where the answer was lost, the container may be there all the same, or appear.
    Failed(Arc<Error>, Option<Late>),
}

/// What may appear though nobody was told that it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Late {
    /// An engine that is still at it is done by then.
    pub(crate) until: Instant,
    /// When it was asked for: an engine that began later was not asked.
    pub(crate) asked: Moment,
}

/// What changes as the container goes through its stages.
#[derive(Debug)]
struct Book {
    options: EngineOptions,
    /// Whether the caller has changed them.
    edited: bool,
    io: Option<TaskIo>,
    /// The network that the driver chose; it counts as used for as long as this is held.
    network: Option<Chosen>,
    /// What it has borrowed, until it is gone from the engine.
    loan: Option<Arc<Loan>>,
    /// How many it has had.
    loans: u32,
    /// The engine has refused what it has borrowed.
    refused: bool,
    lease_time: Option<Duration>,
    image_time: Option<Duration>,
    /// The id of the image that the task's reference led to.
    image_id: Option<String>,
    create_time: Option<Duration>,
    /// When the making of the container that is there was asked for, if that is known.
    asked: Option<Moment>,
    /// From then to the answer to its start.
    started_within: Option<Duration>,
    /// Keeps the image from the cleaner.
    image: Option<ImageHold>,
    /// Keeps other adopters and reapers from a container that was recovered.
    claim: Option<Adoption>,
}

/// How far the task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its process was not started.
    Unstarted,
    /// Its process runs.
    Running,
    /// Its process has ended.
    Exited,
}

impl Core {
    /// A container for `task`, reserved, with the network that was chosen for it.
    pub(crate) fn new(
        shared: Arc<Shared>,
        task: Task,
        image: ImageRef,
        network: Option<Chosen>,
    ) -> Self {
        let Task { spec, io, hooks, .. } = task;
        let streams = streams(&io, spec.tty);
        let mode = network.as_ref().map(|chosen| NetworkMode::Named(chosen.name().to_owned()));
        let body = create::body(&spec, image.canonical(), streams, mode.as_ref());
        let options = EngineOptions::new(body);
        let random = Alphanumeric.sample_string(&mut rand::rng(), 20).to_ascii_lowercase();
        Self {
            key: shared.next_key(),
            shared,
            hooks,
            image,
            name: format!("{NAME}{random}"),
            streams,
            reserved: Instant::now(),
            creation: watch::Sender::new(Creation::NotAsked),
            frozen: watch::Sender::new(false),
            freezing: Arc::default(),
            borrowing: tokio::sync::Mutex::default(),
            clock: Mutex::new(Clock::start(None)),
            delivered: Default::default(),
            exit: watch::Sender::new(None),
            cancel: CancellationToken::new(),
            ending: CancellationToken::new(),
            closed: watch::Sender::new(None),
            execs: TaskTracker::new(),
            sent: Mutex::new(Vec::new()),
            kept_signals: Mutex::default(),
            stage: watch::Sender::new(Stage::Unstarted),
            touched: AtomicBool::new(false),
            is_adopted: false,
            book: Mutex::new(Book {
                options,
                edited: false,
                io: Some(io),
                network,
                loan: None,
                loans: 0,
                refused: false,
                lease_time: None,
                image_time: None,
                image_id: None,
                create_time: None,
                asked: None,
                started_within: None,
                image: None,
                claim: None,
            }),
            spec,
        }
    }

    /// A container that another owner has made, and that this one has claimed.
    pub(crate) fn adopted(
        shared: Arc<Shared>,
        spec: TaskSpec,
        io: &TaskIo,
        image: ImageRef,
        found: Found,
    ) -> Self {
        let mut core = Self::new(shared, Task::new(spec), image, None);
        core.streams = streams(io, core.spec.tty);
        core.name = found.name;
        core.creation.send_replace(Creation::Done(found.id));
        core.frozen.send_replace(found.frozen);
        core.stage.send_replace(Stage::Running);
        // What the owner before has copied in is not known.
        core.touch();
        core.is_adopted = true;
        let mut book = core.book.lock();
        book.io = None;
        // It has a network already.
        book.network = None;
        book.options = EngineOptions::new(found.options);
        book.claim = Some(found.claim);
        book.started_within = found.started_within;
        drop(book);
        core
    }

    /// Gives up the claim on a container that is gone.
    pub(super) fn release_claim(&self) {
        let claim = self.book.lock().claim.take();
        if let Some(Err(error)) = claim.map(Adoption::finish) {
            // The next reaper removes the file.
            tracing::debug!(%error, "the file of a claim could not be removed");
        }
    }

    /// How errors call it.
    pub(crate) fn subject(&self) -> String {
        format!("container {} of task {:?}", self.name, self.spec.id)
    }

    /// The engine's id of it, once it is created.
    pub(crate) fn engine_id(&self) -> Option<String> {
        match &*self.creation.borrow() {
            Creation::Done(id) => Some(id.clone()),
            _ => None,
        }
    }

    /// The id, or an error that says what is missing.
    pub(crate) fn created_id(&self, op: &'static str) -> Result<String> {
        self.check_open(op)?;
        let (kind, why) = match &*self.creation.borrow() {
            Creation::Done(id) => return Ok(id.clone()),
            // Also anew, by a start: whoever created it need not do so again.
            Creation::InFlight => (ErrorKind::Busy, "is being made: try again once it is"),
            _ => (ErrorKind::InvalidState, "is not created yet: call create first"),
        };
        Err(Error::new(kind, op).message(format!("{} {why}", self.subject())))
    }

    /// Where it is in its life.
    pub(crate) fn state(&self) -> State {
        if self.ending.is_cancelled() {
            return State::Closed;
        }
        match self.stage() {
            Stage::Unstarted if self.engine_id().is_some() => State::Created,
            Stage::Unstarted => State::Reserved,
            Stage::Running if *self.frozen.borrow() => State::Frozen,
            Stage::Running => State::Running,
            Stage::Exited => State::Exited,
        }
    }

    /// Somebody besides the task may change its files from now on.
    pub(crate) fn touch(&self) {
        self.touched.store(true, Ordering::SeqCst);
    }

    /// Whether somebody may have.
    pub(crate) fn is_touched(&self) -> bool {
        self.touched.load(Ordering::SeqCst)
    }

    /// How far the task is.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Fails if the container is closed, or being closed.
    pub(crate) fn check_open(&self, op: &'static str) -> Result<()> {
        if self.ending.is_cancelled() {
            return Err(self.closed_error(op));
        }
        Ok(())
    }

    /// The error of an engine about the log driver, with its name.
    pub(crate) fn log_error(&self, op: &'static str, error: &Error) -> Error {
        let message = format!("log driver {:?}: {}", self.spec.log.driver, error.what());
        let failed = Error::new(ErrorKind::LogDriver, op).message(message);
        let remedy = error.what_to_do().map(str::to_owned);
        let failed = match remedy {
            Some(remedy) => failed.remedy(remedy),
            None => failed,
        };
        // Its words are here already: whoever prints the causes too is not to print them twice.
        failed.because(error.what().to_string())
    }

    /// The error for what cannot be done any more.
    pub(crate) fn closed_error(&self, op: &'static str) -> Error {
        Error::new(ErrorKind::Closed, op).message(format!("{} is closed", self.subject()))
    }

    /// Takes the task's streams: once.
    pub(crate) fn take_io(&self) -> Option<TaskIo> {
        self.book.lock().io.take()
    }

    /// Gives the network back that the driver chose.
    pub(crate) fn leave_network(&self) {
        let network = self.book.lock().network.take();
        drop(network);
    }

    /// What it has borrowed.
    pub(crate) fn loan(&self) -> Option<Arc<Loan>> {
        self.book.lock().loan.clone()
    }

    /// Keeps what was borrowed, which took so long. What it had before is given back.
    pub(crate) fn borrowed(&self, loan: Loan, time: Duration) {
        let mut book = self.book.lock();
        // Of all that it has waited for, lost or not.
        *book.lease_time.get_or_insert_default() += time;
        book.loans += 1;
        book.refused = false;
        let former = book.loan.replace(Arc::new(loan));
        drop(book);
        drop(former);
    }

    /// How long it has waited for what it has borrowed so far.
    pub(crate) fn waited(&self) -> Duration {
        self.book.lock().lease_time.unwrap_or_default()
    }

    /// How often it has borrowed.
    pub(crate) fn loans(&self) -> u32 {
        self.book.lock().loans
    }

    /// The engine refuses what it has borrowed: there is nothing behind it any more.
    pub(crate) fn refuse_loan(&self) {
        self.book.lock().refused = true;
    }

    /// Whether it does.
    pub(crate) fn is_loan_refused(&self) -> bool {
        self.book.lock().refused
    }

    /// Gives back what it has borrowed.
    pub(crate) fn give_back(&self) {
        let loan = self.book.lock().loan.take();
        drop(loan);
    }

    /// What is to be sent to the engine.
    pub(crate) fn options(&self) -> EngineOptions {
        self.book.lock().options.clone()
    }

    /// Whether the caller has changed what is to be sent.
    pub(crate) fn is_edited(&self) -> bool {
        self.book.lock().edited
    }

    /// Lets `edit` change what is to be sent, as long as it is not, and no network was borrowed for
    /// what it was.
    pub(crate) fn edit_options(&self, edit: &mut (dyn FnMut(&mut dyn Any) + Send)) -> Result<()> {
        self.check_open("edit engine options")?;
        let late = |borrows: bool| {
            let late = borrows || !matches!(&*self.creation.borrow(), Creation::NotAsked);
            late.then(|| {
                Error::new(ErrorKind::InvalidState, "edit engine options").message(format!(
                    "{} is sent to the engine already, or about to be",
                    self.subject()
                ))
            })
        };
        let borrows = |book: &Book| book.loan.is_some() || self.borrowing.try_lock().is_err();
        if let Some(late) = late(borrows(&self.book.lock())) {
            return Err(late);
        }
        // On a copy, without a lock: the caller's code may call back.
        let before = self.options();
        let mut options = before.clone();
        edit(&mut options);
        let mut book = self.book.lock();
        // Held so that whoever lends is told of the change, or there is none.
        let borrowing = self.borrowing.try_lock();
        if let Some(late) = late(book.loan.is_some() || borrowing.is_err()) {
            return Err(late);
        }
        book.edited |= options != before;
        book.options = options;
        drop((borrowing, book));
        // A create that began meanwhile may have taken the options before.
        late(false).map_or(Ok(()), Err)
    }

    /// The image is known to be there, under this id.
    pub(crate) fn image_is_there(&self, id: String) {
        let mut book = self.book.lock();
        book.image_time.get_or_insert(self.reserved.elapsed());
        book.image_id = Some(id);
    }

    /// The id that the image had when it was last looked at.
    pub(crate) fn image_id(&self) -> Option<String> {
        self.book.lock().image_id.clone()
    }

    /// Keeps the image from the cleaner until the container is closed. A former one is given free.
    pub(crate) fn keep_image(&self, hold: ImageHold) {
        let mut book = self.book.lock();
        // Under the lock: closing gives free what is held here, and may have done so already.
        let free = if self.ending.is_cancelled() { Some(hold) } else { book.image.replace(hold) };
        drop(book);
        drop(free);
    }

    /// Gives the image free.
    pub(super) fn release_image(&self) {
        let held = self.book.lock().image.take();
        drop(held);
    }

    /// The making on the engine took so long, and was asked for then, if that is known.
    pub(crate) fn created_in(&self, time: Duration, asked: Option<Moment>) {
        let mut book = self.book.lock();
        book.create_time = Some(time);
        book.asked = asked;
    }

    /// The start was answered.
    pub(crate) fn was_started(&self) {
        let mut book = self.book.lock();
        book.started_within = book.asked.map(Moment::elapsed);
    }

    /// Within which time after its making was asked for it was started, if that is known.
    pub(crate) fn started_within(&self) -> Option<Duration> {
        self.book.lock().started_within
    }

    /// Writes into the end of the task how long the stages before the start took, and what became
    /// of its network.
    pub(crate) fn fill(&self, exit: &mut Exit) {
        let book = self.book.lock();
        exit.timings.image = book.image_time;
        exit.timings.lease = book.lease_time;
        exit.timings.create = book.create_time;
        exit.network = book.loan.as_ref().map(|loan| loan.report()).unwrap_or_default();
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("name", &self.name)
            .field("task", &self.spec.id)
            .field("id", &self.engine_id())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// A container that was found on the engine.
pub(crate) struct Found {
    /// Its id there.
    pub(crate) id: String,
    /// Its name there.
    pub(crate) name: String,
    /// What is known of the request that has made it.
    pub(crate) options: Value,
    /// Whether its processes stand still.
    pub(crate) frozen: bool,
    /// What [`Core::started_within`] told its first owner.
    pub(crate) started_within: Option<Duration>,
    /// What makes it this process's.
    pub(crate) claim: Adoption,
}

fn streams(io: &TaskIo, tty: bool) -> Streams {
    Streams {
        stdin: io.stdin.is_some(),
        stdout: io.stdout.is_some(),
        stderr: io.stderr.is_some() && !tty,
    }
}

/// What the caller holds. When the last of it goes, the container is handed over to the reaper.
#[derive(Debug)]
pub(crate) struct Handle(Arc<Core>);

impl Handle {
    /// A handle to the container of `core`.
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self(core)
    }

    /// The container.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}
