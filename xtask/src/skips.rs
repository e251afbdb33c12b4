//! What test programs skip inside of a run that passes.
//!
//! A test that cannot be run where it is says so on stderr, in a line `SKIPPED test: reason`. A test
//! harness knows no skip and counts it as passed; here it is heard.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::engine::process;

/// What a line of a test that is skipped begins with.
const MARK: &str = "SKIPPED ";

/// How long what was written last may take to be read after the command's end.
const DRAIN: Duration = Duration::from_secs(10);

/// A test that was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) reason: String,
}

/// Runs a command of tests, passes its stderr on, and adds what it says that it skipped.
///
/// # Errors
/// When it cannot be started or fails, and when something that it started keeps stderr open: what
/// was skipped is then not known.
pub(crate) fn run(command: Command, skips: &mut Vec<Skip>) -> Result<()> {
    run_to(command, io::stderr(), DRAIN, skips)
}

fn run_to(
    mut command: Command,
    mut to: impl Write + Send + 'static,
    drain: Duration,
    skips: &mut Vec<Skip>,
) -> Result<()> {
    let name = format!("{command:?}");
    let mut child = command.stderr(Stdio::piped()).spawn().with_context(|| name.clone())?;
    let stderr = File::from(OwnedFd::from(child.stderr.take().context("stderr is piped")?));
    let pipe = format!("pipe:[{}]", stderr.metadata().context("look at the pipe")?.ino());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let heard = listen(stderr, &mut to, |skip| {
            // Nobody listens any more once the command's time is over.
            let _ = tell.send(Ok(skip));
        });
        if let Err(error) = heard {
            let _ = tell.send(Err(error));
        }
    });
    let status = child.wait()?;
    loop {
        match told.recv_timeout(drain) {
            Ok(skip) => skips.push(skip.context("read what the tests say")?),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                bail!(
                    "what a test started lives on with the test's stderr: {}",
                    holders(&pipe)?.join("; ")
                )
            }
        }
    }
    if !status.success() {
        bail!("tests failed ({status})");
    }
    Ok(())
}

/// The other processes that have a pipe open.
fn holders(pipe: &str) -> Result<Vec<String>> {
    let own = i32::try_from(std::process::id())?;
    let has = |process: &process::Process| {
        // One that has ended, or is another user's, shows nothing.
        let files = fs::read_dir(format!("/proc/{}/fd", process.pid)).into_iter().flatten();
        files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == pipe))
    };
    let others = process::all()?.into_iter().filter(|process| process.pid != own && has(process));
    Ok(others.map(|process| format!("{} {}", process.pid, process.command)).collect())
}

/// Copies line by line, and tells each skip.
fn listen(from: impl Read, to: &mut impl Write, mut tell: impl FnMut(Skip)) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        if let Some(skip) = skip(&String::from_utf8_lossy(&line)) {
            tell(skip);
        }
        line.clear();
    }
    Ok(())
}

/// Another program's words without an end of line may stand before the mark.
fn skip(line: &str) -> Option<Skip> {
    let (_, said) = line.split_once(MARK)?;
    let (test, reason) = said.trim_end().split_once(": ")?;
    Some(Skip { test: test.to_owned(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_line_that_says_skipped_is_heard_and_passed_on() {
        let text = b"warning: x\nSKIPPED images::a: no image: none\nhalfSKIPPED b: \xff\nSKIPPED\n";
        let (mut out, mut skips) = (Vec::new(), Vec::new());
        listen(&text[..], &mut out, |skip| skips.push(skip)).unwrap();
        assert_eq!(out, text);
        let skips: Vec<_> = skips.iter().map(|it| (it.test.as_str(), it.reason.as_str())).collect();
        assert_eq!(skips, [("images::a", "no image: none"), ("b", "\u{fffd}")]);
    }

    #[test]
    fn a_command_that_passes_tells_what_it_skipped() {
        let mut skips = Vec::new();
        let script = "echo 'SKIPPED a: b' >&2; echo 'SKIPPED c: d' >/dev/null";
        run_to(sh(script), io::sink(), DRAIN, &mut skips).unwrap();
        assert_eq!(skips, [Skip { test: "a".to_owned(), reason: "b".to_owned() }]);
    }

    #[test]
    fn a_command_that_fails_is_a_failure_whatever_it_skipped() {
        let mut skips = Vec::new();
        let failing = sh("echo 'SKIPPED a: b' >&2; exit 3");
        let error = run_to(failing, io::sink(), DRAIN, &mut skips).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        assert_eq!(skips.len(), 1);
    }

    #[test]
    fn what_outlives_its_command_with_stderr_is_named() {
        // Ends with this test's end of the pipe that it reads from.
        let (from, to) = io::pipe().unwrap();
        let mut command = sh("exec 3<&0; cat <&3 & exit 0");
        command.stdin(from);
        let soon = Duration::from_millis(50);
        let error = run_to(command, io::sink(), soon, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains(" cat"), "{error}");
        drop(to);
    }
}
