//! `bench`: builds the benchmarks for speed and runs one.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use xshell::{Cmd, Shell, cmd};

use crate::engine::{Engine, Want, obtain};
use crate::image;
use crate::leaks::Scope;
use crate::workspace::Workspace;

const BENCHES: [&str; 6] = ["ref", "decimate", "docker", "docker-many", "output", "prefork"];

/// Those that need an engine.
const ON_ENGINE: [&str; 4] = ["docker", "docker-many", "output", "prefork"];

pub(crate) fn run(sh: &Shell, workspace: &Workspace, mut args: lexopt::Parser) -> Result<()> {
    let (mut name, mut passed_on) = (None, Vec::new());
    let mut want = Want::default();
    while let Some(arg) = args.next()? {
        match arg {
            Value(value) if name.is_none() => name = Some(value.string()?),
            Long("private-engine") => want.private = true,
            Long("no-install") => want.may_install = false,
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
    let measure = cmd!(sh, "{program} {name} --docs {docs} {passed_on...}").quiet();
    if !ON_ENGINE.contains(&name.as_str()) {
        return Ok(measure.run()?);
    }
    let obtained = obtain(sh, workspace, want)?;
    let measured = on_engine(sh, workspace, &obtained.engine, measure);
    obtained.release()?;
    measured
}

/// A bench that leaves something behind has measured less work than it says.
fn on_engine(sh: &Shell, workspace: &Workspace, engine: &Engine, measure: Cmd<'_>) -> Result<()> {
    let testee = image::build_testee(sh, workspace)?;
    image::make(engine, &testee)?;
    let scope = Scope::of(engine, workspace)?;
    let before = scope.look()?;
    measure
        .env("LONGSHORE_TEST_DOCKER_HOST", engine.endpoint.to_string())
        .env("LONGSHORE_TEST_IMAGE", image::TESTEE)
        .run()?;
    scope.expect_no_more_than(&before)
}
