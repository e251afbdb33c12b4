//! Pulls under way, one for each image, platform and credential.
//!
//! They run on the reaper's runtime, since those who wait for one may be on several of their own.
//! Those of one name take turns from the pull to the look at what came: on most engines a name leads
//! to one image at a time, so that a pull for another platform would move it in between.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use longshore_driver_api::{Credential, Error, ErrorKind, ImageRef, PullProgress, Result};
use longshore_images::{Flight, FlightError, ProgressSender, PullKey, RetryPolicy, Waiter};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::check::check;
use super::progress::Progress;
use super::registry::{SLOW, pull_error};
use crate::client::api::DockerApi;
use crate::client::error::ClientError;
use crate::client::pull::{Credentials, PullRequest};
use crate::client::reply::Image;
use crate::error::engine_error;
use crate::meter::Failed;
use crate::retry::again;

/// The pulls under way.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    flight: Flight<PullKey, Told, Arc<Image>>,
    turns: Turns,
}

/// Who may pull, for each name that is being pulled.
#[derive(Debug, Default)]
struct Turns(Mutex<HashMap<String, Weak<Turn>>>);

type Turn = tokio::sync::Mutex<()>;

impl Turns {
    fn of(&self, name: &str) -> Arc<Turn> {
        let mut turns = self.0.lock();
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

/// What those who wait for a pull are told.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// How far it is.
    pub(super) progress: PullProgress,
    /// Why the last attempt failed, if one has.
    failed: Option<Arc<str>>,
}

/// What a pull needs.
pub(super) struct Work {
    pub(super) api: Arc<dyn DockerApi>,
    pub(super) image: ImageRef,
    pub(super) platform: Option<String>,
    pub(super) credential: Option<Credential>,
    pub(super) attempts: u32,
    /// The driver is being closed.
    pub(super) closing: CancellationToken,
}

impl Pulls {
    /// Joins the pull for `key`, or begins it on `runtime`. Each waiter has the whole of `bound` for
    /// itself, since it cannot know of those that came before.
    pub(super) fn join(
        &self,
        runtime: &Handle,
        key: PullKey,
        bound: Duration,
        work: Work,
    ) -> Waiter<PullKey, Told, Arc<Image>> {
        let turn = self.turns.of(work.image.canonical());
        self.flight.join_on(runtime, key, Some(bound), |told| carry_out(work, turn, told))
    }
}

impl Told {
    /// The error of a waiter, with what is known of the attempts.
    pub(super) fn error(&self, image: &ImageRef, error: FlightError) -> Error {
        let what = format!("image {}", image.canonical());
        match (&error, &self.failed) {
            (FlightError::Deadline(bound), Some(failed)) => Error::new(ErrorKind::Deadline, "pull")
                .message(format!(
                    "{what}: not done within {bound:?}; the last attempt failed: {failed}"
                ))
                .remedy(SLOW),
            (FlightError::Deadline(_), None) => error.into_error("pull", &what).remedy(SLOW),
            _ => error.into_error("pull", &what),
        }
    }
}

/// Where the state of a pull is kept and told.
struct Teller {
    told: Mutex<Told>,
    sender: ProgressSender<Told>,
}

impl Teller {
    fn tell(&self, change: impl FnOnce(&mut Told)) {
        let mut told = self.told.lock();
        change(&mut told);
        self.sender.send(told.clone());
    }
}

async fn carry_out(
    work: Work,
    turn: Arc<Turn>,
    sender: ProgressSender<Told>,
) -> Result<Arc<Image>> {
    let what = format!("image {}", work.image.canonical());
    tokio::select! {
        pulled = pull(&work, &what, &turn, sender) => pulled.map(Arc::new),
        // A waiter whose runtime stands still cannot leave, and must not hold up the close.
        () = work.closing.cancelled() => {
            Err(Error::new(ErrorKind::Closed, "pull").message(format!("{what}: the driver is closed")))
        }
    }
}

async fn pull(work: &Work, what: &str, turn: &Turn, sender: ProgressSender<Told>) -> Result<Image> {
    let teller = Teller { told: Mutex::default(), sender };
    // No bound for all: it would be the first waiter's. Each waiter has one, each attempt has one,
    // and attempts are counted.
    let retry = RetryPolicy::new().attempts(work.attempts);
    let failed = Mutex::new(None);
    let attempts = retry.run("pull", what, async || {
        if let Some(before) = failed.lock().take() {
            Failed::retried(before, "pull_image");
        }
        let turn = turn.lock().await;
        let pulled = attempt(work, &teller).await;
        drop(turn);
        let error = pulled.as_ref().err();
        *failed.lock() = error.and_then(failure);
        teller.tell(|told| told.failed = error.map(|error| error.to_string().into()));
        pulled
    });
    attempts.await
}

/// What the engine had against it, as that is counted.
fn failure(error: &Error) -> Option<Failed> {
    error.source()?.downcast_ref::<ClientError>().map(Failed::by)
}

async fn attempt(work: &Work, teller: &Teller) -> Result<Image> {
    let Work { api, image, platform, credential, .. } = work;
    let credentials = credential.as_ref().map(|credential| shown(image.domain(), credential));
    let reference = image.canonical().to_owned();
    let request = PullRequest { reference, platform: platform.clone(), credentials };
    // A new attempt tells of its own layers only; those that are there already count as done.
    let progress = Mutex::new(Progress::default());
    let step = |event| {
        let mut progress = progress.lock();
        progress.add(event);
        teller.tell(|told| told.progress = progress.sum());
    };
    api.pull_image(&request, &step).await.map_err(|error| pull_error(image, error))?;
    let told = {
        let mut progress = progress.lock();
        progress.finish();
        progress.sum()
    };
    teller.tell(|last| last.progress = told);
    let found =
        again("inspect_image", || api.inspect_image(image.canonical())).await.map_err(|error| {
            let what = format!("image {}", image.canonical());
            if error.is_not_found() {
                let message = format!("{what} vanished right after its pull: try again");
                return Error::new(ErrorKind::Busy, "pull").message(message).because(error);
            }
            engine_error("pull", &what, error)
        })?;
    let platform = platform.as_deref();
    check(&found, image, platform).map_err(|other| other.error(image, platform))?;
    Ok(found)
}

fn shown(registry: &str, credential: &Credential) -> Credentials {
    // Docker Hub's credentials go by the address of its first registry.
    let registry = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
    match credential {
        Credential::Password { username, password } => {
            Credentials::password(registry, username, password.expose())
        }
        Credential::IdentityToken(token) => Credentials::identity_token(registry, token.expose()),
        Credential::RegistryToken(token) => Credentials::registry_token(registry, token.expose()),
        _ => Credentials::default(),
    }
}
