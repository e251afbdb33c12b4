//! Benchmarks, rivals side by side: `cargo xtask bench NAME` builds this for speed and runs it.

mod api;
mod book;
mod chart;
mod decimate;
mod docker;
mod frame;
mod reference;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;

use frame::Plan;

fn main() -> Result<()> {
    let mut parser = lexopt::Parser::from_env();
    let (mut name, mut json, mut docs) = (None, None, None);
    let (mut rounds, mut seed) = (None, 1);
    while let Some(arg) = parser.next()? {
        match arg {
            Value(value) if name.is_none() => name = Some(value.string()?),
            Long("json") => json = Some(PathBuf::from(parser.value()?)),
            Long("docs") => docs = Some(PathBuf::from(parser.value()?)),
            Long("rounds") => rounds = Some(parser.value()?.parse()?),
            Long("seed") => seed = parser.value()?.parse()?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    let plan: Plan = match name.as_deref() {
        Some("ref") => reference::plan()?,
        Some("decimate") => decimate::plan()?,
        Some("docker") => docker::tasks()?,
        Some("docker-many") => docker::many()?,
        Some("output") => docker::output()?,
        Some("prefork") => docker::prefork()?,
        Some(other) => {
            bail!(
                "there is no bench {other:?}; there are ref, decimate, docker, docker-many, output and prefork"
            )
        }
        None => bail!("longshore-bench NAME [--rounds N] [--seed N] [--json FILE] [--docs DIR]"),
    };

    let (name, about, own_rounds) = (plan.name, plan.about.clone(), plan.rounds);
    let machine = book::machine();
    let figures = frame::measure(plan, rounds.unwrap_or(own_rounds), seed)?;
    print!("{}", book::table(&figures));
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&figures)?;
        fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    if let Some(dir) = docs {
        book::write(&dir, name, &about, &machine, &figures)?;
    }
    Ok(())
}
