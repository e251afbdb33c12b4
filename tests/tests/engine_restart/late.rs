//! What an engine was asked for that is killed before it gets to it.

use std::time::{Duration, Instant};

use longshore_docker::{DockerDriver, Timeouts};
use longshore_driver_api::{ContainerExt as _, Driver as _, Task};
use longshore_tests::{Setup, application, config};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::{ALONE, LONG, restart};

/// How often a request is sent that may not have been under way when the engine was killed.
const ATTEMPTS: usize = 5;
/// A request is sent within this, mostly.
const SENT: Duration = Duration::from_millis(300);

/// The engine stands still: what it is sent from now on it does not read.
async fn stop(setup: &Setup) {
    let address = setup.engine.address();
    let stream = UnixStream::connect(address.trim_start_matches("unix://")).await.unwrap();
    let process = stream.peer_cred().unwrap().pid().and_then(Pid::from_raw).unwrap();
    kill_process(process, Signal::STOP).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_engine_was_asked_for_is_not_waited_for() {
    let _alone = ALONE.lock().await;
    let (setup, application) = (Setup::from_env(), application("late"));
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&setup.engine.address(), &application, &folder.path().join("run"));
    config.timeouts = Timeouts::default();
    // A Podman that answers does not prove that another has ended: what that was asked for is waited
    // for as long as making it may take.
    let tells = !setup.engine.is_podman().await.unwrap();
    if !tells {
        config.timeouts.work = Duration::from_secs(15);
    }
    let work = config.timeouts.work;
    let bound = if tells { work / 4 } else { work + Duration::from_secs(5) };
    let driver = DockerDriver::open(config).await.unwrap();
    let mut was_lost = false;
    for _ in 0..ATTEMPTS {
        let container =
            driver.container(Task::new(setup.task(["exit", "0"]).build().unwrap())).unwrap();
        container.ensure_image().await.unwrap();
        stop(&setup).await;
        let making = tokio::spawn({
            let container = container.clone();
            async move { container.create().await }
        });
        sleep(SENT).await;
        restart(&["--kill"]).await;
        was_lost = timeout(LONG, making).await.unwrap().unwrap().is_err();
        // A Docker that answers now was never asked: nothing is left to wait for.
        let begun = Instant::now();
        timeout(LONG, container.close()).await.expect("it is closed").unwrap();
        assert!(begun.elapsed() < bound, "it took {:?}", begun.elapsed());
        if was_lost {
            break;
        }
    }
    assert!(was_lost, "no request was under way when the engine was killed");
    driver.close().await.unwrap();
    let left = setup.engine.settle(&application, 0, Duration::from_secs(30)).await.unwrap();
    assert_eq!(left, [""; 0]);
}
