//! An engine of a test's own: a unix socket that answers each request as a script says.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET /v1.41/info`: method and path with its query.
    pub line: String,
    /// The whole head, as it was written.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Whether the path, without its version, begins so: `POST /containers/create`.
    pub fn is(&self, method_and_path: &str) -> bool {
        let Some((method, path)) = self.line.split_once(' ') else { return false };
        let path = match path.strip_prefix("/v1.") {
            Some(rest) => &rest[rest.find('/').unwrap_or(0)..],
            None => path,
        };
        format!("{method} {path}").starts_with(method_and_path)
    }
}

/// One step of an answer.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Waits for a word of the test's.
    Until(Arc<Notify>),
    /// Reads to the end of what comes, and sends it back.
    EchoToEnd,
    /// Keeps the connection open for as long as the other side does.
    Hold,
}

/// An answer: its steps, and then the end of the connection.
pub type Script = Vec<Step>;

/// An answer with a JSON body.
pub fn json(status: u16, body: &str) -> Script {
    let length = body.len();
    vec![Step::Send(
        format!(
            "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes(),
    )]
}

/// An answer without a body.
pub fn empty(status: u16) -> Script {
    let length = if status == 204 || status == 304 { "" } else { "Content-Length: 0\r\n" };
    vec![Step::Send(format!("HTTP/1.1 {status} Whatever\r\n{length}\r\n").into_bytes())]
}

/// An answer that hands the connection over, and what follows at once in the same piece.
pub fn upgrade(follows: &[u8]) -> Script {
    let mut bytes =
        b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
            .to_vec();
    bytes.extend_from_slice(follows);
    vec![Step::Send(bytes)]
}

/// The head of an answer whose body comes in chunks.
pub fn chunked() -> Script {
    vec![Step::Send(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec(),
    )]
}

/// One chunk of a body.
pub fn chunk(bytes: &[u8]) -> Step {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    Step::Send(chunk)
}

/// What a stream of events tells of the container that [`usual`] makes. Its time tells it from others.
pub fn event(nanos: i64, action: &str, attributes: &str) -> Step {
    let text = format!(
        r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"c1","Attributes":{{{attributes}}}}},"timeNano":{nanos}}}"#
    );
    chunk(format!("{text}\n").as_bytes())
}

/// A frame of an attach stream.
pub fn frame(stream: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![stream, 0, 0, 0];
    frame.extend(u32::try_from(payload.len()).expect("a short payload").to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The engine.
pub struct ScriptedEngine {
    folder: tempfile::TempDir,
    seen: Arc<Mutex<Vec<Request>>>,
    accepting: JoinHandle<()>,
}

impl ScriptedEngine {
    /// Listens, and answers each request with the script that `answer` gives for it.
    pub fn start(answer: impl Fn(&Request) -> Script + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join("engine.sock")).expect("a socket");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let log = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // This process has no descriptor left: some tests are about that.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                connections.spawn(async move {
                    // The other side may go at any time: that is what many tests are about.
                    let _ = serve(stream, &*answer, &log).await;
                });
            }
        });
        Self { folder, seen, accepting }
    }

    /// Answers with `special` where it gives anything, and as engines usually do otherwise.
    pub fn usual_but(special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static) -> Self {
        Self::start(move |request| special(request).unwrap_or_else(|| usual(request)))
    }

    /// Where it listens.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("unix://{}", Path::display(&self.path()))
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no test panics with the lock").clone()
    }

    /// The requests so far that begin so: `POST /containers/create`.
    pub fn calls(&self, method_and_path: &str) -> Vec<Request> {
        self.seen().into_iter().filter(|request| request.is(method_and_path)).collect()
    }

    /// How many of them there were.
    pub fn count(&self, method_and_path: &str) -> usize {
        self.calls(method_and_path).len()
    }

    /// The request lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|request| request.line).collect()
    }
}

impl Drop for ScriptedEngine {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut stream: UnixStream,
    answer: &(dyn Fn(&Request) -> Script + Send + Sync),
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut line = head.lines().next().unwrap_or_default().to_owned();
    line.truncate(line.rfind(" HTTP/").unwrap_or(line.len()));
    let mut request = Request { line, head, body: Vec::new() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await?;
    let script = answer(&request);
    log.lock().expect("no test panics with the lock").push(request);
    for step in script {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::Pause(time) => tokio::time::sleep(time).await,
            Step::Until(word) => word.notified().await,
            Step::EchoToEnd => {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await?;
                stream.write_all(&bytes).await?;
            }
            Step::Hold => {
                let mut bytes = [0; 1024];
                while stream.read(&mut bytes).await? > 0 {}
            }
        }
    }
    Ok(())
}

/// What an engine usually answers: every call succeeds, the task writes nothing and ends with 0.
pub fn usual(request: &Request) -> Script {
    let version = r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"}"#;
    let exited = r#"{"Id":"c1","State":{"Status":"exited","Running":false,"ExitCode":0}}"#;
    let table = [
        ("GET /version", json(200, version)),
        ("GET /info", json(200, r#"{"MemoryLimit":true,"CgroupVersion":"2"}"#)),
        ("GET /images/", json(200, r#"{"Os":"linux","Architecture":"amd64"}"#)),
        ("GET /containers/json", json(200, "[]")),
        ("GET /events", quiet()),
        ("GET /networks", json(200, "[]")),
        ("GET /volumes", json(200, r#"{"Volumes":null,"Warnings":null}"#)),
        ("GET /containers/", json(200, exited)),
        ("POST /containers/create", json(201, r#"{"Id":"c1","Warnings":null}"#)),
        ("POST /containers/c1/attach", upgrade(b"")),
        ("POST /containers/c1/wait", waited(Duration::ZERO, 0)),
        ("DELETE /containers/", empty(204)),
    ];
    let found = table.into_iter().find(|(call, _)| request.is(call));
    found.map_or_else(|| empty(204), |(_, script)| script)
}

/// A stream on which nothing is told.
pub fn quiet() -> Script {
    let mut script = chunked();
    script.push(Step::Hold);
    script
}

/// A wait that is registered at once and ends after a time.
pub fn waited(after: Duration, code: i64) -> Script {
    let mut script = chunked();
    script.extend([
        Step::Pause(after),
        chunk(format!("{{\"StatusCode\":{code},\"Error\":null}}\n").as_bytes()),
        Step::Send(b"0\r\n\r\n".to_vec()),
        // As engines do, for further requests.
        Step::Hold,
    ]);
    script
}

/// A wait that is registered at once and ends at a word of the test's.
pub fn waited_until(word: &Arc<Notify>, code: i64) -> Script {
    let mut script = waited(Duration::ZERO, code);
    script.insert(1, Step::Until(Arc::clone(word)));
    script
}
