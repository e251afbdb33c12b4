//! Copying files with an engine that misbehaves.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::stage::Stage;
use crate::stat::stat;
use crate::support::{Request, Script, Step, chunk, chunked, empty, json, waited};
use longshore_docker::{DockerConfig, EngineOptions};
use longshore_driver_api::{
    ByteSize, Container, ContainerExt as _, Driver as _, ErrorKind, Mount, Result, TaskSpec,
};

/// A folder of Go's `os.FileMode`.
const FOLDER: u32 = 1 << 31 | 0o755;

/// A container on a scripted engine, with bounds that a test can wait for.
async fn stage(
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> (Stage, Arc<dyn Container>) {
    let change = |config: &mut DockerConfig| {
        config.timeouts.call = Duration::from_secs(2);
        config.timeouts.work = Duration::from_millis(600);
        config.timeouts.stream_idle = Duration::from_millis(600);
    };
    let stage = Stage::new(change, special).await;
    let container = stage.prepared().await;
    (stage, container)
}

#[tokio::test]
async fn an_archive_that_is_cut_is_no_file() {
    for held in [false, true] {
        let (stage, container) = stage(move |request| {
            request.is("GET /containers/c1/archive").then(|| {
                let mut header = vec![0; 512];
                header[..1].copy_from_slice(b"f");
                let mut script = chunked();
                script.push(chunk(&header));
                // The connection ends, or stays open without a word.
                script.extend(held.then_some(Step::Hold));
                script
            })
        })
        .await;
        let before = Instant::now();
        let error = container.read_file("/f", ByteSize::mib(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(before.elapsed() < Duration::from_secs(10));
        stage.driver.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_an_upload_is_told_in_the_engines_words() {
    let (stage, container) = stage(|request| {
        let words = r#"{"message":"container rootfs is marked read-only"}"#;
        request.is("PUT /containers/c1/archive").then(|| json(403, words))
    })
    .await;
    let error = container.write_file("/f", &[0; 1000], 0o644).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("read-only"), "{error}");
    let put = stage.engine.lines().into_iter().find(|line| line.starts_with("PUT")).unwrap();
    assert!(put.contains("archive?path=%2F&noOverwriteDirNonDir=1"), "{put}");
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_takes_nothing_does_not_hold_an_upload_for_ever() {
    let (stage, container) = stage(|request| {
        request.is("PUT /containers/c1/archive").then(|| vec![Step::Pause(Duration::from_secs(60))])
    })
    .await;
    let before = Instant::now();
    // More than any socket holds.
    let error = container.write_file("/f", &vec![0; 8 << 20], 0o644).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    // Nor does what was not sent hold the driver.
    stage.driver.close().await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(20));
}

/// A container with file systems in memory at `/tmp` and, changed behind the task, at `/m`, with a
/// volume in one of them, whose task runs until it is cancelled.
async fn with_memory(version: &'static str) -> (Stage, Arc<dyn Container>) {
    let stage = Stage::brief(move |request| {
        let told = r#"{"Id":"c1","State":{"Status":"created"},"HostConfig":{"Tmpfs":{"/tmp":""}},
            "Mounts":[{"Type":"tmpfs","Destination":"/m"},
            {"Type":"volume","Destination":"/tmp/kept"}]}"#;
        let mut archive = chunked();
        archive.extend([chunk(&[0; 1024]), Step::Send(b"0\r\n\r\n".to_vec())]);
        let table = [
            ("GET /version", json(200, version)),
            ("GET /containers/c1/json", json(200, told)),
            ("POST /containers/c1/wait", waited(Duration::from_secs(60), 0)),
            ("GET /containers/c1/archive", archive),
            ("HEAD /containers/c1/archive", stat(FOLDER)),
            ("PUT /containers/c1/archive", empty(200)),
        ];
        table.into_iter().find(|(call, _)| request.is(call)).map(|(_, script)| script)
    })
    .await;
    let spec = TaskSpec::builder("x").mount(Mount::tmpfs("/tmp", None));
    let container = stage.driver.container(spec.build().unwrap().into()).unwrap();
    let edit = &mut |options: &mut dyn Any| {
        let options = options.downcast_mut::<EngineOptions>().unwrap();
        options.set("/HostConfig/Mounts", r#"[{"Type":"tmpfs","Target":"/m"}]"#).unwrap();
    };
    container.edit_engine_options(edit).unwrap();
    container.create().await.unwrap();
    (stage, container)
}

const DOCKER: &str = r#"{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#;
const PODMAN: &str = r#"{"Version":"5.4.2","ApiVersion":"1.41","Os":"linux","Arch":"amd64",
    "Components":[{"Name":"Podman Engine","Version":"5.4.2"}]}"#;

async fn is_seen(container: &dyn Container, path: &str) -> bool {
    let (goes_in, comes_out) = (goes_in(container, path).await, comes_out(container, path).await);
    assert_eq!(goes_in, comes_out, "{path}");
    goes_in
}

async fn goes_in(container: &dyn Container, path: &str) -> bool {
    is_done(path, container.write_file(&format!("{path}/f"), b"x", 0o644).await)
}

async fn comes_out(container: &dyn Container, path: &str) -> bool {
    is_done(path, container.copy_out(&format!("{path}/f")).await.map(drop))
}

fn is_done(path: &str, copied: Result<()>) -> bool {
    if let Err(error) = copied {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let place = if path.starts_with("/dev") { "/dev" } else { path };
        assert!(error.to_string().contains(&format!("file system at {place},")), "{error}");
        assert!(error.what_to_do().is_some_and(|what| what.contains("volume")), "{error}");
        return false;
    }
    true
}

#[tokio::test]
async fn what_a_copy_would_put_where_the_task_never_looks_is_refused() {
    let (stage, container) = with_memory(DOCKER).await;
    for round in ["created", "running"] {
        for path in ["/tmp", "/m", "/dev/shm", "/proc", "/sys"] {
            assert!(!is_seen(&*container, path).await, "{round}: {path}");
        }
        assert_eq!(stage.engine.count("PUT "), 0);
        if round == "created" {
            container.start().await.unwrap();
        }
    }
    for path in ["/tmp/kept", "/tmpx", "/var/m", ""] {
        assert!(is_seen(&*container, path).await, "{path}");
    }
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn podman_puts_what_it_can_where_the_task_looks() {
    let (stage, container) = with_memory(PODMAN).await;
    // It gets into a file system in memory when that is made.
    for (path, expected) in [("/tmp", true), ("/m", true), ("/dev/shm", false), ("/proc", false)] {
        assert_eq!(is_seen(&*container, path).await, expected, "{path}");
    }
    let _running = container.start().await.unwrap();
    for path in ["/tmp", "/m"] {
        assert!(is_seen(&*container, path).await, "{path}");
    }
    // Its archive of these is empty.
    assert!(goes_in(&*container, "/dev/shm").await);
    assert!(!comes_out(&*container, "/dev/shm").await);
    // While its processes stand still it copies beside them.
    container.freeze().await.unwrap();
    for path in ["/tmp", "/m", "/dev/shm"] {
        assert!(!is_seen(&*container, path).await, "{path}");
    }
    container.unfreeze().await.unwrap();
    assert!(is_seen(&*container, "/tmp").await);
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}

#[tokio::test]
async fn a_copy_costs_no_question_where_nothing_can_be_hidden() {
    let stage =
        Stage::brief(|request| request.is("PUT /containers/c1/archive").then(|| empty(200))).await;
    let container = stage.prepared().await;
    container.write_file("/tmp/f", b"x", 0o644).await.unwrap();
    assert_eq!(stage.engine.count("GET /containers/c1/json"), 0);
    container.close().await.unwrap();
    stage.driver.close().await.unwrap();
}
