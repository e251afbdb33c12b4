//! Pulls under way, one for each image, platform and credential.

use std::sync::Arc;

use longshore_driver_api::{Credential, ImageRef, PullProgress, Result};
use longshore_images::{Flight, ProgressSender, PullKey, RetryPolicy, Waiter};
use parking_lot::Mutex;

use super::progress::Progress;
use crate::client::api::DockerApi;
use crate::client::pull::{Credentials, PullRequest};
use crate::error::pull_error;

/// The pulls under way.
#[derive(Debug, Default)]
pub(crate) struct Pulls(Flight<PullKey, PullProgress, ()>);

/// What a pull needs.
pub(super) struct Work {
    pub(super) api: Arc<dyn DockerApi>,
    pub(super) image: ImageRef,
    pub(super) platform: Option<String>,
    pub(super) credential: Option<Credential>,
    pub(super) retry: RetryPolicy,
}

impl Pulls {
    /// Joins the pull for `key`, or begins it.
    pub(super) fn join(&self, key: PullKey, work: Work) -> Waiter<PullKey, PullProgress, ()> {
        // Each waiter is bounded by the pull's own bounds.
        self.0.join(key, None, |progress| carry_out(work, progress))
    }
}

async fn carry_out(work: Work, tell: ProgressSender<PullProgress>) -> Result<()> {
    let Work { api, image, platform, credential, retry } = work;
    let credentials = credential.as_ref().map(|credential| shown(image.domain(), credential));
    let reference = image.canonical().to_owned();
    let request = PullRequest { reference, platform, credentials };
    let what = format!("image {}", image.canonical());
    let attempt = async || {
        // A new attempt tells of its own layers only; those that are there already count as done.
        let progress = Mutex::new(Progress::default());
        let step = |event| {
            let mut progress = progress.lock();
            progress.add(event);
            tell.send(progress.sum());
        };
        let pulled = api.pull_image(&request, &step).await;
        pulled.map_err(|error| pull_error(&what, error))
    };
    retry.run("pull", &what, attempt).await
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
