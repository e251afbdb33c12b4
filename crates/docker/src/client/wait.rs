//! A wait for a container's end that the engine has registered.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::api::Waited;
use super::error::ClientError;

/// A registered wait: the head of the engine's answer is there, its body comes with the end.
#[derive(Debug)]
pub(crate) struct PendingWait {
    body: Incoming,
}

/// A wait's answer is a few hundred bytes.
const LIMIT: usize = 64 * 1024;

impl PendingWait {
    /// The wait whose answer's body is `body`.
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body }
    }

    /// Waits for the end. Without a bound: a task may run for as long as it likes.
    pub(crate) async fn result(self) -> Waited {
        let body = http_body_util::Limited::new(self.body, LIMIT);
        let bytes = body
            .collect()
            .await
            .map_err(|error| ClientError::Disconnected(error.to_string()))?
            .to_bytes();
        // An engine that stops ends the body without a word.
        if bytes.is_empty() {
            return Err(ClientError::Disconnected("the wait ended without an answer".into()));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::Protocol(format!("the answer to a wait: {error}")))
    }
}
