//! `output`: what a task writes, through attach to the reader.

use std::fs;
use std::rc::Rc;

use anyhow::{Context, Result};

use super::engine;
use super::rivals::{Ours, bare_write};
use crate::api::Api;
use crate::frame::{Case, Plan};

const GIB: u64 = 1 << 30;

pub(crate) fn plan() -> Result<Plan> {
    let (host, image) = engine()?;
    let ours = Rc::new(Ours::open(&host, &image)?);
    let api = Api::new(&host)?;
    let our = Rc::clone(&ours);
    let time = move || Ok(our.write(GIB)?.as_secs_f64() * 1000.0);
    let bare = move || Ok(bare_write(&api, &image, GIB)?.as_secs_f64() * 1000.0);
    let memory = move || {
        fs::write("/proc/self/clear_refs", "5").context("forget the most memory so far")?;
        let before = most_resident()?;
        ours.write(GIB)?;
        Ok(most_resident()? - before)
    };
    Ok(Plan {
        name: "output",
        about: "One task that writes 1 GiB to its stdout, from its start until all of it and the exit are known: \
                `longshore` takes the streams apart and counts, `api` reads the bare socket and only counts. \
                `longshore/memory` is by how much this process grew meanwhile at most."
            .to_owned(),
        unit: "ms",
        baseline: "api",
        rounds: 11,
        cases: vec![
            Case::new("longshore", "1-gib", Box::new(time)),
            Case::new("api", "1-gib", Box::new(bare)),
            Case::new("longshore", "memory", Box::new(memory))
                .unit("KiB")
                .against("longshore/memory"),
        ],
    })
}

/// The most memory that this process has had since it was made to forget, in KiB.
fn most_resident() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.context("the kernel does not tell the most memory")?;
    line.trim().trim_end_matches(" kB").parse().with_context(|| format!("VmHWM is {line:?}"))
}
