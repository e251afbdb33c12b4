//! What went wrong, as the user is told: the thing at fault, then the remedy.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use longshore::{Error, ErrorKind, InvalidSpec};

use crate::notes;
use crate::remedy::{self, remedy};
use crate::render;

/// The exit status when something other than the task failed, as Docker has it.
pub(crate) const ENGINE: u8 = 125;
/// The exit status of a filter whose reader went away: what a shell shows for death by `SIGPIPE`.
const BROKEN_PIPE: u8 = 141;

/// Whoever has made more mistakes mends these first.
const MOST_DETAILS: usize = 25;
/// A value that is at fault may be of any length.
const LONGEST_DETAIL: usize = 2000;

/// A command that could not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    details: Vec<String>,
    help: Option<String>,
    kind: Option<ErrorKind>,
    /// The exit status.
    pub(crate) code: u8,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), details: Vec::new(), help: None, kind: None, code: ENGINE }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a line for each of these.
    pub(crate) fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// Says that whoever wrote it has to change it, where nothing else is known.
    pub(crate) fn invalid(mut self) -> Self {
        self.kind.get_or_insert(ErrorKind::InvalidInput);
        self
    }

    /// A file or stream of this host.
    pub(crate) fn io(what: impl Display, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            return Self::new(format!("{what}: it is not text in UTF-8"));
        }
        Self::new(format!("{what}: {error}"))
    }

    /// Output that could not be written. A reader that went away is no news to anybody.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new("").code(BROKEN_PIPE);
        }
        Self::io("stdout", error)
    }

    /// What the engine's error means, if the engine failed.
    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    /// What to do about it, if that is known.
    pub(crate) fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Leaves out of the help what a command's options do not allow.
    pub(crate) fn in_command(mut self, name: &str) -> Self {
        self.help = self.help.and_then(|help| remedy::in_command(&help, name));
        self
    }

    /// What failed, on one line.
    pub(crate) fn what(&self) -> String {
        if self.details.is_empty() {
            return self.what.clone();
        }
        format!("{}: {}", self.what, self.details.join("; "))
    }

    /// The whole text; empty if there is nothing to say.
    pub(crate) fn text(&self) -> String {
        if self.what.is_empty() {
            return String::new();
        }
        let mut text = format!("longshore: error: {}\n", self.what);
        for detail in self.details.iter().take(MOST_DETAILS) {
            text.push_str(&format!("  {}\n", render::shortened(detail, LONGEST_DETAIL)));
        }
        if let Some(more) = self.details.len().checked_sub(MOST_DETAILS).filter(|more| *more > 0) {
            text.push_str(&format!("  … and {more} more\n"));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("  help: {help}\n"));
        }
        text
    }

    /// Tells the user, and gives the exit status.
    pub(crate) fn report(&self) -> u8 {
        write_to_stderr(&self.text());
        self.code
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut what = error.what();
        let mut source = error.source();
        while let Some(cause) = source {
            // What to do is told below.
            let text = match cause.downcast_ref::<Error>() {
                Some(cause) => cause.what(),
                None => cause.to_string(),
            };
            // A message often repeats its cause.
            if !what.contains(&text) {
                what = format!("{what}: {text}");
            }
            source = cause.source();
        }
        // The run directory is not the engine's, and its errors say themselves what to do.
        let help = remedy(&error).filter(|_| error.op() != "open run directory");
        Self { help, kind: Some(error.kind()), ..Self::new(what) }
    }
}

impl From<InvalidSpec> for Failure {
    fn from(invalid: InvalidSpec) -> Self {
        let details = invalid
            .problems()
            .iter()
            .map(|problem| format!("{}: {}", problem.field, problem.message))
            .collect();
        Self {
            details,
            help: Some(
                "each line names a field of the task; `longshore run --help` names its option"
                    .into(),
            ),
            kind: Some(ErrorKind::InvalidInput),
            ..Self::new("invalid task")
        }
    }
}

/// Tells the user something that is no failure.
pub(crate) fn note(text: impl Display) {
    write_to_stderr(&format!("longshore: {text}\n"));
}

/// What a name or an engine's words hold cannot command a terminal.
fn write_to_stderr(text: &str) {
    notes::say(render::printable(text).as_bytes());
}

/// Shows what clap has to say: help and version on stdout, everything else as an error.
pub(crate) fn usage(mut error: clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let printed = error.print().and_then(|()| io::stdout().flush());
        // Whoever reads no more of it has read enough.
        let failed = printed.err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        let failed = failed.map(|error| Failure::output(&error).report());
        return failed.map_or(ExitCode::SUCCESS, ExitCode::from);
    }
    keep_secrets(&mut error);
    drop_wrong_tips(&mut error);
    let text = error.render().to_string();
    if text.starts_with("error:") {
        write_to_stderr(&format!("longshore: {text}"));
    } else {
        write_to_stderr(&text);
    }
    ExitCode::from(ENGINE)
}

/// What these options set may be a password: their values are not repeated.
const SECRET: [&str; 2] = ["--env ", "--log-opt "];

fn keep_secrets(error: &mut clap::Error) {
    if let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg)
        && SECRET.iter().any(|secret| option.starts_with(secret))
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String("…".to_owned()));
    }
}

/// Behind `--` stands the image: to write an option there is never what was meant.
fn drop_wrong_tips(error: &mut clap::Error) {
    if let Some(ContextValue::StyledStrs(mut tips)) = error.remove(ContextKind::Suggested) {
        tips.retain(|tip| !tip.to_string().contains("as a value, use '-- "));
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_the_thing_then_the_remedy() {
        let error =
            Error::new(ErrorKind::NetworkNotFound, "create").message("no network named lan");
        let failure = Failure::from(error);
        assert_eq!(failure.code, 125);
        let text = failure.text();
        assert!(
            text.starts_with("longshore: error: create: no network named lan\n  help: "),
            "{text}"
        );
    }

    #[test]
    fn causes_are_told_once() {
        let cause = io::Error::other("cut");
        let error = Error::new(ErrorKind::Engine, "start").message("it failed: cut").because(cause);
        assert_eq!(Failure::from(error).text(), "longshore: error: start: it failed: cut\n");
        let error = Error::new(ErrorKind::Engine, "start").because(io::Error::other("cut"));
        assert_eq!(Failure::from(error).text(), "longshore: error: start: engine error: cut\n");
    }

    #[test]
    fn every_problem_of_a_task_has_a_line() {
        let invalid =
            longshore::TaskSpec::builder("Not An Image").work_dir("x").build().unwrap_err();
        let failure = Failure::from(invalid);
        let text = failure.text();
        assert!(text.contains("\n  image: ") && text.contains("\n  work_dir: "), "{text}");
        assert_eq!(failure.kind(), Some(ErrorKind::InvalidInput));
        assert_eq!(failure.what().lines().count(), 1);
    }

    #[test]
    fn very_many_problems_and_very_long_ones_are_cut() {
        let details = vec!["é".repeat(5000); 100];
        let text = Failure::new("no").details(details).text();
        assert_eq!(text.lines().count(), 27);
        assert!(text.ends_with("\n  … and 75 more\n"), "{text}");
        assert!(text.len() < 60_000, "{}", text.len());
        let text = Failure::new("no").details(vec!["x".to_owned(); 25]).text();
        assert_eq!(text.lines().count(), 26);
    }

    #[test]
    fn a_reader_that_went_away_is_no_news() {
        let failure = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((failure.text().as_str(), failure.code), ("", 141));
    }
}
