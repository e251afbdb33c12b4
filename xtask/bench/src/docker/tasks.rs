//! `docker`: one short task from nothing to removed, alone and several at a time.

use std::process::Command;
use std::rc::Rc;

use anyhow::Result;

use super::rivals::{Ours, cycle, docker_run, on_threads};
use super::{engine, milliseconds};
use crate::api::Api;
use crate::frame::{Case, Plan};

/// How many tasks make one figure where several run at a time.
const TASKS: usize = 16;

pub(crate) fn plan() -> Result<Plan> {
    let (host, image) = engine()?;
    let ours = Rc::new(Ours::open(&host, &image)?);
    let has_cli = Command::new("docker").arg("--version").output().is_ok();
    let mut cases = Vec::new();
    let mut add = |who, what: &str, run| cases.push(Case::new(who, what, run));
    for network in ["bridge", "none", "host"] {
        let our = Rc::clone(&ours);
        add("longshore", network, milliseconds(1, move || our.run(network)));
        let our = Rc::clone(&ours);
        let result = move || Ok(our.result(network)?.as_secs_f64() * 1000.0);
        add("longshore-result", network, Box::new(result));
        let (api, own) = (Api::new(&host)?, image.clone());
        add("api", network, milliseconds(1, move || cycle(&api, &own, network)));
        if has_cli {
            let (host, own) = (host.clone(), image.clone());
            add("cli", network, milliseconds(1, move || docker_run(&host, &own, network)));
        }
    }
    for at_once in [4, 8] {
        for network in ["bridge", "none"] {
            let what = format!("{network}-{at_once}-at-once");
            let our = Rc::clone(&ours);
            let run = move || our.run_many(network, TASKS, at_once);
            add("longshore", &what, milliseconds(TASKS, run));
            let (api, own) = (Api::new(&host)?, image.clone());
            let run = move || on_threads(TASKS, at_once, || cycle(&api, &own, network));
            add("api", &what, milliseconds(TASKS, run));
            if has_cli {
                let (host, own) = (host.clone(), image.clone());
                let run = move || on_threads(TASKS, at_once, || docker_run(&host, &own, network));
                add("cli", &what, milliseconds(TASKS, run));
            }
        }
    }
    Ok(Plan {
        name: "docker",
        about: "One short task from nothing to removed, its output read, by network, all with the same hardening: \
                `longshore` through the crate, `longshore-result` until its output and exit are known, `api` the \
                bare calls of the engine's API, `cli` `docker run --rm`. Alone, and for each of 16 tasks with 4 or 8 \
                of them at once."
            .to_owned(),
        unit: "ms",
        baseline: "api",
        rounds: 25,
        cases,
    })
}
