//! `leaks`: runs any command and tells what it left behind.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;

use super::{SETTLE, Scope, adopt};
use crate::engine;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, mut args: lexopt::Parser) -> Result<()> {
    let mut settle = SETTLE;
    let program = loop {
        match args.next()? {
            Some(Long("settle")) => settle = Duration::from_secs(args.value()?.parse()?),
            Some(Value(program)) => break program,
            Some(arg) => return Err(arg.unexpected().into()),
            None => bail!("leaks [--settle SECONDS] COMMAND [ARG]..."),
        }
    };
    adopt()?;
    let scope = Scope::of(&engine::find()?, workspace)?;
    let before = scope.look()?;
    let status = Command::new(&program).args(args.raw_args()?).status();
    let status = status.with_context(|| format!("start {}", program.display()))?;
    scope.expect_within(&before, settle)?;
    if !status.success() {
        bail!("{} left nothing, and failed: {status}", program.display());
    }
    println!("nothing left behind");
    Ok(())
}
