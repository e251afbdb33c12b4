//! The calls over one transport: bollard where it reads a stream of progress, and directly where an
//! exact answer counts.

use std::time::Duration;

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::api::{Change, DockerApi, Streams, WaitCondition};
use super::call::Call;
use super::connect::Io;
use super::deadline::within;
use super::error::{ClientError, Result};
use super::lines::JsonLines;
use super::pull::{self, PullEvent, PullRequest};
use super::reply::{Container, Created, Image, Info, Listed, Version};
use super::stream::RawStream;
use super::transport::{Transport, Wire};
use super::version::ApiVersion;
use super::wait::PendingWait;

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

    async fn little(&self, call: Call) -> Result<()> {
        within(self.bounds.call, call.done(&self.transport)).await.map(drop)
    }
}

#[async_trait]
impl DockerApi for Engine {
    fn speak(&self, version: ApiVersion) {
        self.transport.speak(version);
    }

    async fn version(&self) -> Result<Version> {
        within(self.bounds.call, Call::get("/version").value(&self.transport)).await
    }

    async fn info(&self) -> Result<Info> {
        within(self.bounds.call, Call::get("/info").value(&self.transport)).await
    }

    async fn inspect_image(&self, reference: &str) -> Result<Image> {
        let call = Call::get(format!("/images/{reference}/json"));
        within(self.bounds.call, call.value(&self.transport)).await
    }

    async fn pull_image(
        &self,
        request: &PullRequest,
        progress: &(dyn Fn(PullEvent) + Send + Sync),
    ) -> Result<()> {
        let pull = pull::pull(&self.transport, request, self.bounds.pull_idle, progress);
        within(self.bounds.pull_total, pull).await
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
        within(self.bounds.work, call.value(&self.transport)).await
    }

    async fn attach(&self, id: &str, streams: Streams) -> Result<RawStream> {
        let mut call = Call::post(format!("/containers/{id}/attach")).query("stream", "1");
        for (name, wanted) in
            [("stdin", streams.stdin), ("stdout", streams.stdout), ("stderr", streams.stderr)]
        {
            if wanted {
                call = call.query(name, "1");
            }
        }
        within(self.bounds.call, self.upgrade(call)).await
    }

    async fn wait(&self, id: &str, condition: WaitCondition) -> Result<PendingWait> {
        let call =
            Call::post(format!("/containers/{id}/wait")).query("condition", condition.word());
        let response = within(self.bounds.call, call.send(&self.transport)).await?;
        Ok(PendingWait::new(response.into_body()))
    }

    async fn start_container(&self, id: &str) -> Result<Change> {
        let call = Call::post(format!("/containers/{id}/start"));
        match within(self.bounds.work, call.done(&self.transport)).await? {
            http::StatusCode::NOT_MODIFIED => Ok(Change::Already),
            _ => Ok(Change::Done),
        }
    }

    async fn inspect_container(&self, id: &str) -> Result<Container> {
        let call = Call::get(format!("/containers/{id}/json"));
        within(self.bounds.call, call.value(&self.transport)).await
    }

    async fn list_containers(&self, labels: &[String]) -> Result<Vec<Listed>> {
        let filters = json!({ "label": labels }).to_string();
        let call = Call::get("/containers/json").query("all", "1").query("filters", &filters);
        within(self.bounds.call, call.value(&self.transport)).await
    }

    async fn kill_container(&self, id: &str, signal: &str) -> Result<()> {
        self.little(Call::post(format!("/containers/{id}/kill")).query("signal", signal)).await
    }

    async fn pause_container(&self, id: &str) -> Result<()> {
        self.little(Call::post(format!("/containers/{id}/pause"))).await
    }

    async fn unpause_container(&self, id: &str) -> Result<()> {
        self.little(Call::post(format!("/containers/{id}/unpause"))).await
    }

    async fn resize_container(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        let call = Call::post(format!("/containers/{id}/resize"));
        self.little(call.query("h", &rows.to_string()).query("w", &columns.to_string())).await
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        let call = Call::delete(format!("/containers/{id}")).query("force", "1").query("v", "1");
        within(self.bounds.work, call.done(&self.transport)).await.map(drop)
    }

    async fn stats(&self, id: &str) -> Result<JsonLines> {
        let call = Call::get(format!("/containers/{id}/stats")).query("stream", "1");
        let response = within(self.bounds.call, call.send(&self.transport)).await?;
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
                "the engine answered {} to attach instead of handing the connection over",
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
