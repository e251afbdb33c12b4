//! `longshore completions`: a script that completes the command line.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::failure::Failure;

/// Prints a script that completes longshore's command line in a shell
///
/// For bash: `longshore completions bash > /etc/bash_completion.d/longshore`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn main(args: &Args) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "longshore", &mut script);
    let mut stdout = io::stdout().lock();
    stdout.write_all(&script).and_then(|()| stdout.flush()).map_err(|e| Failure::output(&e))?;
    Ok(0)
}
