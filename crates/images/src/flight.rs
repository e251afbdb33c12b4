//! Single flight: many ask for the same work at once, and it is done once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use longshore_driver_api::{Error, ErrorKind};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Work that is shared by those who ask for it at the same time, by key.
///
/// The work runs in a task of its own and belongs to nobody: each asker may leave, by its own
/// deadline or by dropping its [`Waiter`], without harm to the others. When the last one has left,
/// the work is dropped, and not before. Results are not kept: who asks after the end starts the
/// work anew.
///
/// Where askers have runtimes of their own, the work needs one that outlives them all and never
/// stands still: [`join_on`](Self::join_on) names it. [`join`](Self::join) takes the first asker's.
///
/// `P` is the progress, of which waiters see the latest value; `V` the result.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), longshore_images::FlightError> {
/// use longshore_images::Flight;
///
/// let flight: Flight<&str, u32, String> = Flight::new();
/// let pull = |progress: longshore_images::ProgressSender<u32>| async move {
///     progress.send(50);
///     Ok("pulled".to_owned())
/// };
/// let one = flight.join("busybox", None, pull);
/// let two = flight.join("busybox", None, pull);
/// assert_eq!(one.wait().await?, "pulled");
/// assert_eq!(two.wait().await?, "pulled");
/// # Ok(())
/// # }
/// ```
pub struct Flight<K, P, V> {
    shared: Arc<Shared<K, P, V>>,
}

type Outcome<V> = Option<Result<V, FlightError>>;

struct Shared<K, P, V> {
    works: Mutex<Works<K, P, V>>,
}

struct Works<K, P, V> {
    by_key: HashMap<K, Work<P, V>>,
    next: u64,
}

/// Work under way.
struct Work<P, V> {
    // Tells it from former and later work with the same key.
    number: u64,
    waiters: usize,
    outcome: watch::Receiver<Outcome<V>>,
    progress: watch::Receiver<Option<P>>,
    // None for as long as the first asker is about to hand it to its runtime.
    task: Option<AbortHandle>,
}

/// Work that is to be handed to a runtime.
struct Begun<K: Eq + Hash, P, V> {
    landing: Landing<K, P, V>,
    progress: watch::Sender<Option<P>>,
}

/// How shared work ended for one waiter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlightError {
    /// This waiter's own deadline has passed; the work goes on if others wait for it.
    #[error("not done within {0:?}")]
    Deadline(Duration),
    /// The work failed. Every waiter gets the same error.
    #[error(transparent)]
    Failed(Error),
    /// The work panicked.
    #[error("it panicked; this is a defect")]
    Panicked,
    /// The runtime that did the work has ended.
    #[error("the runtime that did it has ended")]
    Abandoned,
}

impl FlightError {
    /// The error of the operation `op`, with the thing at fault named by `what`.
    ///
    /// The work's own error stays as it is.
    #[must_use]
    pub fn into_error(self, op: &'static str, what: &str) -> Error {
        let message = format!("{what}: {self}");
        let kind = match self {
            Self::Failed(error) => return error,
            Self::Deadline(_) => ErrorKind::Deadline,
            Self::Panicked => ErrorKind::Engine,
            Self::Abandoned => ErrorKind::Disconnected,
        };
        Error::new(kind, op).message(message)
    }

    fn duplicate(&self) -> Self {
        match self {
            Self::Deadline(after) => Self::Deadline(*after),
            Self::Failed(error) => Self::Failed(error.duplicate()),
            Self::Panicked => Self::Panicked,
            Self::Abandoned => Self::Abandoned,
        }
    }
}

/// A place among those who wait, and the work if it is new.
type Joined<K, P, V> = (Waiter<K, P, V>, Option<Begun<K, P, V>>);

impl<K, P, V> Flight<K, P, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    P: Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Nothing is under way.
    #[must_use]
    pub fn new() -> Self {
        let works = Mutex::new(Works { by_key: HashMap::new(), next: 0 });
        Self { shared: Arc::new(Shared { works }) }
    }

    /// As [`join_on`](Self::join_on), on the runtime of this asker: if that ends, the work is
    /// abandoned, and while it is not driven, the work stands still for all.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn join<F, W>(&self, key: K, deadline: Option<Duration>, make: F) -> Waiter<K, P, V>
    where
        F: FnOnce(ProgressSender<P>) -> W + Send + 'static,
        W: Future<Output = Result<V, Error>> + Send + 'static,
    {
        self.join_on(&Handle::current(), key, deadline, make)
    }

    /// Joins the work for `key`, or starts it with `make` on `runtime` if there is none.
    ///
    /// `deadline` bounds this asker's wait, counted from now. `make` is called at most once, in
    /// the task that does the work, and otherwise dropped.
    pub fn join_on<F, W>(
        &self,
        runtime: &Handle,
        key: K,
        deadline: Option<Duration>,
        make: F,
    ) -> Waiter<K, P, V>
    where
        F: FnOnce(ProgressSender<P>) -> W + Send + 'static,
        W: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let (waiter, begun) = self.take_place(key, deadline);
        if let Some(Begun { landing, progress }) = begun {
            let number = landing.number;
            // Not under the lock: a runtime that is shutting down drops the work at once, which
            // takes the lock to land it.
            let task = runtime.spawn(async move {
                let result = make(ProgressSender(progress)).await;
                landing.land(result);
            });
            let mut works = self.shared.lock();
            // The waiter that is about to be returned keeps it there, unless it is done.
            if let Some(work) = works.by_key.get_mut(&waiter.place.key)
                && work.number == number
            {
                work.task = Some(task.abort_handle());
            }
        }
        waiter
    }

    /// A place among those who wait for the work for `key`, and what is to be done if there was
    /// none.
    fn take_place(&self, key: K, deadline: Option<Duration>) -> Joined<K, P, V> {
        let mut begun = None;
        let mut works = self.shared.lock();
        let number = works.next;
        works.next += 1;
        let work = match works.by_key.entry(key.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let (outcome_sender, outcome) = watch::channel(None);
                let (progress_sender, progress) = watch::channel(None);
                let landing = Landing {
                    shared: Arc::downgrade(&self.shared),
                    key: key.clone(),
                    number,
                    outcome: outcome_sender,
                    result: None,
                };
                begun = Some(Begun { landing, progress: progress_sender });
                entry.insert(Work { number, waiters: 0, outcome, progress, task: None })
            }
        };
        work.waiters += 1;
        let now = Instant::now();
        let waiter = Waiter {
            // A deadline that no clock reaches is none.
            deadline: deadline.and_then(|after| Some((now.checked_add(after)?, after))),
            outcome: work.outcome.clone(),
            progress: ProgressReceiver(work.progress.clone()),
            place: Place { shared: Arc::clone(&self.shared), key, number: work.number },
        };
        (waiter, begun)
    }

    /// How many works are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.shared.lock().by_key.len()
    }
}

impl<K, P, V> Default for Flight<K, P, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    P: Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, P, V> Clone for Flight<K, P, V> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K, P, V> fmt::Debug for Flight<K, P, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("under_way", &self.shared.lock().by_key.len()).finish()
    }
}

impl<K, P, V> Shared<K, P, V> {
    fn lock(&self) -> MutexGuard<'_, Works<K, P, V>> {
        // Nothing that can panic is done under the lock, apart from the key's own methods.
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One asker's place among those who wait for a work.
///
/// Dropping it, or the future of [`wait`](Self::wait), leaves.
#[must_use = "who drops it has left"]
pub struct Waiter<K: Eq + Hash, P, V> {
    deadline: Option<(Instant, Duration)>,
    outcome: watch::Receiver<Outcome<V>>,
    progress: ProgressReceiver<P>,
    // Held to be counted.
    place: Place<K, P, V>,
}

impl<K: Eq + Hash, P, V: Clone> Waiter<K, P, V> {
    /// A view of the work's progress, beginning with the latest there is.
    #[must_use]
    pub fn progress(&self) -> ProgressReceiver<P> {
        self.progress.clone()
    }

    /// Waits for the end of the work.
    ///
    /// # Errors
    ///
    /// As [`FlightError`] says. A result that is there when the deadline passes counts.
    pub async fn wait(mut self) -> Result<V, FlightError> {
        let deadline = self.deadline;
        let outcome = &mut self.outcome;
        let end = async move {
            match outcome.wait_for(Option::is_some).await {
                Ok(outcome) => match &*outcome {
                    Some(Ok(value)) => Ok(value.clone()),
                    Some(Err(error)) => Err(error.duplicate()),
                    None => Err(FlightError::Abandoned),
                },
                Err(_) => Err(FlightError::Abandoned),
            }
        };
        let result = match deadline {
            None => end.await,
            Some((at, after)) => match tokio::time::timeout_at(at, end).await {
                Ok(result) => result,
                Err(_) => Err(FlightError::Deadline(after)),
            },
        };
        drop(self.place);
        result
    }
}

impl<K: Eq + Hash, P, V> fmt::Debug for Waiter<K, P, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Counts one waiter of one work.
struct Place<K: Eq + Hash, P, V> {
    shared: Arc<Shared<K, P, V>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, P, V> Drop for Place<K, P, V> {
    fn drop(&mut self) {
        let mut works = self.shared.lock();
        let Some(work) = works.by_key.get_mut(&self.key).filter(|it| it.number == self.number)
        else {
            return; // It has ended.
        };
        work.waiters -= 1;
        if work.waiters == 0 {
            let work = works.by_key.remove(&self.key);
            drop(works);
            // The runtime drops the work; who asks from now on starts another one.
            if let Some(task) = work.and_then(|work| work.task) {
                task.abort();
            }
        }
    }
}

/// Ends a work however its task ends: it makes room for the next one, then tells the waiters.
struct Landing<K: Eq + Hash, P, V> {
    shared: Weak<Shared<K, P, V>>,
    key: K,
    number: u64,
    outcome: watch::Sender<Outcome<V>>,
    result: Outcome<V>,
}

impl<K: Eq + Hash, P, V> Landing<K, P, V> {
    fn land(mut self, result: Result<V, Error>) {
        self.result = Some(result.map_err(FlightError::Failed));
    }
}

impl<K: Eq + Hash, P, V> Drop for Landing<K, P, V> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let mut works = shared.lock();
            if works.by_key.get(&self.key).is_some_and(|it| it.number == self.number) {
                works.by_key.remove(&self.key);
            }
        }
        let result = self.result.take().unwrap_or_else(|| {
            let panicked = std::thread::panicking();
            Err(if panicked { FlightError::Panicked } else { FlightError::Abandoned })
        });
        self.outcome.send_replace(Some(result));
    }
}

/// Where a work says how far it is.
#[derive(Debug)]
pub struct ProgressSender<P>(watch::Sender<Option<P>>);

impl<P> ProgressSender<P> {
    /// Shows waiters this progress in the place of the former.
    pub fn send(&self, progress: P) {
        self.0.send_replace(Some(progress));
    }
}

/// Where a waiter sees how far the work is.
#[derive(Debug)]
pub struct ProgressReceiver<P>(watch::Receiver<Option<P>>);

impl<P> Clone for ProgressReceiver<P> {
    fn clone(&self) -> Self {
        let mut receiver = self.0.clone();
        // The newcomer has seen nothing yet.
        receiver.mark_changed();
        Self(receiver)
    }
}

impl<P: Clone> ProgressReceiver<P> {
    /// The latest progress, if there is any.
    #[must_use]
    pub fn latest(&self) -> Option<P> {
        self.0.borrow().clone()
    }

    /// Waits for progress that this receiver has not given yet, and skips all but the latest.
    /// None at the end of the work.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<P> {
        loop {
            self.0.changed().await.ok()?;
            if let Some(progress) = self.0.borrow_and_update().clone() {
                return Some(progress);
            }
        }
    }
}
