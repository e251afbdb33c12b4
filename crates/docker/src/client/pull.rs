//! Pulling an image, through bollard over our own transport.

use std::io;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error as BollardError;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;

use super::error::{ClientError, Result};
use super::quirks;
use super::transport::Transport;

/// Bollard's own timeout ends only the wait for an answer's head and is cut to whole seconds: it is
/// put out of the way, and our own bounds count.
const NO_TIMEOUT_SECONDS: u64 = 366 * 24 * 3600;

/// What to pull.
#[derive(Debug, Clone, Default)]
pub(crate) struct PullRequest {
    /// The reference with its tag or digest.
    pub(crate) reference: String,
    /// Such as `linux/arm64`.
    pub(crate) platform: Option<String>,
    /// What to show to the registry.
    pub(crate) credentials: Option<Credentials>,
}

/// What is shown to a registry. It never shows itself.
#[derive(Clone, Default)]
pub(crate) struct Credentials(DockerCredentials);

impl Credentials {
    /// A name and a password.
    pub(crate) fn password(registry: &str, username: &str, password: &str) -> Self {
        Self(DockerCredentials {
            username: Some(username.to_owned()),
            password: Some(password.to_owned()),
            ..Self::of(registry)
        })
    }

    /// A token that is exchanged for an access token.
    pub(crate) fn identity_token(registry: &str, token: &str) -> Self {
        Self(DockerCredentials { identitytoken: Some(token.to_owned()), ..Self::of(registry) })
    }

    /// A bearer token.
    pub(crate) fn registry_token(registry: &str, token: &str) -> Self {
        Self(DockerCredentials { registrytoken: Some(token.to_owned()), ..Self::of(registry) })
    }

    fn of(registry: &str) -> DockerCredentials {
        DockerCredentials { serveraddress: Some(registry.to_owned()), ..Default::default() }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// One step of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PullEvent {
    /// The layer, where the step is one of a layer.
    pub(crate) layer: Option<String>,
    /// The engine's word for it, such as `Downloading`.
    pub(crate) status: String,
    /// Bytes done.
    pub(crate) current: Option<u64>,
    /// Bytes in all.
    pub(crate) total: Option<u64>,
}

/// Pulls, with at most `idle` from one step to the next.
pub(crate) async fn pull(
    transport: &Transport,
    request: &PullRequest,
    idle: Duration,
    progress: &(dyn Fn(PullEvent) + Send + Sync),
) -> Result<()> {
    let docker = bollard(transport)?;
    let mut options = CreateImageOptionsBuilder::new().from_image(&request.reference);
    if let Some(platform) = &request.platform {
        options = options.platform(platform);
    }
    let credentials = request.credentials.clone().map(|credentials| credentials.0);
    let mut steps = docker.create_image(Some(options.build()), None, credentials);
    loop {
        let step = tokio::time::timeout(idle, steps.next())
            .await
            .map_err(|_| ClientError::Deadline { bound: idle })?;
        match step {
            None => return Ok(()),
            Some(Ok(step)) => progress(event(step)),
            Some(Err(error)) if quirks::is_split_line_break(&error) => return Ok(()),
            Some(Err(error)) => return Err(translate(error)),
        }
    }
}

fn event(step: CreateImageInfo) -> PullEvent {
    let detail = step.progress_detail.unwrap_or_default();
    let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
    PullEvent {
        layer: step.id,
        status: step.status.unwrap_or_default(),
        current: bytes(detail.current),
        total: bytes(detail.total),
    }
}

/// Bollard's client over `transport`.
fn bollard(transport: &Transport) -> Result<bollard::Docker> {
    let transport = transport.clone();
    let send = move |request: bollard::BollardRequest| {
        let transport = transport.clone();
        let sent = async move {
            // The only error of bollard's that carries one of ours through unharmed.
            let through = |error| BollardError::IOError { err: io::Error::other(error) };
            transport.send(request).await.map_err(through)
        };
        Box::pin(sent) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    };
    bollard::Docker::connect_with_custom_transport(
        send,
        Some("http://docker"),
        NO_TIMEOUT_SECONDS,
        bollard::API_DEFAULT_VERSION,
    )
    .map_err(translate)
}

fn translate(error: BollardError) -> ClientError {
    match error {
        BollardError::IOError { err } => match err.downcast::<ClientError>() {
            Ok(error) => error,
            Err(error) => ClientError::Disconnected(error.to_string()),
        },
        BollardError::DockerResponseServerError { status_code, message } => {
            ClientError::Status { status: status_code, message }
        }
        BollardError::DockerStreamError { error } => ClientError::Reported(error),
        BollardError::HyperResponseError { err } => ClientError::from(err),
        other => ClientError::Protocol(other.to_string()),
    }
}
