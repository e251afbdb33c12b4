//! One way to send a request to the engine.
//!
//! Each request has a connection of its own: there is no idle connection that an engine could have
//! closed, and dropping the answer ends the request on the engine too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::connect::{Connector, Io};
use super::error::{ClientError, Result};
use super::quirks;
use super::version::ApiVersion;

/// What hyper speaks over; the type by which an upgraded connection is taken back from it.
pub(crate) type Wire = TokioIo<Box<dyn Io>>;

/// What moves a connection's bytes. Dropping it ends the connection.
pub(crate) struct Connection(Option<JoinHandle<()>>);

impl Connection {
    /// Lets it end by itself: with the answer, or when nobody reads that any more.
    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Sends requests to one engine.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connector: Connector,
    /// Every task that moves a connection's bytes.
    tasks: TaskTracker,
    /// The agreed version, major in the upper half; zero before there is one.
    version: AtomicU32,
}

impl Transport {
    /// A transport whose connections are moved by tasks of `tasks`.
    pub(crate) fn new(connector: Connector, tasks: TaskTracker) -> Self {
        Self { inner: Arc::new(Inner { connector, tasks, version: AtomicU32::new(0) }) }
    }

    /// Where the engine is.
    pub(crate) fn address(&self) -> String {
        self.inner.connector.address().to_string()
    }

    /// The process that listens at the other end, where that is a socket of this host.
    pub(crate) async fn peer(&self) -> Option<i32> {
        self.inner.connector.peer().await
    }

    /// Puts `version` on the path of every request from now on.
    pub(crate) fn speak(&self, version: ApiVersion) {
        let packed = u32::from(version.major) << 16 | u32::from(version.minor);
        self.inner.version.store(packed, Ordering::Relaxed);
    }

    /// The agreed version, if there is one yet.
    pub(crate) fn version(&self) -> Option<ApiVersion> {
        match self.inner.version.load(Ordering::Relaxed).to_be_bytes() {
            [0, 0, 0, 0] => None,
            [a, b, c, d] => Some(ApiVersion {
                major: u16::from_be_bytes([a, b]),
                minor: u16::from_be_bytes([c, d]),
            }),
        }
    }

    /// Sends a request and returns the head of the answer, whatever its status. The body is read by
    /// the caller. Dropping the future, or the answer, ends the connection.
    pub(crate) async fn send<B>(&self, request: Request<B>) -> Result<Response<Incoming>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (response, connection) = self.send_held(request).await?;
        connection.let_go();
        Ok(response)
    }

    /// As [`send`](Self::send), for a request whose body the engine may not take: with what is
    /// returned, or with the future, the connection ends, whatever is still to be sent.
    pub(crate) async fn send_held<B>(
        &self,
        request: Request<B>,
    ) -> Result<(Response<Incoming>, Connection)>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = self.prepare(request)?;
        let stream: Wire = TokioIo::new(self.inner.connector.open().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        let moving = Connection(Some(self.inner.tasks.spawn(async move {
            // How a connection ends is seen by the one who reads from it.
            let _ = connection.with_upgrades().await;
        })));
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => {
                moving.let_go();
                return Err(self.inner.connector.failed(error));
            }
        };
        self.inner.connector.answered();
        Ok((response, moving))
    }

    /// Opens a connection for a request that is spoken by hand, and gives the head of that request:
    /// `POST path`, without a body.
    pub(crate) async fn by_hand(&self, path: &str) -> Result<(Box<dyn Io>, String)> {
        let path = quirks::versioned(path, self.version());
        let host = self.inner.connector.address().authority();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: longshore/{}\r\nContent-Length: 0\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        );
        Ok((self.inner.connector.open().await?, head))
    }

    /// Puts the version on the path and the headers on that every request needs.
    fn prepare<B>(&self, request: Request<B>) -> Result<Request<B>> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let path = quirks::versioned(path, self.version());
        parts.uri = Uri::try_from(path)
            .map_err(|error| ClientError::Protocol(format!("the path of a request: {error}")))?;
        let host = HeaderValue::from_str(&self.inner.connector.address().authority())
            .map_err(|_| ClientError::Address("the engine's host is no valid header".into()))?;
        parts.headers.insert(HOST, host);
        let agent = concat!("longshore/", env!("CARGO_PKG_VERSION"));
        parts.headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        Ok(Request::from_parts(parts, body))
    }
}
