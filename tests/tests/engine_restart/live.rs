//! Tasks that run on while their engine is killed and started again.

use std::time::{Duration, Instant};

use longshore_docker::{DockerDriver, Timeouts};
use longshore_driver_api::{
    Capabilities, Driver as _, DriverExt as _, Handle, Missing, Outcome, Recovered, Task, TaskIo,
    TaskSpec,
};
use longshore_testee::{STDOUT, pattern};
use longshore_tests::{Scene, Setup, config, keeping_log};
use tokio::time::{sleep, timeout};

use crate::{ALONE, LONG, restart};

const BYTES: usize = 160_000;
const LIVES_ON: [&str; 2] = ["--kill", "--live-restore"];

/// A task of eight seconds.
fn writer(setup: &Setup, can: &Capabilities) -> TaskSpec {
    let bytes = BYTES.to_string();
    let args = ["write", "--stdout", &bytes, "--rate", "20000", "--chunk", "100", "--seed", "7"];
    setup.task(args).log(keeping_log(can)).build().unwrap()
}

async fn driver(scene: &Scene) -> DockerDriver {
    let mut config = config(&scene.setup.engine.address(), &scene.application, &scene.run_dir());
    config.timeouts = Timeouts::default();
    DockerDriver::open(config).await.unwrap()
}

/// Whether these are bytes of the task in their order, at most one run of them missing.
fn is_cut_once(delivered: &[u8], expected: &[u8]) -> bool {
    let same = delivered.iter().zip(expected).take_while(|(one, other)| one == other).count();
    expected.ends_with(&delivered[same..])
}

#[test]
fn a_cut_is_told_from_wrong_bytes() {
    assert!(is_cut_once(b"abcd", b"abcd") && is_cut_once(b"abf", b"abcdef"));
    assert!(!is_cut_once(b"abxf", b"abcdef") && !is_cut_once(b"abd", b"abcdef"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_lives_on_without_its_engine_ends_as_it_ends() {
    let _alone = ALONE.lock().await;
    let scene = Scene::new(&Setup::from_env(), "restart");
    let driver = driver(&scene).await;
    let (io, output) = TaskIo::captured();
    let spec = writer(&scene.setup, driver.capabilities());
    let container = driver.prepare(Task::new(spec).io(io)).await.unwrap();
    let running = container.start().await.unwrap();
    let begun = Instant::now();
    // An engine that is killed right after it has started a task may forget it.
    while output.stdout().len() < 8000 {
        assert!(begun.elapsed() < LONG, "it never wrote");
        sleep(Duration::from_millis(5)).await;
    }
    restart(&LIVES_ON).await;

    let exit = timeout(LONG, running.wait()).await.expect("its end is known");
    assert_eq!((exit.outcome, exit.alternatives.len()), (Outcome::Code(0), 0), "{exit:?}");
    let (delivered, expected) = (output.stdout(), pattern(7, STDOUT).bytes_of(BYTES));
    assert!(is_cut_once(&delivered, &expected), "{} bytes", delivered.len());
    if delivered.len() < BYTES {
        assert!(exit.output.stdout.is_incomplete(), "{exit:?}");
    }
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(scene.clean().await, [""; 0]);
    restart(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_lives_on_without_engine_and_owner_is_recovered() {
    let _alone = ALONE.lock().await;
    let scene = Scene::new(&Setup::from_env(), "restart");
    let address = scene.setup.engine.address();
    let program = env!("CARGO_BIN_EXE_longshore-heir");
    let mut owner = scene.process(program, &address, &BYTES.to_string());
    let handle: Handle = owner.reads("handle ").await.parse().unwrap();
    owner.kill().await;
    restart(&LIVES_ON).await;

    let driver = driver(&scene).await;
    let (io, output) = TaskIo::captured();
    let Recovered { container, running, lost, .. } = driver.recover(&handle, io).await.unwrap();
    // A Docker that was killed has lost what it had in hand, and nobody knows what that was. What
    // writes Podman's logs lives on.
    let is_whole = driver.capabilities().engine == "podman";
    assert_eq!(lost.stdout, if is_whole { Missing::Nothing } else { Missing::Unknown });
    let exit = timeout(LONG, running.wait()).await.expect("its end is known");
    assert_eq!((exit.outcome, exit.alternatives.len()), (Outcome::Code(0), 0), "{exit:?}");
    assert_eq!(exit.output.stdout.is_incomplete(), !is_whole, "{exit:?}");
    let from = usize::try_from(handle.stdout()).unwrap();
    let expected = &pattern(7, STDOUT).bytes_of(BYTES)[from..];
    assert!(is_cut_once(&output.stdout(), expected), "{} bytes", output.stdout().len());
    assert!(!is_whole || output.stdout() == expected, "{} bytes", output.stdout().len());
    container.close().await.unwrap();
    driver.close().await.unwrap();
    assert_eq!(scene.clean().await, [""; 0]);
    restart(&[]).await;
}
