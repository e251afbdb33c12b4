//! The calls over one transport.

use std::time::Duration;

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use longshore_driver_api::TarStream;
use longshore_stats::Timestamp;
use serde_json::{Value, json};

use super::api::{Change, DockerApi, Streams, WaitCondition};
use super::call::Call;
use super::connect::Io;
use super::date::date;
use super::deadline::within;
use super::error::{ClientError, Result};
use super::files::{FileChange, PathStat};
use super::lines::JsonLines;
use super::load::{self, Archive};
use super::pull::{self, PullEvent, PullRequest};
use super::reply::{
    Container, Created, CreatedExec, DiskUsage, ExecState, Image, Info, Listed, ListedImage,
    Version, Volumes,
};
use super::stream::{FromContainer, RawStream};
use super::transport::{Transport, Wire};
use super::upload::Upload;
use super::version::ApiVersion;
use super::wait::PendingWait;
use crate::meter::Timed;

/// The first version that can be asked for the usage by images alone.
const ONE_TYPE_OF_USAGE: ApiVersion = ApiVersion { major: 1, minor: 42 };

/// How long nothing may happen until the stream of events is renewed.
const SILENT_EVENTS: Duration = Duration::from_secs(60);

/// How long the calls may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// A call that reads or changes little.
    pub(crate) call: Duration,
    /// A call that makes the engine work: create, start, remove.
    pub(crate) work: Duration,
    /// From one value of a stream that never pauses to the next.
    pub(crate) stream_idle: Duration,
    /// From one step of a pull to the next.
    pub(crate) pull_idle: Duration,
    /// A whole pull.
    pub(crate) pull_total: Duration,
}

/// A call within its bound, measured under its name.
async fn timed<T>(
    name: &'static str,
    bound: Duration,
    operation: impl Future<Output = Result<T>>,
) -> Result<T> {
    let timed = Timed::begin(name);
    let result = within(bound, operation).await;
    timed.end(&result);
    result
}

/// An engine behind a transport.
#[derive(Debug)]
pub(crate) struct Engine {
    transport: Transport,
    bounds: Bounds,
}

impl Engine {
    /// The engine behind `transport`.
    pub(crate) fn new(transport: Transport, bounds: Bounds) -> Self {
        Self { transport, bounds }
    }

    async fn little(&self, name: &'static str, call: Call) -> Result<()> {
        timed(name, self.bounds.call, call.done(&self.transport)).await.map(drop)
    }
}

#[async_trait]
impl DockerApi for Engine {
    fn address(&self) -> String {
        self.transport.address()
    }

    fn speak(&self, version: ApiVersion) {
        self.transport.speak(version);
    }

    async fn peer(&self) -> Option<i32> {
        self.transport.peer().await
    }

    async fn version(&self) -> Result<Version> {
        timed("version", self.bounds.call, Call::get("/version").value(&self.transport)).await
    }

    async fn info(&self) -> Result<Info> {
        timed("info", self.bounds.call, Call::get("/info").value(&self.transport)).await
    }

    async fn inspect_image(&self, reference: &str) -> Result<Image> {
        let call = Call::get(format!("/images/{reference}/json"));
        timed("inspect_image", self.bounds.call, call.value(&self.transport)).await
    }

    async fn pull_image(
        &self,
        request: &PullRequest,
        progress: &(dyn Fn(PullEvent) + Send + Sync),
    ) -> Result<()> {
        let pull = pull::pull(&self.transport, request, self.bounds.pull_idle, progress);
        timed("pull_image", self.bounds.pull_total, pull).await
    }

    async fn load_images(&self, archive: Archive) -> Result<Vec<String>> {
        let bounds = &self.bounds;
        let load = load::load(&self.transport, archive, bounds.pull_total);
        timed("load_images", bounds.pull_total, load).await
    }

    async fn list_images(&self) -> Result<DiskUsage> {
        let mut call = Call::get("/system/df");
        if self.transport.version().is_some_and(|version| version >= ONE_TYPE_OF_USAGE) {
            call = call.query("type", "image");
        }
        match timed("list_images", self.bounds.work, call.value(&self.transport)).await {
            // An engine without it: what images share is not known then.
            Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => {
                let call = Call::get("/images/json");
                let images: Option<Vec<ListedImage>> =
                    timed("list_images", self.bounds.work, call.value(&self.transport)).await?;
                Ok(DiskUsage { layers_size: None, images: images.unwrap_or_default() })
            }
            listed => listed,
        }
    }

    async fn remove_image(&self, reference: &str) -> Result<()> {
        let call = Call::delete(format!("/images/{reference}"));
        timed("remove_image", self.bounds.work, call.done(&self.transport)).await.map(drop)
    }

    async fn needs_image(&self, image: &str) -> Result<Option<&'static str>> {
        let filters = json!({ "ancestor": [image] }).to_string();
        let call = Call::get("/containers/json").query("all", "1").query("filters", &filters);
        let call = call.query("limit", "1");
        let listed: Option<Vec<Listed>> =
            timed("needs_image", self.bounds.call, call.value(&self.transport)).await?;
        if listed.is_some_and(|listed| !listed.is_empty()) {
            return Ok(Some("a container uses it"));
        }
        let call = Call::get("/images/json").query("all", "1");
        let all: Option<Vec<ListedImage>> =
            timed("needs_image", self.bounds.work, call.value(&self.transport)).await?;
        let is_parent = all.iter().flatten().any(|other| other.parent_id == image);
        Ok(is_parent.then_some("another image was built on it"))
    }

    async fn create_container(
        &self,
        name: &str,
        platform: Option<&str>,
        body: &Value,
    ) -> Result<Created> {
        let mut call = Call::post("/containers/create").query("name", name).json(body);
        if let Some(platform) = platform {
            call = call.query("platform", platform);
        }
        let created: Created =
            timed("create_container", self.bounds.work, call.value(&self.transport)).await?;
        // It is part of paths from now on.
        if created.id.is_empty() || !created.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let why = format!("the answer to a create has no id: {:?}", created.id);
            return Err(ClientError::Protocol(why));
        }
        Ok(created)
    }

    async fn attach(&self, id: &str, streams: Streams, detach: &str) -> Result<RawStream> {
        let mut call = Call::post(format!("/containers/{id}/attach")).query("stream", "1");
        for (name, wanted) in
            [("stdin", streams.stdin), ("stdout", streams.stdout), ("stderr", streams.stderr)]
        {
            if wanted {
                call = call.query(name, "1");
            }
        }
        if streams.stdin {
            call = call.query("detachKeys", detach);
        }
        timed("attach", self.bounds.call, self.upgrade(call)).await
    }

    async fn logs(&self, id: &str, follow: bool) -> Result<FromContainer> {
        let mut call = Call::get(format!("/containers/{id}/logs"));
        for stream in ["stdout", "stderr"] {
            call = call.query(stream, "1");
        }
        // A task may be silent for as long as it likes.
        let mut idle = self.bounds.stream_idle;
        if follow {
            call = call.query("follow", "1");
            idle = Duration::MAX;
        }
        let response = timed("logs", self.bounds.call, call.send(&self.transport)).await?;
        Ok(super::upload::download(response.into_body(), idle))
    }

    async fn wait(&self, id: &str, condition: WaitCondition) -> Result<PendingWait> {
        let path = format!("/containers/{id}/wait?condition={}", condition.word());
        timed("wait", self.bounds.call, async {
            let (io, request) = self.transport.by_hand(&path).await?;
            PendingWait::register(io, &request).await
        })
        .await
    }

    async fn start_container(&self, id: &str) -> Result<Change> {
        let call = Call::post(format!("/containers/{id}/start"));
        match timed("start_container", self.bounds.work, call.done(&self.transport)).await? {
            http::StatusCode::NOT_MODIFIED => Ok(Change::Already),
            _ => Ok(Change::Done),
        }
    }

    async fn inspect_container(&self, id: &str) -> Result<Container> {
        let call = Call::get(format!("/containers/{id}/json"));
        timed("inspect_container", self.bounds.call, call.value(&self.transport)).await
    }

    async fn list_containers(&self, labels: &[String]) -> Result<Vec<Listed>> {
        let filters = json!({ "label": labels }).to_string();
        let call = Call::get("/containers/json").query("all", "1").query("filters", &filters);
        let found: Option<Vec<Listed>> =
            timed("list_containers", self.bounds.call, call.value(&self.transport)).await?;
        Ok(found.unwrap_or_default())
    }

    async fn list_networks(&self, labels: &[String]) -> Result<Vec<Listed>> {
        let filters = json!({ "label": labels }).to_string();
        let call = Call::get("/networks").query("filters", &filters);
        let found: Option<Vec<Listed>> =
            timed("list_networks", self.bounds.call, call.value(&self.transport)).await?;
        Ok(found.unwrap_or_default())
    }

    async fn list_volumes(&self, labels: &[String]) -> Result<Vec<Listed>> {
        let filters = json!({ "label": labels }).to_string();
        let call = Call::get("/volumes").query("filters", &filters);
        let found: Volumes =
            timed("list_volumes", self.bounds.call, call.value(&self.transport)).await?;
        Ok(found.volumes.into_iter().map(Listed::from).collect())
    }

    async fn connect_network(&self, network: &str, id: &str, aliases: &[String]) -> Result<()> {
        let mut body = json!({ "Container": id });
        if !aliases.is_empty() {
            body["EndpointConfig"] = json!({ "Aliases": aliases });
        }
        let call = Call::post(format!("/networks/{network}/connect")).json(&body);
        timed("connect_network", self.bounds.work, call.done(&self.transport)).await.map(drop)
    }

    async fn remove_network(&self, id: &str) -> Result<()> {
        self.little("remove_network", Call::delete(format!("/networks/{id}"))).await
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        self.little("remove_volume", Call::delete(format!("/volumes/{name}"))).await
    }

    async fn kill_container(&self, id: &str, signal: &str) -> Result<()> {
        self.little(
            "kill_container",
            Call::post(format!("/containers/{id}/kill")).query("signal", signal),
        )
        .await
    }

    async fn pause_container(&self, id: &str) -> Result<()> {
        self.little("pause_container", Call::post(format!("/containers/{id}/pause"))).await
    }

    async fn unpause_container(&self, id: &str) -> Result<()> {
        self.little("unpause_container", Call::post(format!("/containers/{id}/unpause"))).await
    }

    async fn resize_container(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        let call = Call::post(format!("/containers/{id}/resize"));
        self.little(
            "resize_container",
            call.query("h", &rows.to_string()).query("w", &columns.to_string()),
        )
        .await
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        let call = Call::delete(format!("/containers/{id}")).query("force", "1").query("v", "1");
        timed("remove_container", self.bounds.work, call.done(&self.transport)).await.map(drop)
    }

    async fn create_exec(&self, container: &str, body: &Value) -> Result<CreatedExec> {
        let call = Call::post(format!("/containers/{container}/exec")).json(body);
        timed("create_exec", self.bounds.call, call.value(&self.transport)).await
    }

    async fn start_exec(&self, id: &str, tty: bool) -> Result<RawStream> {
        let body = json!({ "Detach": false, "Tty": tty });
        let call = Call::post(format!("/exec/{id}/start")).json(&body);
        timed("start_exec", self.bounds.work, self.upgrade(call)).await
    }

    async fn inspect_exec(&self, id: &str) -> Result<ExecState> {
        let call = Call::get(format!("/exec/{id}/json"));
        timed("inspect_exec", self.bounds.call, call.value(&self.transport)).await
    }

    async fn resize_exec(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        let call = Call::post(format!("/exec/{id}/resize"));
        self.little(
            "resize_exec",
            call.query("h", &rows.to_string()).query("w", &columns.to_string()),
        )
        .await
    }

    async fn put_archive(&self, id: &str, folder: &str, archive: Upload) -> Result<()> {
        // A folder is not to become a file, nor a file a folder.
        let call = Call::put(format!("/containers/{id}/archive"))
            .query("path", folder)
            .query("noOverwriteDirNonDir", "1");
        // How long it takes is the archive's affair; how long the engine takes it is not.
        let stalled = archive.stalled(self.bounds.work);
        let timed = Timed::begin("put_archive");
        let put = tokio::select! {
            biased;
            done = call.upload(&self.transport, archive) => done,
            () = stalled => Err(ClientError::Deadline { bound: self.bounds.work }),
        };
        timed.end(&put);
        put
    }

    async fn get_archive(&self, id: &str, path: &str) -> Result<TarStream> {
        let call = Call::get(format!("/containers/{id}/archive")).query("path", path);
        let response = timed("get_archive", self.bounds.work, call.send(&self.transport)).await?;
        Ok(super::upload::download(response.into_body(), self.bounds.stream_idle))
    }

    async fn stat_path(&self, id: &str, path: &str) -> Result<Option<PathStat>> {
        let call = Call::head(format!("/containers/{id}/archive")).query("path", path);
        match timed("stat_path", self.bounds.call, call.send(&self.transport)).await {
            Ok(response) => PathStat::of(response.headers()).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn changes(&self, id: &str) -> Result<Vec<FileChange>> {
        let call = Call::get(format!("/containers/{id}/changes"));
        // Where there are none, Go writes `null`.
        let changes: Option<Vec<FileChange>> =
            timed("changes", self.bounds.call, call.value(&self.transport)).await?;
        Ok(changes.unwrap_or_default())
    }

    async fn events(
        &self,
        label: &str,
        since: Option<i64>,
    ) -> Result<(JsonLines, Option<Timestamp>)> {
        let filters = json!({
            "type": ["container"],
            "event": ["start", "kill", "die", "oom", "health_status"],
            "label": [label],
        });
        let mut call = Call::get("/events").query("filters", &filters.to_string());
        if let Some(since) = since {
            let (seconds, nanos) = (since / 1_000_000_000, since % 1_000_000_000);
            call = call.query("since", &format!("{seconds}.{nanos:09}"));
        }
        let response = timed("events", self.bounds.call, call.send(&self.transport)).await?;
        let begun = date(response.headers());
        // Silence is usual here, and a connection that nobody is at any more is silent too.
        Ok((JsonLines::new(response.into_body(), SILENT_EVENTS), begun))
    }

    async fn stats(&self, id: &str) -> Result<JsonLines> {
        let call = Call::get(format!("/containers/{id}/stats")).query("stream", "1");
        let response = timed("stats", self.bounds.call, call.send(&self.transport)).await?;
        Ok(JsonLines::new(response.into_body(), self.bounds.stream_idle))
    }
}

impl Engine {
    /// Sends a request that turns the connection into a bare byte stream, and takes it over.
    async fn upgrade(&self, call: Call) -> Result<RawStream> {
        use http::header::{CONNECTION, HeaderValue, UPGRADE};

        let mut request = call.request()?;
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
        let response = super::call::accept(self.transport.send(request).await?).await?;
        if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            return Err(ClientError::Protocol(format!(
                "the engine answered {} instead of handing the connection over",
                response.status()
            )));
        }
        let upgraded = hyper::upgrade::on(response).await?;
        let parts = upgraded.downcast::<Wire>().map_err(|_| {
            ClientError::Protocol("the upgraded connection is not the one that was opened".into())
        })?;
        let io: TokioIo<Box<dyn Io>> = parts.io;
        Ok(RawStream::new(parts.read_buf, io.into_inner()))
    }
}
