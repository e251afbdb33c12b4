//! Pulling an image: a request with a credential, and a stream of steps.
//!
//! The stream is read here and not by bollard, which takes an `error` without an `errorDetail` (as
//! Podman writes it) for a step, and so the failed pull for a success.

use std::fmt;
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE, Engine as _};
use http::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::deadline::within;
use super::error::{ClientError, Result};
use super::lines::JsonLines;
use super::transport::Transport;

const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");

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
#[derive(Clone, Default, Serialize)]
pub(crate) struct Credentials {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identitytoken: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registrytoken: Option<String>,
    serveraddress: String,
}

impl Credentials {
    /// A name and a password.
    pub(crate) fn password(registry: &str, username: &str, password: &str) -> Self {
        let (username, password) = (Some(username.to_owned()), Some(password.to_owned()));
        Self { username, password, ..Self::of(registry) }
    }

    /// A token that is exchanged for an access token.
    pub(crate) fn identity_token(registry: &str, token: &str) -> Self {
        Self { identitytoken: Some(token.to_owned()), ..Self::of(registry) }
    }

    /// A bearer token.
    pub(crate) fn registry_token(registry: &str, token: &str) -> Self {
        Self { registrytoken: Some(token.to_owned()), ..Self::of(registry) }
    }

    fn of(registry: &str) -> Self {
        Self { serveraddress: registry.to_owned(), ..Self::default() }
    }

    /// The header's value, in the alphabet for URLs: the engine takes no notice of a header that it
    /// cannot decode.
    fn header(&self) -> Result<HeaderValue> {
        let unsendable = |_| ClientError::Protocol("the credential cannot be sent".to_owned());
        let text = serde_json::to_vec(self).map_err(|_| unsendable(()))?;
        let mut value =
            HeaderValue::try_from(BASE64_URL_SAFE.encode(text)).map_err(|_| unsendable(()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
    let mut call = Call::post("/images/create").query("fromImage", &request.reference);
    if let Some(platform) = &request.platform {
        call = call.query("platform", platform);
    }
    if let Some(credentials) = &request.credentials {
        call = call.header(REGISTRY_AUTH, credentials.header()?);
    }
    let response = within(idle, call.send(transport)).await?;
    read_steps(JsonLines::new(response.into_body(), idle), |step| {
        let detail = step.progress_detail.unwrap_or_default();
        let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        progress(PullEvent {
            layer: step.id,
            status: step.status.unwrap_or_default(),
            current: bytes(detail.current),
            total: bytes(detail.total),
        });
    })
    .await
}

/// One line of a stream of progress.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    id: Option<String>,
    status: Option<String>,
    /// What a load tells.
    pub(crate) stream: Option<String>,
    #[serde(rename = "progressDetail")]
    progress_detail: Option<Detail>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    error_detail: Option<ErrorDetail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    current: Option<i64>,
    total: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    message: Option<String>,
}

/// Reads a stream of progress to its end, or to the failure that it reports.
pub(crate) async fn read_steps(mut lines: JsonLines, mut tell: impl FnMut(Step)) -> Result<()> {
    while let Some(step) = lines.next::<Step>().await? {
        let detail = step.error_detail.as_ref().and_then(|detail| detail.message.clone());
        let said = [detail, step.error.clone()].into_iter().flatten();
        if let Some(message) = said.map(|it| it.trim().to_owned()).find(|it| !it.is_empty()) {
            return Err(ClientError::Reported(message));
        }
        if step.error_detail.is_some() || step.error.is_some() {
            return Err(ClientError::Reported("it failed without a reason".to_owned()));
        }
        tell(step);
    }
    Ok(())
}
