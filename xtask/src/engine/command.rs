//! `engine up|down|restart`.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use serde_json::json;
use xshell::Shell;

use super::Private;
use super::kind::{Kind, names};
use super::restart::End;
use crate::workspace::Workspace;

pub(crate) fn run(sh: &Shell, workspace: &Workspace, mut args: lexopt::Parser) -> Result<()> {
    let (mut action, mut kind, mut name, mut may_install) = (None, None::<Kind>, None, true);
    let (mut end, mut live) = (End::Asked, false);
    while let Some(arg) = args.next()? {
        match arg {
            Value(value) if action.is_none() => action = Some(value.string()?),
            Long("kind") => kind = Some(args.value()?.parse()?),
            Long("name") => name = Some(args.value()?.string()?),
            Long("no-install") => may_install = false,
            Long("kill") => end = End::Killed,
            Long("live-restore") => live = true,
            _ => return Err(arg.unexpected().into()),
        }
    }
    let named = || match (&name, kind) {
        (Some(name), _) => Private::named(workspace, name),
        (None, Some(kind)) => Private::named(workspace, kind.name()),
        (None, None) => bail!("which engine? --kind KIND or --name NAME"),
    };
    match (action.as_deref(), kind) {
        (Some("up"), None) => bail!("engine up needs --kind; the kinds are: {}", names()),
        (Some("up"), Some(kind)) => {
            let engine = named()?.up(sh, workspace, kind, may_install)?;
            let url = engine.endpoint.to_string();
            println!("{}", json!({"url": url, "version": engine.version, "api": engine.api}));
            Ok(())
        }
        (Some("restart"), _) => named()?.restart(sh, workspace, end, live).map(drop),
        (Some("down"), _) => named()?.down(),
        _ => {
            bail!(
                "engine up --kind KIND [--name NAME], or engine down [--kind KIND | --name NAME], \
                 or engine restart [--kind KIND | --name NAME] [--kill] \
                 [--live-restore]"
            )
        }
    }
}
