//! Ways to end, and ways not to.

use std::time::Duration;
use std::{fmt, str::FromStr, thread};

use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::args::Args;
use crate::failure::{Failure, What};
use crate::streams::say;

pub(crate) fn exit(args: &mut Args) -> Result<u8, Failure> {
    let code = args.value("N")?;
    args.finish()?;
    Ok(code)
}

pub(crate) fn die(args: &mut Args) -> Result<u8, Failure> {
    let Signal(signal) = args.value("SIGNAL")?;
    args.finish()?;
    if std::process::id() == 1 {
        // The library would abort instead, and the code would then lie about the signal.
        return Err(Failure::Impossible(
            "die: process 1 gets no signal from within its namespace; run it under an init".into(),
        ));
    }
    low_level::emulate_default_handler(signal).what(format!("raise signal {signal}"))?;
    Err(Failure::Impossible(format!("die: signal {signal} does not end a process")))
}

pub(crate) fn sleep(args: &mut Args) -> Result<u8, Failure> {
    let Pause(time) = args.value("MS")?;
    args.finish()?;
    pause(time);
    Ok(0)
}

pub(crate) fn ignore_term(args: &mut Args) -> Result<u8, Failure> {
    let time = args.optional_value("MS")?.unwrap_or(Pause(None));
    args.finish()?;
    // A handler that only stores a flag: to the sender that is the same as ignoring.
    let caught = std::sync::Arc::default();
    signal_hook::flag::register(SIGTERM, caught).what("ignore SIGTERM")?;
    say("ready\n")?;
    pause(time.0);
    Ok(0)
}

pub(crate) fn trap_term(args: &mut Args) -> Result<u8, Failure> {
    let code = args.option("exit")?.unwrap_or(0);
    let Signal(signal) = args.option("signal")?.unwrap_or(Signal(SIGTERM));
    let delay = args.option("delay")?.unwrap_or(0);
    args.finish()?;
    let mut signals = Signals::new([signal]).what(format!("trap signal {signal}"))?;
    say("ready\n")?;
    signals.forever().next();
    say("caught\n")?;
    thread::sleep(Duration::from_millis(delay));
    Ok(code)
}

/// Sleeps for the time, or until a signal ends the process.
pub(crate) fn pause(time: Option<Duration>) {
    match time {
        Some(time) => thread::sleep(time),
        None => loop {
            thread::park();
        },
    }
}

/// Milliseconds, or `forever`.
#[derive(Clone, Copy)]
pub(crate) struct Pause(pub(crate) Option<Duration>);

impl FromStr for Pause {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Pause, Self::Err> {
        if text == "forever" {
            return Ok(Pause(None));
        }
        Ok(Pause(Some(Duration::from_millis(text.parse()?))))
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "{}", time.as_millis()),
            None => f.write_str("forever"),
        }
    }
}

/// A signal's number, from its number or from its name with or without `SIG`.
struct Signal(i32);

impl FromStr for Signal {
    type Err = ();

    fn from_str(text: &str) -> Result<Signal, ()> {
        let named = |n: &i32| {
            low_level::signal_name(*n)
                .is_some_and(|name| name == text || name.strip_prefix("SIG") == Some(text))
        };
        let found = match text.parse::<i32>() {
            Ok(n) => (1..=31).find(|known| *known == n),
            Err(_) => (1..=31).find(named),
        };
        found.map(Signal).ok_or(())
    }
}
