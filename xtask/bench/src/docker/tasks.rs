//! `docker`: one short task from nothing to removed. `docker-many`: several at a time.

use std::process::Command;
use std::rc::Rc;

use anyhow::Result;

use super::rivals::{Ours, cycle, docker_run, on_threads};
use super::{engine, milliseconds};
use crate::api::Api;
use crate::frame::{Case, Plan};

const NETWORKS: [&str; 3] = ["bridge", "none", "host"];
/// How many tasks make one figure where several run at a time.
const TASKS: usize = 16;

pub(crate) fn plan() -> Result<Plan> {
    let (host, image) = engine()?;
    let ours = Rc::new(Ours::open(&host, &image)?);
    let has_cli = has_cli();
    let mut cases = Vec::new();
    for network in NETWORKS {
        let with_cli = |case: Case| match has_cli {
            true => case.also_against(format!("cli/{network}")),
            false => case,
        };
        let our = Rc::clone(&ours);
        let run = milliseconds(1, move || our.run(network));
        cases.push(with_cli(Case::new("longshore", network, run)));
        let our = Rc::clone(&ours);
        let result = move || Ok(our.result(network)?.as_secs_f64() * 1000.0);
        cases.push(with_cli(Case::new("longshore-result", network, Box::new(result))));
        let (api, own) = (Api::new(&host)?, image.clone());
        let run = milliseconds(1, move || cycle(&api, &own, network));
        cases.push(Case::new("api", network, run));
        if has_cli {
            let (host, own) = (host.clone(), image.clone());
            let run = milliseconds(1, move || docker_run(&host, &own, network));
            cases.push(Case::new("cli", network, run));
        }
    }
    Ok(Plan {
        name: "docker",
        about: "One short task from nothing to removed, its output read, by network, all with the same hardening: \
                `longshore` through the crate, `longshore-result` until its output and exit are known, `api` the \
                bare calls of the engine's API, `cli` `docker run --rm`."
            .to_owned(),
        unit: "ms",
        baseline: "api",
        // Two in a hundred are to be told from none, and one figure strays by ten.
        rounds: 100,
        cases,
    })
}

pub(crate) fn many() -> Result<Plan> {
    let (host, image) = engine()?;
    let ours = Rc::new(Ours::open(&host, &image)?);
    let has_cli = has_cli();
    let mut cases = Vec::new();
    for at_once in [4, 8] {
        for network in NETWORKS {
            let what = format!("{network}-{at_once}-at-once");
            let mut add = |who, run| cases.push(Case::new(who, what.as_str(), run));
            let our = Rc::clone(&ours);
            add("longshore", milliseconds(TASKS, move || our.run_many(network, TASKS, at_once)));
            let (api, own) = (Api::new(&host)?, image.clone());
            let run = move || on_threads(TASKS, at_once, || cycle(&api, &own, network));
            add("api", milliseconds(TASKS, run));
            if has_cli {
                let (host, own) = (host.clone(), image.clone());
                let run = move || on_threads(TASKS, at_once, || docker_run(&host, &own, network));
                add("cli", milliseconds(TASKS, run));
            }
        }
    }
    Ok(Plan {
        name: "docker-many",
        about: "The tasks of `docker`, for each of 16 of them with 4 or 8 at once.".to_owned(),
        unit: "ms",
        baseline: "api",
        rounds: 15,
        cases,
    })
}

fn has_cli() -> bool {
    Command::new("docker").arg("--version").output().is_ok()
}
