//! Tasks that outlive their owners: processes that are killed, and others that take up what they
//! left.

use std::time::Duration;

use longshore_docker::DockerDriver;
use longshore_driver_api::{
    Driver, ErrorKind, Handle, Missing, Outcome, ReapOptions, Recovered, TaskIo,
};
use longshore_testee::{STDOUT, pattern};
use longshore_tests::{Fault, FaultProxy, Scene, Script, Setup, Step, Victim};

use crate::scene;

const BYTES: usize = 120_000;
const HEIR: &str = env!("CARGO_BIN_EXE_longshore-heir");

/// A task that runs for some seconds, of an owner who was killed.
async fn orphan(scene: &Scene) -> Handle {
    scene.orphan(HEIR, BYTES).await
}

fn heir(scene: &Scene, address: &str, what: &str) -> Victim {
    scene.process(HEIR, address, what)
}

/// Recovers a task in this process, and sees it to its end, with every byte behind the handle.
async fn inherit(scene: &Scene, driver: &DockerDriver, handle: &Handle) {
    let (io, captured) = TaskIo::captured();
    let recovered = driver.recover(handle, io).await;
    let Recovered { container, running, lost, .. } = recovered.expect("nobody has it");
    let exit = running.wait().await;
    assert!(exit.is_success(), "{exit:?}");
    // That nothing is missing is seen here; whether it can be proven depends on who writes the log,
    // and who listens at the engine's socket.
    let expected = pattern(7, STDOUT).bytes_of(BYTES);
    let from = usize::try_from(handle.stdout()).expect("a few");
    assert!(captured.stdout() == expected[from..], "{} bytes", captured.stdout().len());
    let proven = lost.stdout == Missing::Nothing;
    let may_be_unproven = driver.capabilities().engine == "docker";
    assert!(proven || (may_be_unproven && lost.stdout == Missing::Unknown), "{lost:?}");
    assert_eq!(exit.output.stdout.is_incomplete(), lost.stdout.is_loss(), "{exit:?}");
    container.close().await.expect("it is removed");
    assert_eq!(scene.clean().await, Vec::<String>::new());
    driver.reap(ReapOptions::new()).await.expect("the engine answers");
    assert_eq!(scene.leases().len(), 1, "{:?}", scene.leases());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_goes_from_one_killed_owner_to_the_next_without_losing_a_byte() {
    let scene = scene(&Setup::from_env());
    let driver = scene.driver(false).await;
    let handle = orphan(&scene).await;
    for _ in 0..2 {
        let mut next = heir(&scene, &scene.setup.engine.address(), &handle.to_string());
        next.says("won").await;
        let refused = driver.recover(&handle, TaskIo::none()).await;
        let kind = refused.expect_err("another has it").kind();
        assert_eq!(kind, ErrorKind::OwnerAlive);
        next.kill().await;
    }
    inherit(&scene, &driver, &handle).await;
    driver.close().await.expect("it has nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_processes_that_recover_at_once_beside_a_reaper_one_wins() {
    let scene = scene(&Setup::from_env());
    let driver = scene.driver(false).await;
    let handle = orphan(&scene).await;
    let address = scene.setup.engine.address();
    let heirs: Vec<Victim> = (0..3).map(|_| heir(&scene, &address, &handle.to_string())).collect();
    let answers = async {
        let mut all = Vec::new();
        for mut heir in heirs {
            heir.says("opened").await;
            all.push((heir.next().await, heir));
        }
        all
    };
    let reap_on = async {
        loop {
            let report = driver.reap(ReapOptions::new()).await.expect("the engine answers");
            assert!(report.removed.is_empty() && report.failed.is_empty(), "{report:?}");
        }
    };
    let answers = tokio::select! {
        answers = answers => answers,
        () = reap_on => unreachable!("it goes on for ever"),
    };
    let mut said: Vec<&str> = answers.iter().map(|(said, _)| said.as_str()).collect();
    said.sort_unstable();
    assert_eq!(said, ["lost OwnerAlive", "lost OwnerAlive", "won"]);
    for (_, heir) in answers {
        heir.kill().await;
    }
    inherit(&scene, &driver, &handle).await;
    driver.close().await.expect("it has nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_heir_that_is_killed_in_the_middle_of_a_call_leaves_the_task_as_it_was() {
    let scene = scene(&Setup::from_env());
    let driver = scene.driver(false).await;
    let handle = orphan(&scene).await;
    for step in [Step::Inspect, Step::Logs, Step::Wait] {
        let script = Script::new().once(step, Fault::Stall);
        let proxy = FaultProxy::start(scene.setup.engine.socket(), script).expect("a socket");
        let next = heir(&scene, &proxy.address(), &handle.to_string());
        let reached = tokio::time::timeout(Duration::from_secs(60), proxy.reached(step, 1));
        reached.await.unwrap_or_else(|_| panic!("it never asked for {step}"));
        next.kill().await;
    }
    inherit(&scene, &driver, &handle).await;
    driver.close().await.expect("it has nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_a_stranger_has_started_again_meanwhile_is_lost_and_not_mixed_up_with_the_next()
{
    let scene = scene(&Setup::from_env());
    let engine = &scene.setup.engine;
    let driver = scene.driver(false).await;
    for runs in [true, false] {
        let handle = orphan(&scene).await;
        // A start within a second of the first one could not be told from it once that has ended, too.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let containers = engine.containers(&scene.application).await.expect("the engine answers");
        let [id] = containers.as_slice() else { panic!("{containers:?}") };
        let post = async |what: &str| {
            let said = engine.call("POST", &format!("/containers/{id}/{what}"), "").await;
            let (status, said) = said.expect("the engine answers");
            assert_eq!(status, 204, "{what}: {said}");
        };
        post("restart?t=0").await;
        if !runs {
            post("stop?t=0").await;
        }
        let (io, captured) = TaskIo::captured();
        let recovered = driver.recover(&handle, io).await.expect("nobody has it");
        assert_eq!(recovered.lost.stdout, Missing::Unknown);
        let exit = recovered.running.wait().await;
        assert_eq!((&exit.outcome, exit.code), (&Outcome::Lost, None), "{exit:?}");
        assert!(exit.output.is_incomplete() && captured.stdout().is_empty(), "{exit:?}");
        recovered.container.close().await.expect("it is removed");
        assert_eq!(scene.clean().await, Vec::<String>::new());
    }
    driver.close().await.expect("it has nothing");
}
