//! Pulls under way, one for each image, platform and credential.

use std::sync::Arc;
use std::time::Duration;

use longshore_driver_api::{Credential, Error, ErrorKind, ImageRef, PullProgress, Result};
use longshore_images::{Flight, FlightError, ProgressSender, PullKey, RetryPolicy, Waiter};
use parking_lot::Mutex;

use super::check::check;
use super::progress::Progress;
use super::registry::{SLOW, pull_error};
use crate::client::api::DockerApi;
use crate::client::pull::{Credentials, PullRequest};
use crate::client::reply::Image;
use crate::error::engine_error;
use crate::retry::again;

/// The pulls under way.
#[derive(Debug, Default)]
pub(crate) struct Pulls(Flight<PullKey, Told, Arc<Image>>);

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
}

impl Pulls {
    /// Joins the pull for `key`, or begins it. Each waiter has the whole of `bound` for itself, since
    /// it cannot know of those that came before.
    pub(super) fn join(
        &self,
        key: PullKey,
        bound: Duration,
        work: Work,
    ) -> Waiter<PullKey, Told, Arc<Image>> {
        self.0.join(key, Some(bound), |told| carry_out(work, told))
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

async fn carry_out(work: Work, sender: ProgressSender<Told>) -> Result<Arc<Image>> {
    let teller = Teller { told: Mutex::default(), sender };
    // No bound for all: it would be the first waiter's. Each waiter has one, each attempt has one,
    // and attempts are counted.
    let retry = RetryPolicy::new().attempts(work.attempts);
    let what = format!("image {}", work.image.canonical());
    let pulled = retry
        .run("pull", &what, async || {
            let pulled = attempt(&work, &teller).await;
            teller.tell(|told| {
                told.failed = pulled.as_ref().err().map(|error| error.to_string().into());
            });
            pulled
        })
        .await?;
    Ok(Arc::new(pulled))
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
