//! The driver and the caller's runtime: it blocks none of its threads, and what it has to remove does
//! not wait for them.
//!
//! A connection to the engine is moved by a task. Where a runtime's threads are blocked that task
//! stands still, and a call looks like an engine that does not answer.

use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::support::{Request, Script, ScriptedEngine, Step, chunk, chunked, json, usual};
use longshore_docker::{DockerConfig, DockerDriver};
use longshore_driver_api::{
    Container, ContainerExt as _, Driver as _, DriverExt as _, ErrorKind, Exit, PullProgress, Task,
    TaskHooks, TaskIo, TaskSpec,
};
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

/// Says that it was told how far a pull is.
#[derive(Debug, Default)]
struct Told(Notify);

impl TaskHooks for Told {
    fn pull_progress(&self, _: &PullProgress) {
        self.0.notify_one();
    }
}

/// An engine whose pulls stand still after their first step, until they are told to go on.
fn pulling(go_on: &Arc<Notify>) -> Elsewhere {
    let word = Arc::clone(go_on);
    Elsewhere::start(move |request| {
        if !request.is("POST /images/create") {
            return usual(request);
        }
        let step = r#"{"status":"Downloading","progressDetail":{"current":1,"total":2},"id":"aa"}"#;
        let mut script = chunked();
        let step = chunk(format!("{step}\r\n").as_bytes());
        script.extend([step, Step::Until(Arc::clone(&word)), Step::Send(b"0\r\n\r\n".to_vec())]);
        script
    })
}

fn single() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn asker(driver: &DockerDriver) -> (Arc<dyn Container>, Arc<Told>) {
    let (spec, told) = (TaskSpec::builder("r.io/x:1").build().unwrap(), Arc::new(Told::default()));
    let task = Task::new(spec).hooks(Arc::clone(&told) as Arc<dyn TaskHooks>);
    (driver.container(task).unwrap(), told)
}

/// What is to become of the runtime of the one who asked first.
#[derive(Debug, Clone, Copy, PartialEq)]
enum First {
    StandsStill,
    Ends,
}

#[test]
fn a_shared_pull_goes_on_whatever_becomes_of_the_first_askers_runtime() {
    for fate in [First::StandsStill, First::Ends] {
        let go_on = Arc::new(Notify::new());
        let engine = pulling(&go_on);
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (single(), single());
        let driver = second.block_on(open(&engine, &folder));
        let ((one, one_told), (two, two_told)) = (asker(&driver), asker(&driver));
        let mut other = pin!(two.pull_image());
        {
            let mut asking = pin!(one.pull_image());
            for (runtime, pull, told) in
                [(&first, asking.as_mut(), one_told), (&second, other.as_mut(), two_told)]
            {
                let begun = async {
                    tokio::select! {
                        _ = pull => panic!("the pull stands still"),
                        () = told.0.notified() => {}
                    }
                };
                let begun = async { tokio::time::timeout(LONG, begun).await };
                runtime.block_on(begun).expect("it was told how far the pull is");
            }
            // It leaves here, as by a bound of its own.
        }
        let first = (fate == First::StandsStill).then_some(first);
        go_on.notify_one();
        let pulled = second.block_on(async { tokio::time::timeout(LONG, other).await });
        pulled.unwrap_or_else(|_| panic!("{fate:?}: the pull stands")).unwrap();
        second.block_on(driver.close()).unwrap();
        drop(first);
    }
}

#[test]
fn a_pull_whose_asker_stands_still_does_not_hold_up_the_close() {
    let engine = pulling(&Arc::new(Notify::new()));
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (single(), single());
    let driver = second.block_on(open(&engine, &folder));
    let (container, told) = asker(&driver);
    let mut pull = pin!(container.pull_image());
    first.block_on(async {
        tokio::select! {
            _ = &mut pull => panic!("the pull stands still"),
            () = told.0.notified() => {}
        }
    });
    let closed = async { tokio::time::timeout(LONG, driver.close()).await };
    second.block_on(closed).expect("the close waits for the pull").unwrap();
    assert_eq!(first.block_on(pull).unwrap_err().kind(), ErrorKind::Closed);
}
