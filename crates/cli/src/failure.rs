//! What went wrong, as the user is told: the thing at fault, then the remedy.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use longshore::{Error, ErrorKind, InvalidSpec};

/// The exit status when something other than the task failed, as Docker has it.
pub(crate) const ENGINE: u8 = 125;
/// The exit status of a filter whose reader went away: what a shell shows for death by `SIGPIPE`.
const BROKEN_PIPE: u8 = 141;

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

    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// A file or stream of this host.
    pub(crate) fn io(what: impl Display, error: &io::Error) -> Self {
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
        for detail in &self.details {
            text.push_str(&format!("  {detail}\n"));
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
        let mut what = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // A message often repeats its cause.
            if !what.contains(&text) {
                what = format!("{what}: {text}");
            }
            source = cause.source();
        }
        let help = remedy(error.kind()).map(str::to_owned);
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

/// What to do about an error, where its kind alone tells.
fn remedy(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::ImageNotFound => "`longshore ref IMAGE` shows how a name is read",
        ErrorKind::RegistryUnauthorized => {
            "log in with `docker login REGISTRY`; `longshore doctor` shows where credentials are found"
        }
        ErrorKind::RegistryBusy | ErrorKind::RegistryFailed => "try again later",
        ErrorKind::NetworkNotFound => "--network takes none, bridge, host or the name of a network",
        ErrorKind::LogDriver => {
            "see --log-driver and --log-opt; without them the engine keeps no log"
        }
        ErrorKind::EngineUnavailable => "`longshore doctor` shows what there is and what to do",
        ErrorKind::EngineTooOld => "update the engine",
        ErrorKind::PermissionDenied => {
            "run as a user who may use the engine's socket, such as root or one in the group docker"
        }
        ErrorKind::DiskFull => "make room where the engine keeps its data",
        _ => return None,
    })
}

/// Tells the user something that is no failure.
pub(crate) fn note(text: impl Display) {
    write_to_stderr(&format!("longshore: {text}\n"));
}

/// A stderr that is closed or broken is no reason to fail: nobody is there to be told.
fn write_to_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// Shows what clap has to say: help and version on stdout, everything else as an error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    if text.starts_with("error:") {
        write_to_stderr(&format!("longshore: {text}"));
    } else {
        write_to_stderr(&text);
    }
    ExitCode::from(ENGINE)
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
    fn a_reader_that_went_away_is_no_news() {
        let failure = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((failure.text().as_str(), failure.code), ("", 141));
    }
}
