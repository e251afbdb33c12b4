//! Where a real engine itself keeps the output of tasks.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use longshore_conformance::Fixture as _;
use longshore_driver_api::{
    ByteSize, Driver as _, DriverExt as _, ErrorKind, LogDriver, Task, TaskIo, TaskSpec,
};

/// What a log driver kept of a container's stdout.
fn kept(container: &str) -> std::io::Result<Vec<u8>> {
    let host = engine::host();
    let path_of_socket = host.strip_prefix("unix://").expect("the tests use a local engine");
    let mut stream = UnixStream::connect(path_of_socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "GET /containers/{container}/logs?stdout=1 HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(answer.len());
    let mut frames = answer.get(head + 4..).unwrap_or_default();
    let mut bytes = Vec::new();
    while let Some((header, rest)) = frames.split_at_checked(8) {
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let (payload, rest) = rest.split_at(usize::try_from(length).expect("a short frame"));
        bytes.extend_from_slice(payload);
        frames = rest;
    }
    Ok(bytes)
}

/// Runs a task that writes this text, and gives what `look` sees before it is removed.
async fn logged<T: Send + 'static>(
    log: LogDriver,
    lines: u32,
    look: impl FnOnce(String) -> T + Send + 'static,
) -> T {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let args = ["say", "told to the engine", "--times", &lines.to_string()].map(str::to_owned);
    let spec = TaskSpec::builder(engine::image()).args(args).log(log).build().unwrap();
    // What is streamed to the caller does not depend on the log driver.
    let (io, captured) = TaskIo::captured();
    let container = driver.prepare(Task::new(spec).io(io)).await.unwrap();
    let exit = container.start().await.unwrap().wait().await;
    assert!(exit.is_success(), "{exit:?}");
    assert_eq!(captured.stdout(), "told to the engine\n".repeat(lines as usize).as_bytes());
    let id = container.engine_id().unwrap();
    let seen = tokio::task::spawn_blocking(move || look(id)).await.unwrap();
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
    seen
}

/// A log driver that the engine lacks is told as that.
async fn refused(log: LogDriver, name: &str) {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let spec = TaskSpec::builder(engine::image()).args(["exit", "0"]).log(log).build().unwrap();
    let error = driver.run_task(spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LogDriver, "{error}");
    assert!(error.to_string().contains(name), "{error}");
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn json_files_and_local_ones_keep_the_output() {
    for (name, log) in [
        ("json-file", LogDriver::json_file(ByteSize::mib(1), 1)),
        ("json-file", LogDriver::json_file(ByteSize::mib(1), 3)),
        ("local", LogDriver::local(ByteSize::mib(1), 1)),
        ("local", LogDriver::local(ByteSize::mib(1), 3)),
    ] {
        if !engine::has_log(name) {
            refused(log, name).await;
            continue;
        }
        let kept = logged(log, 100, |id| kept(&id).unwrap()).await;
        assert_eq!(kept, "told to the engine\n".repeat(100).as_bytes());
    }
}

#[tokio::test]
async fn files_are_kept_within_their_limits() {
    let size = ByteSize::kib(10);
    for (name, log) in
        [("json-file", LogDriver::json_file(size, 2)), ("local", LogDriver::local(size, 2))]
    {
        if !engine::has_log(name) {
            refused(log, name).await;
            continue;
        }
        // Of 38,000 bytes. What the files hold beside the text only makes it less.
        let kept = logged(log, 2000, |id| kept(&id).unwrap()).await;
        assert!(!kept.is_empty() && kept.len() < 21_000, "{name}: {} bytes were kept", kept.len());
    }
}

#[tokio::test]
async fn syslog_gets_each_line_with_the_tags() {
    // Short, because the name of a socket is limited.
    let folder = tempfile::Builder::new().prefix("ls").tempdir_in("/tmp").unwrap();
    let path = folder.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let address = format!("unixgram://{}", path.display());
    let log = LogDriver::syslog(address, [("app", "a"), ("fn", "f")]);
    if !engine::has_log("syslog") {
        return refused(log, "syslog").await;
    }
    logged(log, 2, |_| ()).await;
    for _ in 0..2 {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).unwrap();
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        assert!(message.contains("app=a,fn=f"), "{message}");
        assert!(message.contains("told to the engine"), "{message}");
    }
}
