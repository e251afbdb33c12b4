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
mod steps;
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
  test [--require-engines]
             every test; those that need an engine where there is one, which is installed and
             started if this is Debian and you are root
  ci         every check and every test, sampled where it is long
  soak       the same at full size
  bench NAME [--json FILE] [--rounds N]
             measures rivals side by side; writes docs/benchmarks.md

  demo, test, ci, soak and bench take --private-engine: one of their own, even where one answers.
  demo, test and bench take --no-install: what is missing is then told and not installed.
  test, ci, soak and bench take --seed N.

  tidy       the rules of the house that no compiler checks
  leaks [--settle SECONDS] COMMAND [ARG]...
             runs a command and tells what it left on the engine and on this machine
  image      builds the testee and makes the test images on the engine
  engine up --kind docker20 [--name NAME]
             starts a private engine under target/engines and prints its address
  engine down [--kind KIND | --name NAME]
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
