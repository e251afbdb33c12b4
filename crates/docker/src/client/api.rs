//! The calls that the driver makes on an engine.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use super::error::Result;
use super::lines::JsonLines;
use super::pull::{PullEvent, PullRequest};
use super::reply::{Container, Created, Image, Info, Listed, Version, WaitResult};
use super::stream::RawStream;
use super::version::ApiVersion;
use super::wait::PendingWait;

/// One engine.
///
/// Every call has a bound of its own around the whole of it. A call whose future is dropped ends its
/// connection; what the engine did by then is not known.
#[async_trait]
pub(crate) trait DockerApi: fmt::Debug + Send + Sync + 'static {
    /// Speaks `version` from now on.
    fn speak(&self, version: ApiVersion);

    /// Who the engine is and which versions of the API it speaks.
    async fn version(&self) -> Result<Version>;

    /// What the engine and its host can do.
    async fn info(&self) -> Result<Info>;

    /// An image that is on the engine.
    async fn inspect_image(&self, reference: &str) -> Result<Image>;

    /// Pulls an image; `progress` sees every step.
    async fn pull_image(
        &self,
        request: &PullRequest,
        progress: &(dyn Fn(PullEvent) + Send + Sync),
    ) -> Result<()>;

    /// Creates a container.
    async fn create_container(
        &self,
        name: &str,
        platform: Option<&str>,
        body: &Value,
    ) -> Result<Created>;

    /// Attaches to the streams of a container, from now on.
    async fn attach(&self, id: &str, streams: Streams) -> Result<RawStream>;

    /// Registers a wait. Its result can be awaited for as long as the container runs.
    async fn wait(&self, id: &str, condition: WaitCondition) -> Result<PendingWait>;

    /// Starts a container.
    async fn start_container(&self, id: &str) -> Result<Change>;

    /// What the engine knows of a container.
    async fn inspect_container(&self, id: &str) -> Result<Container>;

    /// All containers, whatever their state, that carry all of these labels (`name=value`).
    async fn list_containers(&self, labels: &[String]) -> Result<Vec<Listed>>;

    /// Sends a signal to a container's main process.
    async fn kill_container(&self, id: &str, signal: &str) -> Result<()>;

    /// Freezes a container.
    async fn pause_container(&self, id: &str) -> Result<()>;

    /// Lets a frozen container go on.
    async fn unpause_container(&self, id: &str) -> Result<()>;

    /// Tells the size of a container's terminal.
    async fn resize_container(&self, id: &str, rows: u16, columns: u16) -> Result<()>;

    /// Kills and removes a container, with its anonymous volumes. Takes its id or its name.
    async fn remove_container(&self, id: &str) -> Result<()>;

    /// The stream of a container's statistics, about one a second.
    async fn stats(&self, id: &str) -> Result<JsonLines>;
}

/// Which streams to attach to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    /// Standard input.
    pub(crate) stdin: bool,
    /// Standard output.
    pub(crate) stdout: bool,
    /// Standard error.
    pub(crate) stderr: bool,
}

impl Streams {
    /// Whether there is nothing to attach to.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// What a wait is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitCondition {
    /// The next time that the container ends. Registered before the start, it cannot miss the end.
    NextExit,
    /// That the container does not run, which may be so already.
    NotRunning,
}

impl WaitCondition {
    /// The engine's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NextExit => "next-exit",
            Self::NotRunning => "not-running",
        }
    }
}

/// Whether a call changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It did.
    Done,
    /// It was so already (status 304).
    Already,
}

/// What a wait ended with.
pub(crate) type Waited = Result<WaitResult>;
