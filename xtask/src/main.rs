//! `cargo xtask`: everything that a developer or CI runs, one file a command.

mod bench;
mod cgroups;
mod ci;
mod demo;
mod engine;
mod http;
mod image;
mod install;
mod leaks;
mod registry;
mod sample;
mod skips;
mod stalls;
mod steps;
mod targets;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::prelude::*;
use xshell::Shell;

use workspace::Workspace;

const HELP: &str = "\
usage: cargo xtask COMMAND

  demo       runs tasks on an engine and shows what becomes of them
  test [--require-engines] [--kind KIND]...
             every test; those that need an engine where there is one, which is installed and
             started if this is Debian and you are root; with --kind, on a private engine of
             each of these kinds. What is not run is listed with its reason at the end: whole
             targets, and tests that say SKIPPED; --require-engines makes either a failure, but not
             the targets about what is refused on Podman
  ci         every check and every test, sampled where it is long, and a part of the contract on
             docker26
  soak       the same at full size, and all engine tests on every kind; hours. With --kind KIND,
             each of which may also be given to ci, on engines of these kinds alone
  bench NAME [--json FILE] [--rounds N]
             measures rivals side by side; writes docs/benchmarks.md

  demo, test, ci, soak and bench take --private-engine: one of their own, even where one answers.
  demo, test, bench and engine up take --no-install: what is missing is then told and not installed.
  test, ci, soak and bench take --seed N.

  tidy       the rules of the house that no compiler checks
  leaks [--settle SECONDS] COMMAND [ARG]...
             runs a command and tells what it left on the engine and on this machine
  image      builds the testee and makes the test images on the engine
  engine up --kind KIND [--name NAME]
             starts a private engine under target/engines and prints its address; KIND is
             docker20 (Debian 12's), docker26 (Debian 13's), podman (Debian 12's 4.3) or podman5
             (Debian 13's 5.4). What this machine lacks comes from a Debian of its own under
             target/roots, which debootstrap makes once, from LONGSHORE_DEBIAN_MIRROR if set.
  engine down [--kind KIND | --name NAME]
  engine restart [--kind KIND | --name NAME] [--kill] [--live-restore]
             ends the daemon, by force with --kill, and starts it again on what it had; with
             --live-restore, Docker lets containers run on that have not ended
  registry up|down [--auth]
             a registry on loopback with the testee in it
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut parser = lexopt::Parser::from_env();
    let command = match parser.next()? {
        Some(Value(command)) => command.string()?,
        Some(Short('h') | Long("help")) | None => "help".to_owned(),
        Some(arg) => return Err(arg.unexpected().into()),
    };
    // Wherever help is asked for; after `leaks` it may be another program's affair.
    let asks = |arg: &std::ffi::OsString| arg == "--help" || arg == "-h";
    let command = match command.as_str() {
        "leaks" | "enter" => command,
        _ if std::env::args_os().any(|arg| asks(&arg)) => "help".to_owned(),
        _ => command,
    };
    if command == "enter" {
        // On its way to become an engine, it needs nothing of the workspace.
        return engine::enter(parser);
    }
    let sh = Shell::new()?;
    let workspace = Workspace::load(&sh)?;
    sh.change_dir(&workspace.root);
    match command.as_str() {
        "help" => print!("{HELP}"),
        "engine" => engine::run(&sh, &workspace, parser)?,
        "ci" => ci::run(&sh, &workspace, parser, false)?,
        "soak" => ci::run(&sh, &workspace, parser, true)?,
        "bench" => bench::run(&sh, &workspace, parser)?,
        "demo" => demo::run(&sh, &workspace, parser)?,
        "leaks" => leaks::run(&workspace, parser)?,
        "registry" => registry::run(&sh, &workspace, parser)?,
        "test" => test::run(&sh, &workspace, parser)?,
        "tidy" => tidy::run(&workspace)?,
        "image" => image::run(&sh, &workspace)?,
        other => bail!("unknown command {other:?}; see cargo xtask help"),
    }
    Ok(())
}
