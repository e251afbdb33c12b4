//! The driver and the caller's runtime: it blocks none of its threads, and what it has to remove does
//! not wait for them.
//!
//! A connection to the engine is moved by a task. Where a runtime's threads are blocked that task
//! stands still, and a call looks like an engine that does not answer.

#[expect(unreachable_pub, reason = "the module is shared with the unit tests")]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    ContainerExt as _, Driver as _, DriverExt as _, Exit, Task, TaskIo, TaskSpec,
};
use support::{Request, Script, ScriptedEngine, Step, json, usual};
use tokio::sync::{Notify, oneshot};

/// Whatever happens has happened by then.
const LONG: Duration = Duration::from_secs(30);

/// A scripted engine on a thread and a runtime of its own.
struct Elsewhere {
    address: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Elsewhere {
    fn start(answer: impl Fn(&Request) -> Script + Send + Sync + 'static) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let engine = ScriptedEngine::start(answer);
                tell.send(engine.address()).unwrap();
                // It ends too if the test panics.
                let _ = stopped.await;
            });
        });
        Self { address: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn open(engine: &Elsewhere, folder: &tempfile::TempDir) -> DockerDriver {
    let mut config = DockerConfig::default();
    config.host = Some(engine.address.clone());
    config.run_dir = Some(folder.path().join("run"));
    DockerDriver::open(config).await.unwrap()
}

async fn run(driver: &DockerDriver) -> Exit {
    let (io, _captured) = TaskIo::captured();
    let task = Task::new(TaskSpec::builder("x").build().unwrap()).io(io);
    driver.run_task(task).await.unwrap()
}

#[test]
fn while_it_waits_for_the_engine_other_tasks_of_a_single_thread_have_their_turn() {
    let (tell, told) = mpsc::channel();
    // Watched from another thread: on a thread that is blocked no bound would pass.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(one_life());
        tell.send(()).unwrap();
    });
    told.recv_timeout(LONG).expect("a call was never answered, or something else failed above");
}

/// A task from the opening of its driver to the close, on an engine that answers only after another
/// task of this thread ran: were the thread blocked meanwhile, no call would ever be answered.
async fn one_life() {
    let beat = Arc::new(Notify::new());
    let beats = Arc::clone(&beat);
    let engine = Elsewhere::start(move |request| {
        let mut script = usual(request);
        script.insert(0, Step::Until(Arc::clone(&beats)));
        script
    });
    let beating = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            beat.notify_waiters();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let driver = open(&engine, &folder).await;
    let exit = run(&driver).await;
    assert!(exit.is_success(), "{exit:?}");
    driver.close().await.unwrap();
    beating.abort();
}

#[tokio::test(flavor = "current_thread")]
async fn a_container_is_removed_while_the_callers_threads_are_blocked() {
    let (tell, told) = mpsc::channel();
    let engine = Elsewhere::start(move |request| {
        if request.is("DELETE /containers/c1") {
            // The test may be over.
            let _ = tell.send(());
        }
        usual(request)
    });
    let folder = tempfile::tempdir().unwrap();
    let driver = open(&engine, &folder).await;
    let container = driver.prepare(TaskSpec::builder("x").build().unwrap()).await.unwrap();
    drop(container);
    // Blocks the only thread of this runtime on purpose.
    told.recv_timeout(LONG).expect("the removal waits for the caller's runtime");
    driver.close().await.unwrap();
}

/// A driver whose requests to make something are given up soon.
async fn open_brief(engine: &Elsewhere, folder: &tempfile::TempDir) -> DockerDriver {
    let mut config = DockerConfig::default();
    config.host = Some(engine.address.clone());
    config.run_dir = Some(folder.path().join("run"));
    config.reap_on_open = false;
    config.timeouts.work = Duration::from_millis(100);
    DockerDriver::open(config).await.unwrap()
}

/// Has a future polled once.
async fn begin(future: impl Future) {
    tokio::select! {
        biased;
        _ = future => panic!("it has nothing to wait for"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_a_blocked_runtime_has_not_asked_for_is_not_asked_for_after_the_close() {
    let (tell, told) = mpsc::channel();
    let engine = Elsewhere::start(move |request| {
        if request.is("DELETE /containers/") || request.is("POST /containers/create") {
            // The test may be over.
            let _ = tell.send(request.line.clone());
        }
        usual(request)
    });
    let folder = tempfile::tempdir().unwrap();
    let driver = open_brief(&engine, &folder).await;
    let container = driver.container(TaskSpec::builder("x").build().unwrap().into()).unwrap();
    container.ensure_image().await.unwrap();
    // The request is left to a task of this runtime, which has no turn until the close was done.
    begin(container.create()).await;
    begin(container.close()).await;
    let line = told.recv_timeout(LONG).expect("closing waits for the caller's runtime");
    assert!(line.starts_with("DELETE"), "{line}");
    container.close().await.unwrap();
    driver.close().await.unwrap();
    let after: Vec<String> = told.try_iter().filter(|line| line.starts_with("POST")).collect();
    assert!(after.is_empty(), "{after:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_made_after_closing_has_given_it_up_is_removed() {
    let (tell, told) = mpsc::channel();
    let looked_for = Arc::new(Notify::new());
    let engine = Elsewhere::start(move |request| {
        let _ = tell.send(request.line.clone());
        if request.is("DELETE /containers/longshore-") {
            looked_for.notify_one();
            return json(404, r#"{"message":"No such container"}"#);
        }
        let mut script = usual(request);
        if request.is("POST /containers/create") {
            script.insert(0, Step::Until(Arc::clone(&looked_for)));
        }
        script
    });
    let folder = tempfile::tempdir().unwrap();
    let driver = open_brief(&engine, &folder).await;
    let container = driver.container(TaskSpec::builder("x").build().unwrap().into()).unwrap();
    container.ensure_image().await.unwrap();
    begin(container.create()).await;
    while !told.try_iter().any(|line| line.contains("/containers/create")) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begin(container.close()).await;
    // Blocks the only thread of this runtime on purpose.
    while !told.recv_timeout(LONG).expect("it is looked for").starts_with("DELETE") {}
    container.close().await.unwrap();
    driver.close().await.unwrap();
    let removed =
        told.try_iter().any(|line| line.starts_with("DELETE") && line.contains("/containers/c1?"));
    assert!(removed, "it is left on the engine");
}
