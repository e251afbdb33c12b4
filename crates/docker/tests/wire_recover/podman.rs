//! Taking up what a dead owner left on a Podman, whose answers are those of 4.3.1 and 5.4.2.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use longshore_driver_api::{
    Driver as _, ErrorKind, Handle, Missing, Outcome, StreamEnd, TaskIo, TaskSpec,
};
use serde_json::{Value, json as value};

use crate::scene::{NOW, Scene, engine, logs, recovered, running};
use crate::support::{Request, Script, Step, chunk, chunked, frame, json, waited};
use crate::until::until;

const VERSION: &str = r#"{"Components":[{"Name":"Podman Engine","Version":"4.3.1"}],
    "Version":"4.3.1","ApiVersion":"1.41","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}"#;

/// A Podman on a host, which gives itself another id each time.
fn podman(
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> impl Fn(&Request) -> Option<Script> + Send + Sync + 'static {
    let times = AtomicU32::new(0);
    move |request| {
        let info = || {
            let id = format!("id-{}", times.fetch_add(1, Ordering::Relaxed));
            value!({"ID": id, "SystemTime": NOW, "Name": "vm", "DockerRootDir": "/data"})
        };
        special(request)
            .or_else(|| request.is("GET /version").then(|| json(200, VERSION)))
            .or_else(|| request.is("GET /info").then(|| json(200, &info().to_string())))
    }
}

/// Its inspection tells neither the log driver's own name nor what it was asked for.
fn told() -> Value {
    value!({"Type": "json-file", "Config": null})
}

fn handle(engine: &str, log: &Value) -> Handle {
    let spec = TaskSpec::builder("x").recoverable_for(Duration::from_secs(60)).build().unwrap();
    let second = value!({"secs": 1, "nanos": 0});
    let mut state = value!({
        "engine": engine, "process": null, "container": "c1", "task": spec, "ran": second,
        "frozen": {"secs": 0, "nanos": 0}, "held": false,
    });
    if !log.is_null() {
        state["log"] = log.clone();
    }
    Handle::new("docker", 1, &state).unwrap().at(2, 0)
}

fn endless() -> Value {
    value!({"Type": "k8s-file", "Config": {"max-size": "1p"}})
}

#[tokio::test]
async fn a_log_without_end_is_whole_though_the_engine_was_away() {
    let scene = Scene::new();
    let times = AtomicU32::new(0);
    let engine = engine(
        scene.container(&running(), &told()),
        podman(move |request| {
            if request.is("POST /containers/c1/wait") {
                return Some(waited(Duration::from_millis(2500), 4));
            }
            if !request.is("GET /containers/c1/logs") {
                return None;
            }
            if times.fetch_add(1, Ordering::Relaxed) == 1 {
                // It ends in the midst of what it tells.
                let mut cut = chunked();
                cut.extend([chunk(&frame(1, b"abc")), Step::Send(b"20\r\nx".to_vec())]);
                return Some(cut);
            }
            Some(logs(&[frame(1, b"abc"), frame(1, b"def\n"), frame(2, b"!")]))
        }),
    );
    let driver = scene.open(&engine).await;
    let (recovered, captured) = recovered(&driver, &handle("vm:/data", &endless())).await;
    assert_eq!(
        (recovered.lost.stdout, recovered.lost.stderr),
        (Missing::Nothing, Missing::Nothing)
    );
    // The next owner gets as much.
    let next = recovered.running.handle().unwrap();
    assert!(next.keeps_output());
    assert!(next.to_string().contains(r#""max-size":"1p""#), "{next}");
    let exit = recovered.running.wait().await;
    assert_eq!((exit.outcome, exit.output.stdout.end), (Outcome::Code(4), StreamEnd::Unverified));
    assert_eq!((captured.stdout(), captured.stderr()), (b"cdef\n".to_vec(), b"!".to_vec()));
    driver.close().await.unwrap();
}

#[tokio::test]
async fn what_a_monitor_has_half_written_is_not_told() {
    let scene = Scene::new();
    let times = AtomicU32::new(0);
    let begin = || frame(1, &[b'a'; 9000]);
    let engine = engine(
        scene.container(&running(), &told()),
        podman(move |request| {
            if request.is("POST /containers/c1/wait") {
                return Some(waited(Duration::from_millis(2500), 0));
            }
            if !request.is("GET /containers/c1/logs") {
                return None;
            }
            assert!(!request.line.contains("follow"), "{}", request.line);
            let mut told = vec![begin(), begin(), begin()];
            match times.fetch_add(1, Ordering::Relaxed) {
                // The first one is to know whether it is whole.
                0 | 1 => told.push(frame(1, b"ha\n")),
                _ => told.extend([frame(1, b"half and half\n"), frame(1, b"end\n")]),
            }
            Some(logs(&told))
        }),
    );
    let driver = scene.open(&engine).await;
    let (recovered, captured) = recovered(&driver, &handle("vm:/data", &endless())).await;
    // What is surely written is told before the end.
    until("some of it comes", async || !captured.stdout().is_empty()).await;
    assert_eq!(captured.stdout(), [b'a'; 8998]);
    let exit = recovered.running.wait().await;
    assert_eq!((exit.outcome, exit.output.stdout.end), (Outcome::Code(0), StreamEnd::Unverified));
    let whole = [&[b'a'; 26_998][..], b"half and half\nend\n"].concat();
    assert!(captured.stdout() == whole, "{}", captured.stdout().len());
    driver.close().await.unwrap();
}

#[tokio::test]
async fn a_log_that_may_have_been_begun_anew_is_not_read() {
    let bounded = value!({"Type": "k8s-file", "Config": {"max-size": "20m"}});
    for log in [Value::Null, bounded] {
        let scene = Scene::new();
        let engine = engine(
            scene.container(&running(), &told()),
            podman(|request| {
                request.is("POST /containers/c1/wait").then(|| waited(Duration::from_secs(60), 0))
            }),
        );
        let driver = scene.open(&engine).await;
        let (recovered, _) = recovered(&driver, &handle("vm:/data", &log)).await;
        assert_eq!(recovered.lost.stdout, Missing::Unknown, "{log}");
        let lines = engine.lines();
        assert!(lines.iter().any(|line| line.contains("/attach")), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("/logs")), "{lines:?}");
        drop(recovered);
        driver.close().await.unwrap();
    }
}

#[tokio::test]
async fn one_podman_is_told_from_another_by_its_host_and_its_folder() {
    let scene = Scene::new();
    let engine = engine(scene.container(&running(), &told()), podman(|_| None));
    let driver = scene.open(&engine).await;
    assert!(driver.capabilities().recover);
    for other in ["vm:/elsewhere", "other:/data", "id-0", ""] {
        let refused = driver.recover(&handle(other, &Value::Null), TaskIo::none()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::HandleForeign, "{other}");
    }
    driver.close().await.unwrap();
}
