//! The engine as it is, asked without the driver under test and without the proxy.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

/// Labels by their names.
pub type Labels = BTreeMap<String, String>;

/// The engine itself: the witness of what a driver has left there.
#[derive(Debug, Clone)]
pub struct Engine {
    socket: PathBuf,
}

/// How long one question may take, on a machine that is busy with the tests themselves.
const BOUND: Duration = Duration::from_secs(60);

impl Engine {
    /// The engine that listens on a unix socket.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its address, as a driver wants to be told.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// The engine's name and version.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn version(&self) -> io::Result<String> {
        let about: Value = serde_json::from_slice(&self.ask("GET", "/version").await?)?;
        let parts = about["Components"].as_array().into_iter().flatten();
        let mut names = parts.filter_map(|part| part["Name"].as_str());
        let name = if names.any(|name| name.contains("Podman")) { "Podman" } else { "Docker" };
        Ok(format!("{name} {}", about["Version"].as_str().unwrap_or("of unknown version")))
    }

    /// Whether it is a Podman.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn is_podman(&self) -> io::Result<bool> {
        Ok(self.version().await?.starts_with("Podman"))
    }

    /// The ids of all containers of an application, whatever their state.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn containers(&self, application: &str) -> io::Result<Vec<String>> {
        let label = format!("longshore.application={application}");
        // Applications of tests are plain words: nothing in the filter needs to be escaped but
        // what JSON brings along.
        let filter = format!("%7B%22label%22%3A%5B%22{}%22%5D%7D", label.replace('=', "%3D"));
        let body = self.ask("GET", &format!("/containers/json?all=1&filters={filter}")).await?;
        let list: Value = serde_json::from_slice(&body)?;
        let ids = list.as_array().into_iter().flatten();
        Ok(ids.filter_map(|container| container["Id"].as_str()).map(str::to_owned).collect())
    }

    /// Waits until an application has that many containers, for at most `bound`. Gives those that
    /// there are.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn settle(
        &self,
        application: &str,
        count: usize,
        bound: Duration,
    ) -> io::Result<Vec<String>> {
        let give_up = Instant::now() + bound;
        loop {
            let found = self.containers(application).await?;
            if found.len() == count || Instant::now() >= give_up {
                return Ok(found);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the engine knows of a container; none if it is not there.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn inspect(&self, id: &str) -> io::Result<Option<Value>> {
        match self.ask("GET", &format!("/containers/{id}/json")).await {
            Ok(body) => Ok(Some(serde_json::from_slice(&body)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a container, so that what one test left does not spoil the next.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn remove(&self, id: &str) -> io::Result<()> {
        match self.ask("DELETE", &format!("/containers/{id}?force=1&v=1")).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes an image by its name, if it is there.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn remove_image(&self, name: &str) -> io::Result<()> {
        match self.ask("DELETE", &format!("/images/{name}?force=1")).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes a network with these labels.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn make_network(&self, name: &str, labels: &Labels) -> io::Result<()> {
        let about = json!({ "Name": name, "CheckDuplicate": true, "Labels": labels });
        self.make("/networks/create", &about).await
    }

    /// Makes a volume with these labels.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn make_volume(&self, name: &str, labels: &Labels) -> io::Result<()> {
        self.make("/volumes/create", &json!({ "Name": name, "Labels": labels })).await
    }

    async fn make(&self, path: &str, about: &Value) -> io::Result<()> {
        match self.call("POST", path, &about.to_string()).await? {
            (201, _) => Ok(()),
            (status, said) => Err(io::Error::other(format!("POST {path}: {status} {said}"))),
        }
    }

    /// The networks and volumes whose names begin so, as paths.
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub async fn furniture(&self, begin: &str) -> io::Result<Vec<String>> {
        let networks: Value = serde_json::from_slice(&self.ask("GET", "/networks").await?)?;
        let volumes: Value = serde_json::from_slice(&self.ask("GET", "/volumes").await?)?;
        let mut found = Vec::new();
        for (kind, list) in [("networks", &networks), ("volumes", &volumes["Volumes"])] {
            let names = list.as_array().into_iter().flatten().filter_map(|it| it["Name"].as_str());
            let ours = names.filter(|name| name.starts_with(begin));
            found.extend(ours.map(|name| format!("/{kind}/{name}")));
        }
        found.sort();
        Ok(found)
    }

    /// Makes any call, with a JSON text if it is not empty. The status and the answer.
    ///
    /// # Errors
    ///
    /// The engine did not answer.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> io::Result<(u16, Value)> {
        let talk = timeout(BOUND, self.talk(method, path, body));
        let (status, body) = talk.await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    async fn ask(&self, method: &str, path: &str) -> io::Result<Vec<u8>> {
        let talk = timeout(BOUND, self.talk(method, path, ""));
        let (status, body) = talk
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("{method} {path}")))??;
        let said = String::from_utf8_lossy(&body);
        match status {
            200..300 => Ok(body),
            404 => Err(io::ErrorKind::NotFound.into()),
            // Podman's words for what goes while it looks.
            500 if said.contains(": no such container") => Err(io::ErrorKind::NotFound.into()),
            _ => Err(io::Error::other(format!("{method} {path}: {status} {said}"))),
        }
    }

    /// In the old version of HTTP an answer is never in chunks and ends with its connection.
    async fn talk(&self, method: &str, path: &str, body: &str) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let mut request = format!("{method} {path} HTTP/1.0\r\nHost: h\r\n");
        if !body.is_empty() {
            let length = body.len();
            request += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        let body = answer.split_off(end.ok_or_else(|| invalid("the answer has no head"))? + 4);
        let head = String::from_utf8_lossy(&answer);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.ok_or_else(|| invalid("the answer has no status"))?, body))
    }
}
