//! `engine up|down`.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use serde_json::json;
use xshell::Shell;

use super::Private;
use crate::workspace::Workspace;

const KINDS: [&str; 1] = ["docker20"];

pub(crate) fn run(sh: &Shell, workspace: &Workspace, mut args: lexopt::Parser) -> Result<()> {
    let (mut action, mut kind, mut name) = (None, None, None);
    while let Some(arg) = args.next()? {
        match arg {
            Value(value) if action.is_none() => action = Some(value.string()?),
            Long("kind") => kind = Some(args.value()?.string()?),
            Long("name") => name = Some(args.value()?.string()?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    if let Some(kind) = &kind
        && !KINDS.contains(&kind.as_str())
    {
        bail!("there is no engine of kind {kind:?} yet; the kinds are: {}", KINDS.join(", "));
    }
    let private =
        Private::named(workspace, name.as_deref().or(kind.as_deref()).unwrap_or(KINDS[0]))?;
    match action.as_deref() {
        Some("up") if kind.is_none() => {
            bail!("engine up needs --kind; the kinds are: {}", KINDS.join(", "))
        }
        Some("up") => {
            let engine = private.up(sh)?;
            let url = engine.endpoint.to_string();
            println!("{}", json!({"url": url, "version": engine.version, "api": engine.api}));
            Ok(())
        }
        Some("down") => private.down(),
        _ => {
            bail!("engine up --kind KIND [--name NAME], or engine down [--kind KIND | --name NAME]")
        }
    }
}
