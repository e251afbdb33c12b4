//! The `longshore` command: runs tasks in containers from a shell.

mod completions;
mod decimate;
mod doctor;
mod engine;
mod failure;
mod input;
mod log;
mod notes;
mod pool;
mod progress;
mod pull;
mod reap;
mod reference;
mod remedy;
mod render;
mod run;
mod signals;
mod stdio;
mod terminal;
mod units;
mod unreadable;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use failure::Failure;

/// Runs tasks in containers: bounded, with a truthful end, and never left behind.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, max_term_width = 100, after_help = STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const STATUS: &str = "\
Exit status: 125 if the command line is wrong or something other than the task failed. `longshore run
--help` lists those of a task. LONGSHORE_LOG=debug shows on stderr what is done.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Pull(pull::Args),
    Reap(reap::Args),
    Doctor(doctor::Args),
    Pool(pool::Args),
    Ref(reference::Args),
    Decimate(decimate::Args),
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let read = Cli::command().try_get_matches().and_then(|words| {
        let name = words.subcommand_name().unwrap_or_default().to_owned();
        Ok((Cli::from_arg_matches(&words)?, name))
    });
    let (cli, name) = match read {
        Ok(read) => read,
        Err(error) => return failure::usage(error),
    };
    log::start();
    let done = match cli.command {
        Command::Run(args) => on_runtime(run::main(*args)),
        Command::Pull(args) => on_runtime(pull::main(args)),
        Command::Reap(args) => on_runtime(reap::main(args)),
        Command::Doctor(args) => on_runtime(doctor::main(args)),
        Command::Pool(args) => on_runtime(pool::main(args)),
        Command::Ref(args) => reference::main(&args),
        Command::Decimate(args) => decimate::main(&args),
        Command::Completions(args) => completions::main(&args),
    };
    ExitCode::from(done.unwrap_or_else(|failure| failure.in_command(&name).report()))
}

/// Runs a command to its end, and does not wait for threads that are stuck in a read from stdin or
/// a write to a reader that does not read.
fn on_runtime(command: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start the runtime", &error))?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}
