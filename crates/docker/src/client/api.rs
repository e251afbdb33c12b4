//! The calls that the driver makes on an engine.

use std::fmt;

use async_trait::async_trait;
use longshore_driver_api::TarStream;
use longshore_stats::Timestamp;
use serde_json::Value;

use super::error::Result;
use super::files::{FileChange, PathStat};
use super::lines::JsonLines;
use super::load::Archive;
use super::pull::{PullEvent, PullRequest};
use super::reply::{
    Container, Created, CreatedExec, DiskUsage, ExecState, Image, Info, Listed, Version,
};
use super::stream::{FromContainer, RawStream};
use super::upload::Upload;
use super::version::ApiVersion;
use super::wait::PendingWait;

/// One engine.
///
/// Every call has a bound of its own around the whole of it. A call whose future is dropped ends its
/// connection; what the engine did by then is not known.
#[async_trait]
pub(crate) trait DockerApi: fmt::Debug + Send + Sync + 'static {
    /// Where the engine is.
    fn address(&self) -> String;

    /// Speaks `version` from now on.
    fn speak(&self, version: ApiVersion);

    /// The process that listens at the engine's socket, where that is one of this host.
    async fn peer(&self) -> Option<i32>;

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

    /// Loads the images of an archive, as `docker save` makes it; their names or ids.
    async fn load_images(&self, archive: Archive) -> Result<Vec<String>>;

    /// All images, with what they share as far as the engine tells.
    async fn list_images(&self) -> Result<DiskUsage>;

    /// Takes a name from an image, and removes the image if it was the last one; or removes the
    /// image with this id, if it has no name. Never by force.
    async fn remove_image(&self, reference: &str) -> Result<()>;

    /// What an image cannot be removed for, if there is anything: a container of it, whatever its
    /// state and whoever made it, or an image that was built on it.
    async fn needs_image(&self, image: &str) -> Result<Option<&'static str>>;

    /// Creates a container.
    async fn create_container(
        &self,
        name: &str,
        platform: Option<&str>,
        body: &Value,
    ) -> Result<Created>;

    /// Attaches to the streams of a container, from now on. `detach` are the keys in its input by
    /// which the engine lets go of it: see [`detach`](crate::detach).
    async fn attach(&self, id: &str, streams: Streams, detach: &str) -> Result<RawStream>;

    /// What the engine has kept of a container's output, from its beginning, in the form of an
    /// attach stream; and, if it is to follow, what is still to come, until the container ends.
    async fn logs(&self, id: &str, follow: bool) -> Result<FromContainer>;

    /// Registers a wait. Its result can be awaited for as long as the container runs.
    async fn wait(&self, id: &str, condition: WaitCondition) -> Result<PendingWait>;

    /// Starts a container.
    async fn start_container(&self, id: &str) -> Result<Change>;

    /// What the engine knows of a container.
    async fn inspect_container(&self, id: &str) -> Result<Container>;

    /// All containers, whatever their state, that carry all of these labels (`name=value`).
    async fn list_containers(&self, labels: &[String]) -> Result<Vec<Listed>>;

    /// All networks that carry all of these labels.
    async fn list_networks(&self, labels: &[String]) -> Result<Vec<Listed>>;

    /// All volumes that carry all of these labels; the id is the name.
    async fn list_volumes(&self, labels: &[String]) -> Result<Vec<Listed>>;

    /// Puts a container on one more network, under these names besides its own.
    async fn connect_network(&self, network: &str, id: &str, aliases: &[String]) -> Result<()>;

    /// Removes a network that no container is on.
    async fn remove_network(&self, id: &str) -> Result<()>;

    /// Removes a volume that no container uses.
    async fn remove_volume(&self, name: &str) -> Result<()>;

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

    /// Makes a further process in a container that runs, not started yet. Gives its id.
    async fn create_exec(&self, container: &str, body: &Value) -> Result<CreatedExec>;

    /// Attaches to a further process and starts it. What the engine has against it comes as text on
    /// its stdout.
    async fn start_exec(&self, id: &str, tty: bool) -> Result<RawStream>;

    /// What the engine knows of a further process.
    async fn inspect_exec(&self, id: &str) -> Result<ExecState>;

    /// Tells the size of a further process's terminal.
    async fn resize_exec(&self, id: &str, rows: u16, columns: u16) -> Result<()>;

    /// Unpacks a tar archive into a folder of a container.
    async fn put_archive(&self, id: &str, folder: &str, archive: Upload) -> Result<()>;

    /// A tar archive of a file or folder of a container.
    async fn get_archive(&self, id: &str, path: &str) -> Result<TarStream>;

    /// The stream of what happens to the containers that carry a label: ends, kills for want of
    /// memory, health. It begins with what happened since a time in nanoseconds, if one is given.
    /// With it comes when it was begun, on the engine's clock, if the engine says so.
    async fn events(
        &self,
        label: &str,
        since: Option<i64>,
    ) -> Result<(JsonLines, Option<Timestamp>)>;

    /// What is at a path of a container, if there is anything. Links on the way are followed, one at
    /// its end is not. The absence of the container itself looks the same.
    async fn stat_path(&self, id: &str, path: &str) -> Result<Option<PathStat>>;

    /// In what the files of a container differ from its image's.
    async fn changes(&self, id: &str) -> Result<Vec<FileChange>>;

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
