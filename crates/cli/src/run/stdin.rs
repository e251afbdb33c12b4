//! Who gets stdin: the task, or whoever reads its description.

use std::path::Path;

use super::args::Args;
use super::parse::SecurityOption;
use crate::failure::Failure;
use crate::input;

/// What the task gets of stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stdin {
    /// It is passed through even if it is a terminal.
    Always,
    /// It is passed through unless it is a terminal.
    Usual,
    /// Nothing: an option has read it.
    Taken,
}

impl Stdin {
    /// As the options say. Only one of them can read it.
    pub(super) fn by(args: &Args) -> Result<Self, Failure> {
        let readers = readers(args);
        match readers[..] {
            [] if args.task.interactive => Ok(Self::Always),
            [] => Ok(Self::Usual),
            [reader] if args.task.interactive => {
                Err(Failure::new(format!("{reader} - reads stdin, and -i gives it to the task"))
                    .help("leave -i out, or give a file"))
            }
            [_] => Ok(Self::Taken),
            [first, second, ..] => {
                Err(Failure::new(format!("{first} - and {second} - both read stdin"))
                    .help("give a file for all but one of them"))
            }
        }
    }

    pub(super) fn is_passed(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Usual => !is_terminal,
            Self::Taken => false,
        }
    }
}

/// The options that read stdin.
fn readers(args: &Args) -> Vec<&'static str> {
    let profiles = args.security.security_opt.iter().filter_map(|option| match option {
        SecurityOption::SeccompFile(path) => Some(("--security-opt seccomp", path.as_path())),
        _ => None,
    });
    let single = [("--config", &args.engine.config), ("--spec", &args.task.spec)];
    let single = single.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?)));
    let variables = args.task.env_file.iter().map(|path| ("--env-file", path.as_path()));
    let all: Vec<(&'static str, &Path)> = single.chain(variables).chain(profiles).collect();
    all.into_iter().filter(|(_, path)| input::is_stdin(path)).map(|(option, _)| option).collect()
}
