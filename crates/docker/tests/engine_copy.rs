//! Copies on a real engine, and file systems that only a task's processes see: what is copied in is
//! there for the task, or refused.

mod engine;
#[path = "engine/fixture.rs"]
mod fixture;

use longshore_conformance::Fixture as _;
use longshore_driver_api::{
    ByteSize, Container, ContainerExt as _, Driver as _, DriverExt as _, Error, ErrorKind,
    ExecSpec, Mount, Outcome, State, TaskSpec, UnpackLimits,
};

fn is_unsupported(path: &str, error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{path}: {error}");
}

/// Copies a file in, and sees that the task has it if it is said to. Whether it was copied.
async fn arrives(container: &dyn Container, path: &str) -> bool {
    let is_there = match container.write_file(path, b"copied", 0o644).await {
        Ok(()) => true,
        Err(error) => {
            is_unsupported(path, &error);
            false
        }
    };
    match container.read_file(path, ByteSize::mib(1)).await {
        Ok(read) => assert!(is_there && read == b"copied", "{path}"),
        Err(error) => is_unsupported(path, &error),
    }
    if is_there {
        let running = container.start().await.unwrap();
        if container.state() == State::Frozen {
            container.unfreeze().await.unwrap();
        }
        let read = ExecSpec::new(["/testee", "read", path]);
        let seen = container.exec_output(read, ByteSize::mib(1)).await.unwrap();
        assert_eq!(
            (seen.exit.outcome, &*seen.stdout),
            (Outcome::Code(0), &b"copied"[..]),
            "{path}"
        );
        drop(running);
    }
    is_there
}

#[tokio::test]
async fn what_is_copied_in_is_there_for_the_task_or_refused() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let is_podman = driver.capabilities().engine == "podman";
    for state in [State::Created, State::Running, State::Frozen] {
        // Podman copies as one of the task's processes while they run.
        let runs = is_podman && state == State::Running;
        let before = is_podman && state == State::Created;
        for (path, expected) in [
            ("/tmp/in", before || runs),
            ("/tmp/kept/in", true),
            ("/in", true),
            ("/dev/shm/in", runs),
        ] {
            let task = TaskSpec::builder(engine::image()).args(["sleep", "forever"]);
            let task = task.mount(Mount::tmpfs("/tmp", None));
            let task = task.mount(Mount::anonymous_volume("/tmp/kept")).build().unwrap();
            let container = driver.prepare(task).await.unwrap();
            let mut running = None;
            if state != State::Created {
                running = Some(container.start().await.unwrap());
            }
            if state == State::Frozen {
                container.freeze().await.unwrap();
            }
            assert_eq!(arrives(&*container, path).await, expected, "{path}, {state:?}");
            drop(running);
            container.close().await.unwrap();
        }
    }
    driver.close().await.unwrap();
    assert_eq!(fixture.leftovers().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_a_caller_gets_wrong_is_his_and_the_root_can_be_copied_out() {
    let fixture = fixture::Docker::new();
    let driver = fixture.open().await.unwrap();
    let task = TaskSpec::builder(engine::image()).args(["exit", "0"]).build().unwrap();
    let container = driver.prepare(task).await.unwrap();
    let rubbish = Box::new(std::io::Cursor::new(vec![7; 2000]));
    let error = container.copy_in("/", rubbish).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let error = container.write_file("/f", b"x", 0o77777).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    container.write_file("/marked", b"x", 0o644).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let limits = UnpackLimits::new(ByteSize::mib(64), 10_000).skip_odd();
    container.copy_out_to("/", &folder.path().join("root"), limits).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("root/marked")).unwrap(), b"x");
    driver.close().await.unwrap();
}
