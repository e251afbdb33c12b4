//! The command line: a subcommand, its values, and options that all take a value.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::str::FromStr;

use lexopt::Arg;

use crate::failure::Failure;

/// What was given and not yet asked for.
pub(crate) struct Args {
    pub(crate) command: String,
    values: VecDeque<OsString>,
    options: BTreeMap<String, OsString>,
}

impl Args {
    pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Args, Failure> {
        let mut values = VecDeque::new();
        let mut options = BTreeMap::new();
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Value(value) => values.push_back(value),
                Arg::Long(name) => {
                    let name = name.to_owned();
                    options.insert(name, parser.value()?);
                }
                Arg::Short(_) => return Err(arg.unexpected().into()),
            }
        }
        let command = values.pop_front().unwrap_or_else(|| "help".into());
        let command = command.to_string_lossy().into_owned();
        Ok(Args { command, values, options })
    }

    /// The next value, which must be there.
    pub(crate) fn value<T: FromStr>(&mut self, name: &str) -> Result<T, Failure> {
        match self.values.pop_front() {
            Some(value) => parsed(name, &value),
            None => Err(Failure::usage(format!("{}: {name} is missing", self.command))),
        }
    }

    pub(crate) fn optional_value<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        let given = self.values.pop_front();
        given.map(|value| parsed(name, &value)).transpose()
    }

    pub(crate) fn option<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        let given = self.options.remove(name);
        given.map(|value| parsed(name, &value)).transpose()
    }

    /// Whatever nobody asked for is an error: a misspelt option must not pass as absent.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        let command = &self.command;
        if let Some(value) = self.values.front() {
            return Err(Failure::usage(format!("{command}: unexpected value {value:?}")));
        }
        if let Some(name) = self.options.keys().next() {
            return Err(Failure::usage(format!("{command}: unknown option --{name}")));
        }
        Ok(())
    }
}

fn parsed<T: FromStr>(name: &str, value: &OsString) -> Result<T, Failure> {
    let text = value.to_str().and_then(|text| text.parse().ok());
    text.ok_or_else(|| Failure::usage(format!("{name}: {value:?} is not valid")))
}
