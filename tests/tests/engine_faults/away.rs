//! An engine that goes away while a task runs, for a while or for good.

use std::time::Duration;

use longshore_docker::DockerDriver;
use longshore_driver_api::{
    Driver, DriverExt, Exit, Outcome, ReapOptions, StreamEnd, Task, TaskIo,
};
use longshore_testee::{STDOUT, pattern};
use longshore_tests::{FaultProxy, Script, Setup, application, config};
use tokio::time::{sleep, timeout};

/// No run takes longer, whatever becomes of the engine.
const BOUND: Duration = Duration::from_secs(60);
const BYTES: usize = 6000;

/// A task that writes for three seconds, on an engine that goes away after half a second, until
/// `back` has passed. What was told of it, and the bytes that came.
async fn away_for(back: Duration) -> (Exit, Vec<u8>) {
    let setup = Setup::from_env();
    let application = application("away");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let proxy = FaultProxy::start(setup.engine.socket(), Script::new()).expect("a socket");
    let config = config(&proxy.address(), &application, &folder.path().join("run"));
    let driver = DockerDriver::open(config).await.expect("the engine is there");
    let length = BYTES.to_string();
    let spec = setup
        .task(["write", "--stdout", &length, "--seed", "5", "--rate", "2000", "--chunk", "100"])
        .build()
        .expect("a valid task");
    let (io, captured) = TaskIo::captured();
    let container = driver.prepare(Task::new(spec).io(io)).await.expect("it is created");
    let running = container.start().await.expect("it starts");
    sleep(Duration::from_millis(500)).await;
    proxy.down().await;
    let comes_back = async {
        sleep(back).await;
        proxy.up().expect("a socket");
    };
    let waited = async { timeout(BOUND, running.wait()).await.expect("it hangs") };
    let (exit, ()) = tokio::join!(waited, comes_back);
    timeout(BOUND, container.close()).await.expect("closing hangs").expect("the engine is back");
    timeout(BOUND, driver.close()).await.expect("closing hangs").expect("nothing is left");
    let left = setup.engine.containers(&application).await.expect("the engine answers");
    assert_eq!(left, Vec::<String>::new());
    (exit, captured.stdout())
}

fn check_output(exit: &Exit, got: &[u8]) {
    assert!(pattern(5, STDOUT).bytes_of(BYTES).starts_with(got));
    assert!(got.len() < BYTES, "the connection was cut in the middle");
    assert_eq!(exit.output.stdout.delivered, got.len() as u64);
    assert_eq!(exit.output.stdout.end, StreamEnd::Cut, "{exit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_engine_comes_back_keeps_its_exit_and_its_output_is_cut() {
    let (exit, got) = away_for(Duration::from_millis(1500)).await;
    assert_eq!(exit.outcome, Outcome::Code(0), "{exit:?}");
    check_output(&exit, &got);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_engine_stays_away_is_lost_and_never_a_success() {
    let (exit, got) = away_for(Duration::from_secs(9)).await;
    assert_eq!(exit.outcome, Outcome::Lost, "{exit:?}");
    assert_eq!(exit.code, None);
    check_output(&exit, &got);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_driver_could_not_remove_when_it_was_closed_the_next_one_removes() {
    let setup = Setup::from_env();
    let application = application("away");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    let proxy = FaultProxy::start(setup.engine.socket(), Script::new()).expect("a socket");
    let mut first = config(&proxy.address(), &application, &run_dir);
    first.timeouts.close = Duration::from_secs(2);
    let driver = DockerDriver::open(first).await.expect("the engine is there");
    let spec = setup.task(["sleep", "forever"]).build().expect("a valid task");
    let container = driver.prepare(Task::new(spec)).await.expect("it is created");
    let running = container.start().await.expect("it starts");
    proxy.down().await;
    let error = timeout(BOUND, driver.close()).await.expect("closing hangs").unwrap_err();
    assert!(error.to_string().contains("longshore-"), "it names the container: {error}");
    assert_eq!(timeout(BOUND, running.wait()).await.expect("it hangs").outcome, Outcome::Cancelled);
    let left = setup.engine.containers(&application).await.expect("the engine answers");
    assert_eq!(left, [container.engine_id().expect("it was created")]);

    let next = config(&setup.engine.address(), &application, &run_dir);
    let next = DockerDriver::open(next).await.expect("the engine is there");
    let report = next.reap(ReapOptions::new()).await.expect("the engine answers");
    assert_eq!((report.removed.len(), report.failed.len()), (1, 0), "{report:?}");
    next.close().await.expect("it has nothing");
    let left = setup.engine.containers(&application).await.expect("the engine answers");
    assert_eq!(left, Vec::<String>::new());
}
