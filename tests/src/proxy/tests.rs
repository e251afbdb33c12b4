//! The proxy against a small engine of its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, timeout};

use super::{Fault, FaultProxy, Place, Script, Step};

const ANSWER: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"Id\":\"0f\"}\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const CREATE: &str = "POST /v1.41/containers/create?name=x";
const INSPECT: &str = "GET /v1.41/containers/0f/json";
const ATTACH: &str = "POST /v1.41/containers/0f/attach?stream=1";

/// Answers a create; an attach it hands over, sends a frame, and echoes what comes to its end.
struct Engine {
    _folder: tempfile::TempDir,
    path: PathBuf,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    fn start() -> Self {
        Self::answering("")
    }

    /// Answers so to anything that it does not know.
    fn answering(other: &str) -> Self {
        let other = other.to_owned();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("real.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&log), other.clone()));
            }
        });
        Self { _folder: folder, path, seen }
    }

    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    async fn until_seen(&self, count: usize) {
        while self.seen() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn answer(
    mut stream: UnixStream,
    log: Arc<Mutex<Vec<String>>>,
    other: String,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    let step = Step::of(&line);
    log.lock().unwrap().push(line);
    if step == Step::Attach {
        stream.write_all(SWITCH).await?;
        stream.write_all(b"\x01\0\0\0\0\0\0\x05hello").await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        stream.write_all(&bytes).await?;
        return Ok(());
    }
    if step != Step::Create {
        return stream.write_all(other.as_bytes()).await;
    }
    let mut body = [0; 2];
    stream.read_exact(&mut body).await?;
    assert_eq!(&body, b"{}", "the body comes with its request");
    stream.write_all(ANSWER).await?;
    // As a server that keeps connections: the end is the client's.
    stream.read_u8().await.map(drop)
}

async fn send(proxy: &FaultProxy, what: &str) -> UnixStream {
    let path = proxy.address().strip_prefix("unix://").unwrap().to_owned();
    let mut stream = UnixStream::connect(path).await.unwrap();
    let body = if what == CREATE { "{}" } else { "" };
    let length = body.len();
    let request = format!(
        "{what} HTTP/1.1\r\nHost: h\r\nUser-Agent: a test of the proxy\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    // A connection that is cut at once may refuse the rest.
    let _ = stream.write_all(request.as_bytes()).await;
    stream
}

/// What came, and how it ended.
#[derive(Debug, PartialEq)]
enum Came {
    All(Vec<u8>),
    Reset(Vec<u8>),
    /// Nothing more for a while, and no end.
    Hangs(Vec<u8>),
}

/// How long nothing must come before that counts as silence.
const SILENCE: Duration = Duration::from_millis(80);
const LONG: Duration = Duration::from_secs(20);
/// Expects an end.
const END: usize = usize::MAX;

/// Reads to the end, or, once `least` bytes are there, to the first silence.
async fn read(stream: &mut UnixStream, least: usize) -> Came {
    let mut bytes = Vec::new();
    loop {
        let patience = if bytes.len() < least { LONG } else { SILENCE };
        match timeout(patience, stream.read_buf(&mut bytes)).await {
            Ok(Ok(0)) => return Came::All(bytes),
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Came::Reset(bytes),
            Err(_) => return Came::Hangs(bytes),
        }
    }
}

/// One create under a fault: what the client sees of it, once the engine has seen it `times`.
async fn create_under(fault: Fault, least: usize, times: usize) -> Came {
    let engine = Engine::start();
    let proxy = FaultProxy::start(&engine.path, Script::new().once(Step::Create, fault)).unwrap();
    let mut stream = send(&proxy, CREATE).await;
    let came = read(&mut stream, least).await;
    timeout(LONG, engine.until_seen(times)).await.unwrap();
    assert_eq!(engine.seen(), times, "{fault}");
    came
}

#[tokio::test]
async fn without_a_fault_everything_passes() {
    let engine = Engine::start();
    let proxy = FaultProxy::start(&engine.path, Script::new()).unwrap();
    let mut stream = send(&proxy, CREATE).await;
    stream.shutdown().await.unwrap();
    assert_eq!(read(&mut stream, END).await, Came::All(ANSWER.to_vec()));

    let mut stream = send(&proxy, ATTACH).await;
    stream.write_all(b"input").await.unwrap();
    stream.shutdown().await.unwrap();
    let expected = [SWITCH, b"\x01\0\0\0\0\0\0\x05hello", b"input"].concat();
    assert_eq!(read(&mut stream, END).await, Came::All(expected));

    let log = proxy.log();
    let passed: Vec<_> = log.iter().map(|p| (p.step, p.nth, p.fault, p.status)).collect();
    assert_eq!(passed, [(Step::Create, 1, None, Some(201)), (Step::Attach, 1, None, Some(101))]);
    assert!(log[0].line.starts_with(CREATE));
    assert!(log[0].at <= log[1].at);
}

#[tokio::test]
async fn a_refused_connection_is_reset_and_the_engine_sees_nothing() {
    assert_eq!(create_under(Fault::Refuse, END, 0).await, Came::Reset(vec![]));
}

#[tokio::test]
async fn what_is_cut_or_stalled_before_the_engine_never_reaches_it() {
    assert_eq!(create_under(Fault::CutBeforeRequest, END, 0).await, Came::All(vec![]));
    assert_eq!(create_under(Fault::StallBefore, 0, 0).await, Came::Hangs(vec![]));
    let came = create_under(Fault::Status500, 1, 0).await;
    let Came::Hangs(bytes) = came else { panic!("{came:?}") };
    assert!(bytes.starts_with(b"HTTP/1.1 500 ") && bytes.ends_with(b"test\"}"));
}

#[tokio::test]
async fn the_engine_gets_a_request_whose_answer_is_lost() {
    for fault in [Fault::CutAfterRequest, Fault::CutThenLate(Duration::from_millis(30))] {
        assert_eq!(create_under(fault, END, 1).await, Came::All(vec![]));
    }
    assert_eq!(create_under(Fault::Stall, 0, 1).await, Came::Hangs(vec![]));
}

#[tokio::test]
async fn a_request_is_kept_from_the_engine_until_it_is_released() {
    let engine = Engine::start();
    let script = Script::new().once(Step::Create, Fault::CutUntilReleased);
    let proxy = FaultProxy::start(&engine.path, script).unwrap();
    assert_eq!(read(&mut send(&proxy, CREATE).await, END).await, Came::All(vec![]));
    assert!(timeout(SILENCE, proxy.answered(Step::Create)).await.is_err());
    assert_eq!(engine.seen(), 0);
    proxy.release();
    timeout(LONG, proxy.answered(Step::Create)).await.unwrap();
    assert_eq!((engine.seen(), proxy.log()[0].status), (1, Some(201)));
}

#[tokio::test]
async fn an_answer_is_replaced_after_the_engine_has_given_its_own() {
    let came = create_under(Fault::Status500After, END, 1).await;
    assert!(matches!(&came, Came::All(bytes) if bytes.starts_with(b"HTTP/1.1 500 ")), "{came:?}");
    let came = create_under(Fault::Garbage, END, 1).await;
    assert!(matches!(&came, Came::All(bytes) if bytes.starts_with(b"\x15\x03")), "{came:?}");
}

#[tokio::test]
async fn an_answer_is_cut_at_the_byte_that_was_asked_for() {
    let part = |count| ANSWER[..count].to_vec();
    let head = ANSWER.len() - 12;
    for (place, count) in [(Place::Head, 12), (Place::HeadEnd, head), (Place::Within, head + 6)] {
        let came = |fault| create_under(fault, count, 1);
        assert_eq!(came(Fault::Truncate(place)).await, Came::All(part(count)));
        assert_eq!(came(Fault::HalfClose(place)).await, Came::All(part(count)));
        assert_eq!(came(Fault::StallAt(place)).await, Came::Hangs(part(count)));
    }
}

#[tokio::test]
async fn an_answer_is_cut_within_its_first_chunk_or_its_bare_head() {
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n";
    let chunked = format!("{chunk}abcd\r\n0\r\n\r\n");
    let bare = "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n";
    for (answer, expected) in
        [(chunked.as_str(), format!("{chunk}ab")), (bare, bare[..bare.len() - 1].to_owned())]
    {
        let engine = Engine::answering(answer);
        let script = Script::new().once(Step::Inspect, Fault::Truncate(Place::Within));
        let proxy = FaultProxy::start(&engine.path, script).unwrap();
        let mut stream = send(&proxy, INSPECT).await;
        assert_eq!(read(&mut stream, END).await, Came::All(expected.into_bytes()));
        assert!(proxy.log()[0].met);
    }
}

#[tokio::test]
async fn a_half_closed_answer_leaves_the_other_direction_open() {
    let engine = Engine::start();
    let script = Script::new().once(Step::Attach, Fault::HalfClose(Place::Within));
    let proxy = FaultProxy::start(&engine.path, script).unwrap();
    let mut stream = send(&proxy, ATTACH).await;
    let expected = [SWITCH, b"\x01\0\0\0\0\0\0\x05he"].concat();
    assert_eq!(read(&mut stream, END).await, Came::All(expected));
    tokio::time::sleep(SILENCE).await;
    stream.write_all(b"still heard").await.unwrap();
}

#[tokio::test]
async fn a_stream_is_cut_at_the_place_that_was_asked_for() {
    let frame = b"\x01\0\0\0\0\0\0\x05hello";
    let table = [
        (Place::HeadEnd, 0),
        (Place::FrameHeader, 5),
        (Place::Within, 10),
        (Place::Frames(1), frame.len()),
    ];
    for (place, count) in table {
        let engine = Engine::start();
        let script = Script::new().once(Step::Attach, Fault::Truncate(place));
        let proxy = FaultProxy::start(&engine.path, script).unwrap();
        let mut stream = send(&proxy, ATTACH).await;
        // What the engine echoes is the next frame.
        stream.write_all(frame).await.unwrap();
        stream.shutdown().await.unwrap();
        let expected = [SWITCH, &frame[..count]].concat();
        assert_eq!(read(&mut stream, END).await, Came::All(expected), "{place:?}");
        timeout(LONG, proxy.met(Step::Attach)).await.unwrap();
    }
}

#[tokio::test]
async fn a_fault_that_had_nothing_to_break_was_not_met() {
    let engine = Engine::start();
    let script = Script::new().once(Step::Attach, Fault::Truncate(Place::Frames(1)));
    let proxy = FaultProxy::start(&engine.path, script).unwrap();
    let mut stream = send(&proxy, ATTACH).await;
    stream.shutdown().await.unwrap();
    let expected = [SWITCH, b"\x01\0\0\0\0\0\0\x05hello"].concat();
    assert_eq!(read(&mut stream, END).await, Came::All(expected));
    let passed = proxy.log().remove(0);
    assert!(passed.fault.is_some() && !passed.met);
}

#[tokio::test]
async fn a_stalled_stream_stays_open_after_the_client_has_ended_its_input() {
    let engine = Engine::start();
    let script = Script::new().once(Step::Attach, Fault::Stall);
    let proxy = FaultProxy::start(&engine.path, script).unwrap();
    let mut stream = send(&proxy, ATTACH).await;
    stream.shutdown().await.unwrap();
    assert_eq!(read(&mut stream, 0).await, Came::Hangs(vec![]));
}

#[tokio::test]
async fn a_duplicate_is_the_whole_answer_again() {
    let twice = [ANSWER, ANSWER].concat();
    assert_eq!(create_under(Fault::DuplicateReply, twice.len(), 1).await, Came::Hangs(twice));
}

#[tokio::test]
async fn a_delayed_answer_comes_whole_and_not_before_its_time() {
    let time = Duration::from_millis(60);
    let begin = Instant::now();
    let engine = Engine::start();
    let proxy =
        FaultProxy::start(&engine.path, Script::new().once(Step::Create, Fault::Delay(time)))
            .unwrap();
    let mut stream = send(&proxy, CREATE).await;
    let mut bytes = vec![0; ANSWER.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert!(begin.elapsed() >= time);
    assert_eq!(bytes, ANSWER);
}

#[tokio::test]
async fn only_the_request_that_the_script_names_is_broken() {
    let engine = Engine::start();
    let script = Script::new().nth(Step::Create, 2, Fault::CutBeforeRequest);
    let proxy = FaultProxy::start(&engine.path, script).unwrap();
    for nth in 1..=3 {
        let mut stream = send(&proxy, CREATE).await;
        stream.shutdown().await.unwrap();
        let expected = if nth == 2 { vec![] } else { ANSWER.to_vec() };
        assert_eq!(read(&mut stream, END).await, Came::All(expected), "{nth}");
    }
    assert_eq!((proxy.count(Step::Create), engine.seen()), (3, 2));
    proxy.set_script(Script::new().always(Step::Create, Fault::CutBeforeRequest));
    assert_eq!(read(&mut send(&proxy, CREATE).await, END).await, Came::All(vec![]));
    proxy.heal();
    let mut stream = send(&proxy, CREATE).await;
    stream.shutdown().await.unwrap();
    assert_eq!(read(&mut stream, END).await, Came::All(ANSWER.to_vec()));
}

#[tokio::test]
async fn whoever_waits_for_a_request_wakes_when_it_comes() {
    let engine = Engine::start();
    let proxy = FaultProxy::start(&engine.path, Script::new()).unwrap();
    let second = proxy.reached(Step::Create, 2);
    tokio::pin!(second);
    let _first = send(&proxy, CREATE).await;
    assert!(timeout(SILENCE, &mut second).await.is_err());
    let _second = send(&proxy, CREATE).await;
    timeout(LONG, second).await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_is_down_refuses_and_cuts_and_comes_back() {
    let engine = Engine::start();
    let proxy = FaultProxy::start(&engine.path, Script::new()).unwrap();
    let path = proxy.address().strip_prefix("unix://").unwrap().to_owned();
    let mut stream = send(&proxy, ATTACH).await;
    stream.read_u8().await.unwrap();
    proxy.down().await;
    let came = read(&mut stream, END).await;
    assert!(!matches!(came, Came::Hangs(_)), "{came:?}");
    let refused = UnixStream::connect(&path).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    proxy.up().unwrap();
    let mut stream = send(&proxy, CREATE).await;
    stream.shutdown().await.unwrap();
    assert_eq!(read(&mut stream, END).await, Came::All(ANSWER.to_vec()));
}
