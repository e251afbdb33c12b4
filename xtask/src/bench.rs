//! `bench`: builds the benchmarks for speed and runs one.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use xshell::{Shell, cmd};

use crate::workspace::Workspace;

const BENCHES: [&str; 2] = ["ref", "decimate"];

pub(crate) fn run(sh: &Shell, workspace: &Workspace, mut args: lexopt::Parser) -> Result<()> {
    let (mut name, mut passed_on) = (None, Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Value(value) if name.is_none() => name = Some(value.string()?),
            Long(option @ ("json" | "rounds" | "seed")) => {
                passed_on.push(format!("--{option}").into());
                passed_on.push(args.value()?);
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    let Some(name) = name.filter(|name| BENCHES.contains(&name.as_str())) else {
        bail!(
            "bench NAME [--json FILE] [--rounds N] [--seed N]; the names are: {}",
            BENCHES.join(", ")
        );
    };
    let docs = workspace.root.join("docs");
    cmd!(sh, "cargo build --quiet --release --package longshore-bench").quiet().run()?;
    let program = workspace.target.join("release/longshore-bench");
    cmd!(sh, "{program} {name} --docs {docs} {passed_on...}").quiet().run()?;
    Ok(())
}
