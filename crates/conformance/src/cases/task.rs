//! What can be wrong with a task before it runs, and what it sees when it does.

use std::collections::BTreeMap;
use std::time::Duration;

use longshore_driver_api::{ErrorKind, Exit, NetworkMode, Task};
use serde::Deserialize;

use crate::Act;
use crate::trial::{Trial, built};
use crate::verdict::{Outcome, Stop};

/// What `world` has to tell at least.
#[derive(Deserialize)]
struct World {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: String,
}

pub(crate) async fn every_problem_is_told_at_once(t: Trial) -> Outcome {
    let mut task = t.task(&Act::Exit(0));
    task.spec.work_dir = Some("relative".to_owned());
    task.spec.timeout = Some(Duration::ZERO);
    task.spec.limits.pids = Some(0);
    match t.driver().container(task) {
        Ok(container) => panic!("an invalid task was accepted: {container:?}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            for field in ["work_dir", "timeout", "limits.pids"] {
                assert!(error.to_string().contains(field), "{field} is not in: {error}");
            }
        }
    }
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn a_network_that_does_not_exist_is_named(t: Trial) -> Outcome {
    let network = t.scene().missing_network;
    let mode = NetworkMode::Named(network.clone());
    let task = Task::new(built(t.spec(&Act::Exit(0)).network(mode)));
    let error = t.fails(ErrorKind::NetworkNotFound, "run without its network", run(&t, task));
    let error = error.await?;
    assert!(error.to_string().contains(&network), "the network is not named: {error}");
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn a_log_driver_that_cannot_start_is_told_apart(t: Trial) -> Outcome {
    let Some(log) = t.scene().broken_log else {
        return Err(Stop::Skipped("the fixture has no log driver that cannot start".to_owned()));
    };
    let name = log.driver.clone();
    let task = Task::new(built(t.spec(&Act::Exit(0)).log(log)));
    let error = t.fails(ErrorKind::LogDriver, "run without its log driver", run(&t, task)).await?;
    assert!(error.to_string().contains(&name), "the log driver is not named: {error}");
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

async fn run(t: &Trial, task: Task) -> longshore_driver_api::Result<Exit> {
    use longshore_driver_api::DriverExt as _;
    t.driver().run_task(task).await
}

pub(crate) async fn arguments_environment_and_directory_reach_the_task(t: Trial) -> Outcome {
    let (io, captured) = t.captured();
    let awkward = "a b\n\"c\" $HOME \u{1F6A2} =x";
    let spec = built(t.spec(&Act::World).env("AWKWARD", awkward).env("EMPTY", "").work_dir("/tmp"));
    let exit = t.run(Task::new(spec).io(io)).await?;
    assert!(exit.is_success(), "{exit:?}");
    let world: World = crate::trial::json(&captured.stdout())?;
    assert_eq!(world.args[1..], ["world"]);
    assert_eq!(world.env.get("AWKWARD").map(String::as_str), Some(awkward));
    assert_eq!(world.env.get("EMPTY").map(String::as_str), Some(""));
    assert_eq!(world.cwd, "/tmp");
    Ok(())
}
