//! Behaviours of the three standard streams.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use longshore_testee::{STDERR, STDOUT, Terminals, pattern};
use rustix::{stdio, termios};
use serde::Serialize;

use crate::args::Args;
use crate::end::{Pause, pause};
use crate::failure::{Failure, What};

pub(crate) fn cat(args: &mut Args) -> Result<u8, Failure> {
    let limit = args.option("limit")?.unwrap_or(u64::MAX);
    args.finish()?;
    copy(limit)
}

/// The same at a terminal that hands over every byte as it comes, once it does.
pub(crate) fn cat_raw(args: &mut Args) -> Result<u8, Failure> {
    let limit = args.value("N")?;
    args.finish()?;
    let mut modes = termios::tcgetattr(stdio::stdin()).what("look at the terminal")?;
    modes.make_raw();
    let set = termios::tcsetattr(stdio::stdin(), termios::OptionalActions::Now, &modes);
    set.what("set the terminal")?;
    say("ready\n")?;
    copy(limit)
}

/// Copies stdin to stdout, to its end or for so many bytes.
fn copy(limit: u64) -> Result<u8, Failure> {
    let mut stdin = raw(stdio::stdin())?.take(limit);
    let mut stdout = raw(stdio::stdout())?;
    let mut bytes = vec![0; 64 << 10];
    loop {
        let n = stdin.read(&mut bytes).what("read stdin")?;
        if n == 0 {
            return Ok(0);
        }
        stdout.write_all(&bytes[..n]).what("write stdout")?;
    }
}

pub(crate) fn write(args: &mut Args) -> Result<u8, Failure> {
    let out: u64 = args.option("stdout")?.unwrap_or(0);
    let err: u64 = args.option("stderr")?.unwrap_or(0);
    let rate: Option<u64> = args.option("rate")?;
    let chunk: usize = args.option("chunk")?.unwrap_or(4096);
    let seed = args.option("seed")?.unwrap_or(0);
    args.finish()?;
    if chunk == 0 || rate == Some(0) {
        return Err(Failure::usage("write: --chunk and --rate must not be 0"));
    }

    let mut streams = [
        (raw(stdio::stdout())?, pattern(seed, STDOUT).take(out)),
        (raw(stdio::stderr())?, pattern(seed, STDERR).take(err)),
    ];
    let start = Instant::now();
    let mut sent = 0;
    let mut bytes = vec![0; chunk];
    while streams.iter().any(|(_, left)| left.limit() > 0) {
        for (stream, left) in &mut streams {
            let n = left.read(&mut bytes).what("make the pattern")?;
            stream.write_all(&bytes[..n]).what("write")?;
            sent += n as u64;
            if let Some(rate) = rate {
                let due = start + Duration::from_secs(sent).div_f64(rate as f64);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
    }
    Ok(0)
}

pub(crate) fn repeat(args: &mut Args) -> Result<u8, Failure> {
    let line: String = args.value("TEXT")?;
    let times: u64 = args.option("times")?.unwrap_or(1);
    args.finish()?;
    let mut stdout = BufWriter::new(raw(stdio::stdout())?);
    for _ in 0..times {
        writeln!(stdout, "{line}").what("write stdout")?;
    }
    stdout.flush().what("write stdout")?;
    Ok(0)
}

pub(crate) fn close_streams(args: &mut Args) -> Result<u8, Failure> {
    let Pause(time) = args.value("MS")?;
    let code = args.option("exit")?.unwrap_or(0);
    args.finish()?;
    // Whoever reads the streams sees their end; the numbers 1 and 2 stay taken, so that no file
    // that is opened later can become stdout by accident.
    let null = File::options().write(true).open("/dev/null");
    let null = null.what("open /dev/null")?;
    stdio::dup2_stdout(&null).what("let go of stdout")?;
    stdio::dup2_stderr(&null).what("let go of stderr")?;
    pause(time);
    Ok(code)
}

pub(crate) fn daemonize(args: &mut Args) -> Result<u8, Failure> {
    let hold = args.option("hold")?.unwrap_or(Pause(None));
    args.finish()?;
    let mut grandchild = myself()?;
    grandchild.arg("hold-streams").arg(hold.to_string());
    let held = grandchild.stdin(Stdio::null()).spawn();
    held.what("start the grandchild")?;
    Ok(0)
}

/// The grandchild of [`daemonize`]: out of the session, so that no hangup reaches it.
pub(crate) fn hold_streams(args: &mut Args) -> Result<u8, Failure> {
    let Pause(time) = args.value("MS")?;
    args.finish()?;
    rustix::process::setsid().what("start a session")?;
    say("held\n")?;
    pause(time);
    Ok(0)
}

pub(crate) fn isatty(args: &mut Args) -> Result<u8, Failure> {
    args.finish()?;
    report(&terminals())
}

pub(crate) fn terminals() -> Terminals {
    let fds = [stdio::stdin(), stdio::stdout(), stdio::stderr()];
    let [stdin, stdout, stderr] = fds.map(termios::isatty);
    let size = fds.iter().find_map(|fd| termios::tcgetwinsize(fd).ok());
    Terminals {
        stdin,
        stdout,
        stderr,
        rows: size.map(|size| size.ws_row),
        columns: size.map(|size| size.ws_col),
    }
}

/// Text to stdout, at once.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = raw(stdio::stdout())?;
    stdout.write_all(text.as_bytes()).what("write stdout")
}

/// One JSON object on one line of stdout.
pub(crate) fn report(report: &impl Serialize) -> Result<u8, Failure> {
    let text = serde_json::to_string(report).map_err(std::io::Error::from);
    say(&(text.what("write JSON")? + "\n"))?;
    Ok(0)
}

/// This program again, to be given arguments.
pub(crate) fn myself() -> Result<Command, Failure> {
    Ok(Command::new(std::env::current_exe().what("find this program")?))
}

/// The stream without std's buffer, and without std's habit of dropping what is written to a
/// closed descriptor.
fn raw(fd: BorrowedFd<'_>) -> Result<File, Failure> {
    let own = fd.as_fd().try_clone_to_owned();
    Ok(File::from(own.what("open a standard stream again")?))
}
