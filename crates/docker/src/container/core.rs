//! What is known of a container, shared by its handles, its supervisor and the reaper.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{
    Error, ErrorKind, Exit, ImageRef, Result, SentSignal, State, Task, TaskHooks, TaskIo, TaskSpec,
};
use parking_lot::Mutex;
use rand::distr::{Alphanumeric, SampleString};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::api::Streams;
use crate::create;
use crate::options::EngineOptions;
use crate::shared::Shared;

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
    pub(super) freezing: tokio::sync::Mutex<()>,
    /// How its task ended.
    pub(crate) exit: watch::Sender<Option<Arc<Exit>>>,
    /// The caller cancelled the task.
    pub(crate) cancel: CancellationToken,
    /// Closing began.
    pub(crate) ending: CancellationToken,
    /// How closing went.
    pub(super) closed: watch::Sender<Option<std::result::Result<(), Arc<Error>>>>,
    /// The signals that were sent, in order.
    pub(crate) sent: Mutex<Vec<SentSignal>>,
    /// How far the task is.
    pub(crate) stage: watch::Sender<Stage>,
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
    /// It failed. Where the answer was lost, the container may still appear, until the given time.
    Failed(Arc<Error>, Option<Instant>),
}

/// What changes as the container goes through its stages.
#[derive(Debug)]
struct Book {
    options: EngineOptions,
    io: Option<TaskIo>,
    image_time: Option<Duration>,
    create_time: Option<Duration>,
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
    /// A container for `task`, reserved.
    pub(crate) fn new(shared: Arc<Shared>, task: Task, image: ImageRef) -> Self {
        let Task { spec, io, hooks, .. } = task;
        let streams = Streams {
            stdin: io.stdin.is_some(),
            stdout: io.stdout.is_some(),
            stderr: io.stderr.is_some() && !spec.tty,
        };
        let options = EngineOptions::new(create::body(&spec, image.canonical(), streams));
        let random = Alphanumeric.sample_string(&mut rand::rng(), 20).to_ascii_lowercase();
        Self {
            key: shared.next_key(),
            shared,
            hooks,
            image,
            name: format!("longshore-{random}"),
            streams,
            reserved: Instant::now(),
            creation: watch::Sender::new(Creation::NotAsked),
            frozen: watch::Sender::new(false),
            freezing: tokio::sync::Mutex::default(),
            exit: watch::Sender::new(None),
            cancel: CancellationToken::new(),
            ending: CancellationToken::new(),
            closed: watch::Sender::new(None),
            sent: Mutex::new(Vec::new()),
            stage: watch::Sender::new(Stage::Unstarted),
            book: Mutex::new(Book { options, io: Some(io), image_time: None, create_time: None }),
            spec,
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
        self.engine_id().ok_or_else(|| {
            Error::new(ErrorKind::InvalidState, op)
                .message(format!("{} is not created yet: call create first", self.subject()))
        })
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

    /// The error for what cannot be done any more.
    pub(crate) fn closed_error(&self, op: &'static str) -> Error {
        Error::new(ErrorKind::Closed, op).message(format!("{} is closed", self.subject()))
    }

    /// Takes the task's streams: once.
    pub(crate) fn take_io(&self) -> Option<TaskIo> {
        self.book.lock().io.take()
    }

    /// What is to be sent to the engine.
    pub(crate) fn options(&self) -> EngineOptions {
        self.book.lock().options.clone()
    }

    /// Lets `edit` change what is to be sent, as long as it is not.
    pub(crate) fn edit_options(&self, edit: &mut (dyn FnMut(&mut dyn Any) + Send)) -> Result<()> {
        self.check_open("edit engine options")?;
        let late = || {
            let asked = !matches!(&*self.creation.borrow(), Creation::NotAsked);
            asked.then(|| {
                Error::new(ErrorKind::InvalidState, "edit engine options")
                    .message(format!("{} is sent to the engine already", self.subject()))
            })
        };
        if let Some(late) = late() {
            return Err(late);
        }
        // On a copy, without a lock: the caller's code may call back.
        let mut options = self.options();
        edit(&mut options);
        self.book.lock().options = options;
        // A create that began meanwhile may have taken the options before.
        late().map_or(Ok(()), Err)
    }

    /// The image is known to be there.
    pub(crate) fn image_is_there(&self) {
        self.book.lock().image_time.get_or_insert(self.reserved.elapsed());
    }

    /// The making on the engine took so long.
    pub(crate) fn created_in(&self, time: Duration) {
        self.book.lock().create_time = Some(time);
    }

    /// How long the stages before the start took: the image, the making.
    pub(crate) fn times(&self) -> (Option<Duration>, Option<Duration>) {
        let book = self.book.lock();
        (book.image_time, book.create_time)
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
